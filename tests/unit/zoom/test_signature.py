"""Unit tests of the signature of webhook events, and of the signed body."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.errors import BadRequest, Unauthorized
from ingester.runtime.api_gateway import request_of
from ingester.zoom.signature import (
    MAX_AGE_SECONDS,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    sign,
    signed_headers,
    verify,
)

NOW = 1_795_446_000
BODY = b'{"event":"recording.completed"}'
SECRET = "zoom-secret"


def by_hand(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature that Zoom's documentation describes.

    https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events
    """
    text = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def headers(secret: str = SECRET, timestamp: str = str(NOW), body: bytes = BODY) -> dict[str, str]:
    return {SIGNATURE_HEADER: by_hand(secret, timestamp, body), TIMESTAMP_HEADER: timestamp}


def test_signature_verification_returns_the_secret_when_the_signature_is_valid() -> None:
    assert verify([SECRET], headers(), BODY, NOW) == SECRET


def test_signed_headers_have_the_signature_that_the_zoom_documentation_describes() -> None:
    assert sign(SECRET, NOW, BODY) == by_hand(SECRET, str(NOW), BODY)
    assert signed_headers(SECRET, NOW + 0.9, BODY) == headers()


@pytest.mark.parametrize("secret", ["one", "two", "own"])
def test_signature_verification_returns_the_secret_of_the_signature_when_there_are_several_secrets(
    secret: str,
) -> None:
    assert verify(["one", "two", "own"], headers(secret), BODY, NOW) == secret


@pytest.mark.parametrize("age", [-MAX_AGE_SECONDS, 0, MAX_AGE_SECONDS])
def test_signature_verification_accepts_a_timestamp_up_to_five_minutes_away(age: int) -> None:
    assert verify([SECRET], headers(), BODY, NOW + age) == SECRET


@pytest.mark.parametrize("age", [-MAX_AGE_SECONDS - 1, MAX_AGE_SECONDS + 1, 86_400])
def test_signature_verification_fails_when_the_timestamp_is_more_than_five_minutes_away(
    age: int,
) -> None:
    with pytest.raises(Unauthorized, match="too old"):
        verify([SECRET], headers(), BODY, NOW + age)


@pytest.mark.parametrize(
    "wrong",
    [
        headers("other"),
        headers(body=BODY + b" "),
        headers() | {TIMESTAMP_HEADER: str(NOW + 1)},
        headers() | {SIGNATURE_HEADER: headers()[SIGNATURE_HEADER].upper()},
        headers() | {SIGNATURE_HEADER: headers()[SIGNATURE_HEADER].removeprefix("v0=")},
        headers() | {SIGNATURE_HEADER: "v0=ü\ud800"},
        {SIGNATURE_HEADER: headers()[SIGNATURE_HEADER]},
        {TIMESTAMP_HEADER: str(NOW)},
        {},
        headers(timestamp="½"),
        headers(timestamp="٣"),
        headers(timestamp="-5"),
        headers(timestamp="1e9"),
        headers(timestamp="9" * 400),
    ],
)
def test_signature_verification_fails_when_signature_or_timestamp_is_wrong_or_missing(
    wrong: dict[str, str],
) -> None:
    with pytest.raises(Unauthorized):
        verify([SECRET], wrong, BODY, NOW)


def test_signature_verification_fails_when_there_is_no_secret_or_only_an_empty_one() -> None:
    with pytest.raises(Unauthorized):
        verify([], headers(), BODY, NOW)
    with pytest.raises(Unauthorized):
        verify([""], headers(""), BODY, NOW)


def test_signature_verification_uses_the_raw_bytes_when_api_gateway_encodes_the_body() -> None:
    raw = '{"topic":"L\'été"}'.encode("latin-1")
    event = {
        "headers": {name.upper(): value for name, value in headers(body=raw).items()},
        "body": base64.b64encode(raw).decode(),
        "isBase64Encoded": True,
    }
    request = request_of(event)
    assert request.body == raw
    assert verify([SECRET], request.headers, request.body, NOW) == SECRET


@pytest.mark.parametrize("body", ["é", "a"])
def test_http_request_is_refused_when_its_body_is_not_the_declared_base64(body: str) -> None:
    with pytest.raises(BadRequest):
        request_of({"body": body, "isBase64Encoded": True})


@given(st.text(), st.text(), st.binary(), st.floats(0, 1e12))
def test_signature_verification_fails_whatever_the_headers_of_a_foreign_request(
    signature: str, timestamp: str, body: bytes, now: float
) -> None:
    foreign = {SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: timestamp}
    with pytest.raises(Unauthorized):
        verify([SECRET], foreign, body, now)


@given(st.text(min_size=1), st.binary(), st.integers(0, 10**11))
def test_signature_verification_accepts_signed_headers_whatever_body_secret_and_time_are(
    secret: str, body: bytes, now: int
) -> None:
    assert verify([secret], signed_headers(secret, now, body), body, now) == secret
