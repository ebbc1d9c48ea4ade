"""Sign and verify webhook events by Zoom's scheme. Our own webhook events have our own key.

`x-zm-signature` is `v0=` + hex HMAC-SHA256(secret, `v0:{timestamp}:{raw body}`). The timestamp in
seconds is in `x-zm-request-timestamp`. Source:
https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from ingester.errors import Unauthorized, WrongSignature

SIGNATURE_HEADER = "x-zm-signature"
TIMESTAMP_HEADER = "x-zm-request-timestamp"
MAX_AGE_SECONDS = 300


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature header's value for a body. `timestamp` is in seconds since 1970."""
    return _signature(secret, str(timestamp), body)


def signed_headers(secret: str, now: float, body: bytes) -> dict[str, str]:
    """Return the signature's two headers for a request at `now`, in seconds since 1970."""
    timestamp = int(now)
    return {SIGNATURE_HEADER: sign(secret, timestamp, body), TIMESTAMP_HEADER: str(timestamp)}


def verify(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Verify a request's signature, which is compared in constant time.

    Args:
        secrets: The secrets that are valid. Empty secrets don't count.
        headers: Headers of the request, with names in lower case.
        body: Raw body of the request.
        now: Current time in seconds since 1970.

    Returns:
        The secret that the body was signed with.

    Raises:
        WrongSignature: The signature was made with none of the secrets.
        Unauthorized: There is no signature or no timestamp, or the timestamp is malformed or more
            than five minutes before or after `now`.
    """
    signature = headers.get(SIGNATURE_HEADER, "")
    timestamp = headers.get(TIMESTAMP_HEADER, "")
    if not signature or not timestamp:
        raise Unauthorized("The request is not signed.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Unauthorized("The request's timestamp is not a number of seconds.")
    matching = [
        secret
        for secret in secrets
        if secret
        and hmac.compare_digest(
            _signature(secret, timestamp, body).encode(), signature.encode(errors="replace")
        )
    ]
    if not matching:
        raise WrongSignature("The request's signature is wrong.")
    if abs(now - int(timestamp)) > MAX_AGE_SECONDS:
        raise Unauthorized("The request's signature is too old.")
    return matching[0]


def _signature(secret: str, timestamp: str, body: bytes) -> str:
    signed = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
