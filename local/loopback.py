"""Checks of requests to local servers, which every user and browser of the machine can reach.

The module needs only the standard library, because the local cloud imports the module in
`.venv-cloud`.
"""

import hmac
import re
from collections.abc import Sequence

SERVER_NAMES = ("localhost", "127.0.0.1", "::1")
"""The names in the certificate of every local server."""

_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")


def foreign(hosts: Sequence[str], origins: Sequence[str]) -> str:
    """Return why a request may come from another server's page, or "" if the request can't.

    `hosts` and `origins` are the values of the headers `Host` and `Origin`. After DNS rebinding a
    page's own name has an address on loopback, and `Host` contains that name.
    """
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return f"Host has to be one of {', '.join(SERVER_NAMES)}."
    if any(origin != f"https://{hosts[0]}" for origin in origins):
        return "Origin is another page's."
    return ""


def has_token(authorization: str, token: str) -> bool:
    """Return whether the header `Authorization` has this bearer token; False for an empty token."""
    expected = f"Bearer {token}".encode()
    return bool(token) and hmac.compare_digest(authorization.encode(), expected)
