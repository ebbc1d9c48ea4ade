"""Authenticate requests to Opencast by HTTP Digest with nonces that expire, or by HTTP Basic.

Credentials are checked even on open paths, because Opencast's filters of Spring Security do so. A
nonce contains its expiry and a signature, so no nonce is stored.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from email.message import Message
from urllib.request import parse_http_list, parse_keqv_list

from local.neighbours.opencast_store import Store, User

REALM = "Opencast"
NONCE_SECONDS = 300


class UnauthorizedError(Exception):
    """Error for wrong credentials or an expired nonce.

    `challenge` is the value of `WWW-Authenticate`.
    """

    def __init__(self, challenge: str) -> None:
        super().__init__("the credentials are wrong: sign in again")
        self.challenge = challenge


class SignIn:
    """A check of credentials against the store's users."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = secrets.token_hex(16)

    def challenge(self, *, stale: bool = False) -> str:
        """Return a Digest challenge with a new nonce. `stale` means that the old nonce expired."""
        expiry = int((self._store.clock() + NONCE_SECONDS) * 1000)
        nonce = base64.b64encode(f"{expiry}:{self._signature(expiry)}".encode()).decode()
        challenge = f'Digest realm="{REALM}", qop="auth", nonce="{nonce}"'
        return challenge + ', stale="true"' if stale else challenge

    def user(self, method: str, headers: Message) -> User | None:
        """Return the user of a request, or None without Digest or Basic credentials.

        Raises:
            UnauthorizedError: The credentials are wrong, or the nonce has expired.
        """
        scheme, _, credentials = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "digest":
            return self._digest_user(method, credentials)
        if scheme.lower() == "basic":
            return self._basic_user(credentials)
        return None

    def _digest_user(self, method: str, credentials: str) -> User:
        try:
            given = parse_keqv_list(parse_http_list(credentials))
            expiry = self._expiry(given["nonce"])
            user = self._store.users[given["username"]]
            wanted = _digest(user, method, given)
            right = hmac.compare_digest(wanted.encode(), given["response"].encode())
            right &= user.clear_text and given["realm"] == REALM and given["qop"] == "auth"
        except (KeyError, ValueError, IndexError) as error:
            raise UnauthorizedError(self.challenge()) from error
        if not right:
            raise UnauthorizedError(self.challenge())
        if expiry <= self._store.clock() * 1000:
            raise UnauthorizedError(self.challenge(stale=True))
        return user

    def _expiry(self, nonce: str) -> int:
        """Return the expiry of a nonce in ms since 1970.

        Raises:
            ValueError: Another server issued the nonce, or the nonce is malformed.
        """
        expiry, _, signature = base64.b64decode(nonce, validate=True).decode().partition(":")
        if not hmac.compare_digest(signature.encode(), self._signature(int(expiry)).encode()):
            raise ValueError("this nonce is not one of ours")
        return int(expiry)

    def _signature(self, expiry: int) -> str:
        return _md5(f"{expiry}:{self._key}")

    def _basic_user(self, credentials: str) -> User:
        try:
            name, _, password = base64.b64decode(credentials).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UnauthorizedError(f'Basic realm="{REALM}"') from error
        user = self._store.users.get(name)
        if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
            raise UnauthorizedError(f'Basic realm="{REALM}"')
        return user


def _digest(user: User, method: str, given: Mapping[str, str]) -> str:
    """Return the Digest `response` that this user's password gives (RFC 2617, qop auth)."""
    secret = _md5(f"{user.name}:{REALM}:{user.password}")
    request = _md5(f"{method}:{given['uri']}")
    nonce = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}"
    return _md5(f"{secret}:{nonce}:{request}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
