"""The removal of secrets by value, by shape and by name from texts that people see."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from contextvars import copy_context
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.log import hide, redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Slack refused xoxb-123456789012-abcDEF", "abcDEF"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl today", "c2lnbmF0dXJl"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow", "MIIEow"),
        ("http://user:hunter2@opencast.example.edu/", "hunter2"),
        ("https://hooks.slack.com/actions/T1/2/x-y", "x-y"),
        ("https://zoom.us/signin?next=%2Frec%3Ftoken%3Dabc123%26a%3D1", "abc123"),
        ("https://zoom.us/j/1?pwd=ab&cd;ef", "cd"),
        ("https://zoom.us/j/1?pwd=ab&cd;ef", "ef"),
        ("Passcode: 12ab&c;d", "c;d"),
        ('{"download_token": "abc 123"}', "123"),
    ],
)
def test_secret_is_removed_by_its_shape_or_name(text: str, secret: str) -> None:
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "topic",
    ["Secret: the Life of Bees", "Tokens: a history", "The password: how it failed", "A policy"],
)
def test_topic_is_not_changed_when_it_has_a_word_like_password(topic: str) -> None:
    assert redact(f"Received {topic}") == f"Received {topic}"


def lower_percents(text: str) -> str:
    """Return a URL-encoded text with lower-case hexadecimal digits after each `%`."""
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def encoded(secret: str) -> Iterator[str]:
    """Yield texts that contain the secret in many encodings."""
    yield f"<{secret}>"
    yield f"?next={quote(secret, safe='')}"
    yield f"?next={quote_plus(secret)}"
    yield f"?next={quote(secret)}"
    yield f"?next={lower_percents(quote(secret, safe=''))}"
    yield f"?next={quote(quote(secret, safe=''), safe='')}"
    yield f"<a title='{html.escape(secret)}'>"
    yield repr([secret])
    yield repr([secret.encode()])
    yield json.dumps({"a": secret})
    yield json.dumps({"a": json.dumps({"b": secret})})
    yield json.dumps({"a": secret}, ensure_ascii=False)
    yield f"user:{secret}".encode().hex()
    yield f"user:{secret}".encode().hex().upper()
    for before in ("", "u", "us", "use"):
        yield base64.b64encode(f"{before}{secret}:x".encode()).decode()
        yield base64.urlsafe_b64encode(f"{before}{secret}:x".encode()).decode()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=8).map(str.strip))
def test_redaction_removes_a_hidden_secret_from_a_text_in_one_of_many_encodings(
    secret: str,
) -> None:
    def check() -> None:
        hide(secret)
        for text, without in zip(encoded(secret), encoded(""), strict=True):
            # In base64, up to four characters next to the secret depend on the secret's length.
            assert len(redact(text)) <= len(without) + len("***") + 4

    if len(secret) >= 8:
        copy_context().run(check)


def test_each_of_several_secrets_is_removed_when_commas_separate_them() -> None:
    def check() -> None:
        hide("first-secret, second-secret")
        assert redact("second-secret and first-secret") == "*** and ***"

    copy_context().run(check)


def test_short_secret_is_not_removed_from_a_word_that_contains_the_secret() -> None:
    def check() -> None:
        hide("lect")
        assert redact("the lecture") == "the lecture"

    copy_context().run(check)
