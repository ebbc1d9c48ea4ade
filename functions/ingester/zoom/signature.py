"""The signature on webhooks: Zoom's scheme, which our own requests use under a key of their own.

`x-zm-signature` is `v0=` + hex HMAC-SHA256(secret, `v0:{timestamp}:{raw body}`), the timestamp in
seconds in `x-zm-request-timestamp` (Zoom's developer pages, "Verify webhook events").
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
    """The value of the signature header."""
    return _signature(secret, str(timestamp), body)


def signed_headers(secret: str, now: float, body: bytes) -> dict[str, str]:
    """The two headers for a request made at `now` (seconds since the epoch)."""
    timestamp = int(now)
    return {SIGNATURE_HEADER: sign(secret, timestamp, body), TIMESTAMP_HEADER: str(timestamp)}


def verify(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The one of `secrets` that `body` was signed with, compared in constant time.

    `headers` in lower case. WrongSignature if it was made with none of them, Unauthorized if it is
    missing, or made more than five minutes from `now` in either direction.
    """
    signature = headers.get(SIGNATURE_HEADER, "")
    timestamp = headers.get(TIMESTAMP_HEADER, "")
    if not signature or not timestamp:
        raise Unauthorized("The request is not signed.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Unauthorized("The request's time stamp is not a number of seconds.")
    found = [
        secret
        for secret in secrets
        if secret
        and hmac.compare_digest(
            _signature(secret, timestamp, body).encode(), signature.encode(errors="replace")
        )
    ]
    if not found:
        raise WrongSignature("The request's signature is wrong.")
    if abs(now - int(timestamp)) > MAX_AGE_SECONDS:
        raise Unauthorized("The request's signature is too old.")
    return found[0]


def _signature(secret: str, timestamp: str, body: bytes) -> str:
    signed = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
