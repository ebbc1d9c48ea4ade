"""Zoom's signature on requests: what is taken, what is refused, and never an exception else."""

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
    """As Zoom's pages tell it."""
    text = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def headers(secret: str = SECRET, timestamp: str = str(NOW), body: bytes = BODY) -> dict[str, str]:
    return {SIGNATURE_HEADER: by_hand(secret, timestamp, body), TIMESTAMP_HEADER: timestamp}


def test_what_zoom_signs_is_taken() -> None:
    assert verify([SECRET], headers(), BODY, NOW) == SECRET


def test_our_own_requests_are_signed_as_zooms() -> None:
    assert sign(SECRET, NOW, BODY) == by_hand(SECRET, str(NOW), BODY)
    assert signed_headers(SECRET, NOW + 0.9, BODY) == headers()


@pytest.mark.parametrize("secret", ["one", "two", "own"])
def test_which_of_several_secrets_it_was(secret: str) -> None:
    assert verify(["one", "two", "own"], headers(secret), BODY, NOW) == secret


@pytest.mark.parametrize("age", [-MAX_AGE_SECONDS, 0, MAX_AGE_SECONDS])
def test_five_minutes_either_way_are_allowed(age: int) -> None:
    assert verify([SECRET], headers(), BODY, NOW + age) == SECRET


@pytest.mark.parametrize("age", [-MAX_AGE_SECONDS - 1, MAX_AGE_SECONDS + 1, 86_400])
def test_older_or_from_the_future(age: int) -> None:
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
def test_what_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        verify([SECRET], wrong, BODY, NOW)


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(Unauthorized):
        verify([], headers(), BODY, NOW)
    with pytest.raises(Unauthorized):
        verify([""], headers(""), BODY, NOW)


def test_the_raw_bytes_are_signed_also_when_api_gateway_hands_them_in_base64() -> None:
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
def test_a_body_that_is_not_the_base64_it_says_it_is(body: str) -> None:
    with pytest.raises(BadRequest):
        request_of({"body": body, "isBase64Encoded": True})


@given(st.text(), st.text(), st.binary(), st.floats(0, 1e12))
def test_nothing_foreign_is_taken_or_raises_anything_else(
    signature: str, timestamp: str, body: bytes, now: float
) -> None:
    foreign = {SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: timestamp}
    with pytest.raises(Unauthorized):
        verify([SECRET], foreign, body, now)


@given(st.text(min_size=1), st.binary(), st.integers(0, 10**11))
def test_what_is_signed_is_taken(secret: str, body: bytes, now: int) -> None:
    assert verify([secret], signed_headers(secret, now, body), body, now) == secret
