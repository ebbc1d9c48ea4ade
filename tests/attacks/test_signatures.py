"""Attacks with forged, changed and old signatures on the webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ingester.recording.events_table import EventsTable
from ingester.runtime.clock import utc_now
from tests.attacks.probes import Attack, Probe, encoded, new_uuid, started, to_webhook
from tests.attacks.target import WRONGLY_SIGNED, Target

pytestmark = pytest.mark.usefixtures("no_error_mail")

SIGNATURE = "x-zm-signature"
TIMESTAMP = "x-zm-request-timestamp"
OLD_SECONDS = 301


def restamped(stamp: str) -> Callable[[Probe], Probe]:
    """Return a change of a request that replaces the timestamp and keeps the signature."""
    return lambda probe: probe.having(x_zm_request_timestamp=stamp)


def resigned(change: Callable[[str], str | None]) -> Callable[[Probe], Probe]:
    """Return a change of a request's signature. A `change` to None removes the signature."""
    return lambda probe: probe.having(x_zm_signature=change(probe.headers[SIGNATURE]))


def seconds_later(probe: Probe) -> Probe:
    return probe.having(x_zm_request_timestamp=str(int(probe.headers[TIMESTAMP]) + 1))


def moved_into_the_query(probe: Probe) -> Probe:
    signature, stamp = probe.headers[SIGNATURE], probe.headers[TIMESTAMP]
    moved = probe.at(f"{probe.path}?{SIGNATURE}={signature}&{TIMESTAMP}={stamp}")
    return moved.having(x_zm_signature=None, x_zm_request_timestamp=None)


CHANGED = [
    Attack(name, change, WRONGLY_SIGNED)
    for name, change in {
        "without a signature": lambda probe: probe.having(
            x_zm_signature=None, x_zm_request_timestamp=None
        ),
        "signed without a timestamp": lambda probe: probe.having(x_zm_request_timestamp=None),
        "dated without a signature": resigned(lambda _: None),
        "signed in the query": moved_into_the_query,
        "signed under other names": lambda probe: probe.having(
            x_zm_signature=None, x_hub_signature_256=probe.headers[SIGNATURE]
        ),
        "signed by the token of an Authorization header": lambda probe: probe.having(
            x_zm_signature=None, authorization=f"Bearer {probe.headers[SIGNATURE]}"
        ),
        "changed by one letter": lambda probe: probe.containing(
            probe.body.replace(b"E-1010", b"E-1011")
        ),
        "longer by a blank": lambda probe: probe.containing(probe.body + b" "),
        "empty": lambda probe: probe.containing(b""),
        "dated a second later": seconds_later,
        "dated in milliseconds": lambda probe: probe.having(
            x_zm_request_timestamp=f"{probe.headers[TIMESTAMP]}000"
        ),
        "dated with a sign": lambda probe: probe.having(
            x_zm_request_timestamp=f"+{probe.headers[TIMESTAMP]}"
        ),
        "dated with a part of the body": lambda probe: probe.having(
            x_zm_request_timestamp=f"{probe.headers[TIMESTAMP]}:{{"
        ),
        "dated in Arabic digits": restamped("١٧٩٣٠٠٠٠٠٠"),
        "dated by a float": restamped("1.7e9"),
        "dated by NaN": restamped("nan"),
        "dated by 5,000 digits": restamped("9" * 5000),
        "signed in capitals": resigned(str.upper),
        "signed without the scheme": resigned(lambda text: text.removeprefix("v0=")),
        "signed in a scheme that doesn't exist": resigned(lambda text: text.replace("v0", "v1")),
        "signed with the scheme alone": resigned(lambda _: "v0="),
        "signed with half of a signature": resigned(lambda text: text[:35]),
        "signed twice in a header": resigned(lambda text: f"{text},{text}"),
        "signed in base64": resigned(
            lambda text: f"v0={base64.b64encode(bytes.fromhex(text[3:])).decode()}"
        ),
        "signed with a letter that isn't ASCII": resigned(lambda text: text[:-1] + "é"),
        "signed with 8,000 letters": lambda probe: probe.having(x_zm_signature=f"v0={'a' * 8000}"),
    }.items()
]


@pytest.fixture
def uuid() -> str:
    return new_uuid()


@pytest.mark.parametrize("attack", CHANGED, ids=str)
def test_webhook_event_is_refused_when_its_signature_timestamp_or_body_was_changed(
    attack: Attack, uuid: str, target: Target
) -> None:
    honest = to_webhook(encoded(started(uuid)), target.zoom_secret)
    target.assert_attack_refused(attack, honest)
    assert target.row_of(uuid) == {}
    assert target.send(honest).status == 204
    assert target.row_of(uuid)["topic"] == "HIST E-1010"


@dataclass(frozen=True)
class Forgery:
    """A signature that an attacker makes. `sign` gets the secret, the timestamp and the body."""

    name: str
    sign: Callable[[str, str, bytes], str]

    def __str__(self) -> str:
        return self.name


def digest(key: str, text: bytes, algorithm: str = "sha256") -> str:
    return f"v0={hmac.new(key.encode(), text, algorithm).hexdigest()}"


def signed(stamp: str, body: bytes) -> bytes:
    return f"v0:{stamp}:".encode() + body


FORGERIES = [
    Forgery(name, sign)
    for name, sign in {
        "under another secret": lambda _key, at, body: digest("another secret", signed(at, body)),
        "under an empty secret": lambda _key, at, body: digest("", signed(at, body)),
        "under the secret and a blank": lambda key, at, body: digest(key + " ", signed(at, body)),
        "under the secret in capitals": lambda key, at, body: digest(
            key.swapcase(), signed(at, body)
        ),
        "under the word None": lambda _key, at, body: digest("None", signed(at, body)),
        "with SHA-1": lambda key, at, body: digest(key, signed(at, body), "sha1"),
        "with SHA-512": lambda key, at, body: digest(key, signed(at, body), "sha512"),
        "with a bare hash": lambda key, at, body: (
            f"v0={hashlib.sha256(key.encode() + signed(at, body)).hexdigest()}"
        ),
        "over the body alone": lambda key, _at, body: digest(key, body),
        "over another version": lambda key, at, body: digest(key, b"v1:" + signed(at, body)[3:]),
        "over the time alone": lambda key, at, _body: digest(key, signed(at, b"")),
    }.items()
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
def test_webhook_event_is_refused_when_its_signature_is_forged(
    forgery: Forgery, uuid: str, target: Target
) -> None:
    honest = to_webhook(encoded(started(uuid)), target.zoom_secret)
    made = forgery.sign(target.zoom_secret, honest.headers[TIMESTAMP], honest.body)
    target.assert_refused(honest.having(x_zm_signature=made), *WRONGLY_SIGNED)
    again = digest(target.zoom_secret, signed(honest.headers[TIMESTAMP], honest.body))
    assert target.send(honest.having(x_zm_signature=again)).status == 204
    assert target.row_of(uuid)


@pytest.mark.parametrize(
    "seconds", [-OLD_SECONDS, -86_400, OLD_SECONDS, 86_400], ids="replay old later future".split()
)
def test_webhook_event_is_refused_when_its_timestamp_is_off_by_more_than_five_minutes(
    seconds: int, uuid: str, target: Target
) -> None:
    body, now = encoded(started(uuid)), time.time()
    # A future timestamp has to be over five minutes ahead even when the request takes two seconds.
    when = now + seconds + (2 if seconds > 0 else 0)
    target.assert_refused(to_webhook(body, target.zoom_secret, at=when), 401)
    late = to_webhook(body, target.zoom_secret, at=time.time() - OLD_SECONDS + 60)
    assert target.send(late).status == 204
    assert target.row_of(uuid)


def test_replay_of_a_webhook_event_within_five_minutes_keeps_the_state_of_the_row(
    uuid: str, target: Target
) -> None:
    honest = to_webhook(encoded(started(uuid)), target.zoom_secret)
    assert target.send(honest).status == 204
    row = target.row_of(uuid)
    assert row
    assert target.send(honest).status == 204
    again = target.row_of(uuid)
    assert again["pipeline_state"] == row["pipeline_state"]
    times = EventsTable(target.driver.table("recording-events"), utc_now).of(uuid)
    # The table may hold the recording event twice, because `recording.pauses` ignores a repeat.
    assert times
    assert all(event == times[0] for event in times)


def test_webhook_event_of_zoom_is_accepted_after_20_forged_webhook_events(
    uuid: str, target: Target
) -> None:
    honest = to_webhook(encoded(started(uuid)), target.zoom_secret)
    for number in range(20):
        target.assert_refused(honest.having(x_zm_signature=f"v0={number:064x}"), *WRONGLY_SIGNED)
    assert target.send(honest).status == 204
    assert target.row_of(uuid)


def challenge(token: object) -> bytes:
    """Return the body of Zoom's challenge with a token."""
    return encoded({"event": "endpoint.url_validation", "payload": {"plainToken": token}})


def test_webhook_signs_no_challenge_whose_token_is_a_forged_webhook_event(
    uuid: str, target: Target
) -> None:
    # If the webhook signed any token, an attacker could send a forged webhook event as the token,
    # and get the webhook event's signature.
    stamp = str(int(time.time()))
    forged = encoded(started(uuid))
    token = signed(stamp, forged).decode()
    target.assert_refused(to_webhook(challenge(token), target.zoom_secret), 400)
    answer = target.send(to_webhook(challenge("qgg8vlvZRS6UYooatFL8Aw"), target.zoom_secret))
    assert answer.status == 200
    proof = hmac.new(target.zoom_secret.encode(), b"qgg8vlvZRS6UYooatFL8Aw", "sha256").hexdigest()
    assert json.loads(answer.body)["encryptedToken"] == proof


@pytest.mark.parametrize(
    "token",
    ["", "a" * 129, "a b", "a:b", "a\nb", "ä", ["a"], {"a": 1}, None, 7],
    ids="empty long blank colon line letter list object null number".split(),
)
def test_challenge_is_refused_when_its_token_does_not_have_the_form_of_zooms_tokens(
    token: object, target: Target
) -> None:
    target.assert_refused(to_webhook(challenge(token), target.zoom_secret), 400)
    assert target.send(to_webhook(challenge("a" * 128), target.zoom_secret)).status == 200


def test_challenge_is_refused_or_gets_an_empty_answer_when_it_is_not_signed_by_zoom(
    target: Target,
) -> None:
    honest = to_webhook(challenge("token"), target.zoom_secret)
    target.assert_refused(honest.having(x_zm_signature=None), 401)
    target.assert_refused(to_webhook(challenge("token"), "another secret"), *WRONGLY_SIGNED)
    answer = target.assert_refused(to_webhook(challenge("token"), target.pipeline_key), 204)
    assert answer.body == ""
    assert target.send(honest).status == 200
