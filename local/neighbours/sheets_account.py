"""A service account of Google with a new key, and the tokens that Google issues to the account.

https://developers.google.com/identity/protocols/oauth2/service-account
"""

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

SCOPE = "https://www.googleapis.com/auth/spreadsheets.readonly"
"""The only scope for which tokens are issued."""

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
"""The audience that Google's Python library uses, whatever the key's token_uri is."""

LIFETIME_SECONDS = 3600
SKEW_SECONDS = 300
_TIMES = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


class TokenProblem(Exception):
    """Google's refusal to issue a token, with `error` and `error_description`."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.content = {"error": error, "error_description": description}


@dataclass(frozen=True)
class ServiceAccount:
    """A service account with one key."""

    email: str = "zip-local@zip-local.iam.gserviceaccount.com"
    key_id: str = field(default_factory=lambda: secrets.token_hex(20))
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        repr=False,
    )

    def credentials(self, token_uri: str) -> dict[str, str]:
        """Return the account's key file as Google's console writes it, private key included."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return {
            "type": "service_account",
            "project_id": "zip-local",
            "private_key_id": self.key_id,
            "private_key": pem.decode("ascii"),
            "client_email": self.email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }


class Tokens:
    """The tokens that were issued to an account. `clock` returns seconds since 1970."""

    def __init__(self, account: ServiceAccount, clock: Callable[[], float]) -> None:
        self._account = account
        self._clock = clock
        self._until: dict[str, float] = {}

    def issue(self, form: Mapping[str, str], audience: str) -> dict[str, Any]:
        """Return Google's answer, with a new token, to a form with a valid assertion.

        Raises:
            TokenProblem: The form or the assertion isn't valid.
        """
        grant = form.get("grant_type", "")
        if not grant:
            raise TokenProblem("invalid_request", "Missing required parameter: grant_type")
        if grant != GRANT:
            raise TokenProblem("unsupported_grant_type", f"Invalid grant_type: {grant}")
        if not form.get("assertion"):
            raise TokenProblem("invalid_request", "Missing required parameter: assertion")
        self._check(form["assertion"], audience)
        token = f"ya29.c.{secrets.token_urlsafe(32)}"
        self._until[token] = self._clock() + LIFETIME_SECONDS
        return {"access_token": token, "expires_in": LIFETIME_SECONDS - 1, "token_type": "Bearer"}

    def is_valid(self, token: str) -> bool:
        """Return whether this token was issued and hasn't expired."""
        return self._until.get(token, 0) > self._clock()

    def expire(self) -> None:
        """Make every token invalid."""
        self._until.clear()

    def _check(self, assertion: str, audience: str) -> None:
        header, claims = self._verified(assertion)
        if header.get("kid", self._account.key_id) != self._account.key_id:
            raise TokenProblem("invalid_grant", "Invalid JWT Signature.")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            raise TokenProblem("invalid_grant", _TIMES)
        now = self._clock()
        if expires <= now or issued > now + SKEW_SECONDS or expires - issued > LIFETIME_SECONDS:
            raise TokenProblem("invalid_grant", _TIMES)
        if claims.get("aud") not in [audience, GOOGLE_AUDIENCE]:
            description = f"Invalid JWT: Failed audience check. The right audience is {audience}"
            raise TokenProblem("invalid_grant", description)
        if claims.get("scope") != SCOPE:
            description = "Invalid OAuth scope or ID token audience provided."
            raise TokenProblem("invalid_scope", description)

    def _verified(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Verify an assertion's signature, and return header and claims.

        Raises:
            TokenProblem: The assertion is malformed, isn't signed with RS256, or is signed by
                another account or key.
        """
        try:
            head, body, signature = assertion.split(".")
            header, claims = _decoded(head), _decoded(body)
            raw = _base64(signature)
        except (ValueError, msgspec.MsgspecError):
            raise TokenProblem("invalid_grant", "Bad Request") from None
        if header.get("alg") != "RS256":
            raise TokenProblem("invalid_grant", "Invalid JWT: the algorithm has to be RS256.")
        if claims.get("iss") != self._account.email:
            raise TokenProblem("invalid_grant", "Invalid grant: account not found")
        try:
            self._account.key.public_key().verify(
                raw, f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            raise TokenProblem("invalid_grant", "Invalid JWT Signature.") from None
        return header, claims


def _decoded(part: str) -> dict[str, Any]:
    return msgspec.json.decode(_base64(part), type=dict[str, Any])


def _base64(part: str) -> bytes:
    """Return the bytes that URL-safe base64 without padding stands for.

    Raises:
        ValueError: The text isn't base64.
    """
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from None
