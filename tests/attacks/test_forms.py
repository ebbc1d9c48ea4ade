"""Attacks with bodies and queries that could break parsers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.attacks.probes import (
    Attack,
    encoded,
    new_uuid,
    started,
    to_ingest,
    to_slack,
    to_status,
    to_webhook,
)
from tests.attacks.target import WRONGLY_SIGNED, Target

pytestmark = pytest.mark.usefixtures("no_error_mail")

DEEP = 100_000

NO_JSON: Mapping[str, bytes] = {
    "100,000 arrays": b"[" * DEEP + b"]" * DEEP,
    "100,000 objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "100,000 arrays without an end": b"[" * DEEP,
    "NaN": b"NaN",
    "an infinite number": b"1e999",
    "a number of 100,000 digits": b"9" * 100_000,
    "a text": b'"event"',
    "null": b"null",
    "a list": b"[{}]",
    "two documents": b"{}{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"event": "recording.started"}'.encode("utf-16"),
    "a byte that is no UTF-8": b'{"event": "\xff"}',
    "a zero byte": b"\x00",
    "gzip": gzip.compress(b"{}"),
    "a comment": b"{/* */}",
    "a form": b"event=recording.started&payload=1",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    "multipart": b'--x\r\nContent-Disposition: form-data; name="uuid"\r\n\r\n1\r\n--x--',
    "pickle": b"cos\nsystem\n(S'id'\ntR.",
}
"""Bodies that are no JSON object in UTF-8 with an `event` or a `uuid`."""


@pytest.mark.parametrize("name", NO_JSON)
def test_webhook_refuses_a_body_that_is_no_json_object_with_an_event(
    name: str, target: Target
) -> None:
    # API Gateway changes bytes that aren't UTF-8, so that their signature is wrong.
    target.assert_refused(to_webhook(NO_JSON[name], target.zoom_secret), 400, *WRONGLY_SIGNED)


@pytest.mark.parametrize("name", NO_JSON)
def test_ingest_route_refuses_a_body_that_is_no_json_object_with_a_uuid(
    name: str, target: Target
) -> None:
    target.assert_refused(to_ingest(NO_JSON[name]), 400)


def event(**changes: Any) -> bytes:
    """Return the webhook event `recording.started`, with changed fields at its top level."""
    return encoded({**started("CHANGED=="), **changes})


def about(**changes: Any) -> bytes:
    """Return the webhook event `recording.started`, with changed fields in its object."""
    content = started("CHANGED==")
    content["payload"]["object"].update(changes)
    return encoded(content)


EVENTS: Mapping[str, tuple[bytes, int]] = {
    "an event that is a list": (event(event=["recording.started"]), 400),
    "an event that doesn't exist": (event(event="recording.started\x00"), 204),
    "a payload that is a list": (event(payload=[]), 400),
    "a payload that is a text": (event(payload='{"object": {}}'), 400),
    "an object that is null": (event(payload={"object": None}), 400),
    "a uuid that is a list": (about(uuid=["a"]), 400),
    "a uuid that is an object": (about(uuid={"S": "a"}), 400),
    "a uuid that is a number": (about(uuid=1), 400),
    "an empty uuid": (about(uuid=""), 400),
    "a meeting that is a path": (about(id="../../1"), 204),
    "a meeting that is negative": (about(id=-1), 204),
    "a meeting of 5,000 digits": (about(id="9" * 5000), 204),
    "a meeting that is a float": (about(id=1.5), 204),
    "a start that is no time": (about(start_time="yesterday"), 204),
    "a start in the year 9999": (about(start_time="9999-12-31T23:59:59Z"), 204),
    "a start in the year 0": (about(start_time="0000-01-01T00:00:00Z"), 204),
    "a topic that is an object": (about(topic={"S": "x"}), 204),
}
"""Malformed webhook events with right signatures, and the statuses of the answers."""


@pytest.mark.parametrize("name", EVENTS)
def test_webhook_writes_nothing_when_a_webhook_event_is_malformed(
    name: str, target: Target
) -> None:
    body, status = EVENTS[name]
    target.assert_refused(to_webhook(body, target.zoom_secret), status)
    uid = new_uuid()
    honest = body_of_an_honest_event(uid)
    assert target.send(to_webhook(honest, target.zoom_secret)).status == 204
    assert target.row_of(uid)["meeting_id"] == 86168921331


def body_of_an_honest_event(uid: str) -> bytes:
    """Return the body of a webhook event in the form that Zoom sends."""
    return encoded(started(uid))


def test_webhook_uses_the_last_of_two_fields_with_the_same_name(target: Target) -> None:
    # If one check used the first field and another check the last, an attacker could bypass one.
    uid = new_uuid()
    honest = body_of_an_honest_event(uid).decode()
    twice = honest.replace('{"event"', '{"event": "on.demand.ingest", "event"', 1).encode()
    assert json.loads(twice)["event"] == "recording.started"
    assert target.send(to_webhook(twice, target.zoom_secret)).status == 204
    assert target.row_of(uid)["pipeline_state"] == "RECORDING_IN_PROGRESS"
    last = '"event": "on.demand.ingest", "download_token": "x", "event_ts"'
    other = honest.replace('"event_ts"', last, 1).encode()
    target.assert_refused(to_webhook(other, target.zoom_secret), 401)


FIELDS: Mapping[str, dict[str, Any]] = {
    "a uuid that is a list": {"uuid": ["a"]},
    "a uuid that is an object": {"uuid": {"$ne": ""}},
    "a uuid of blanks": {"uuid": "   "},
    "a series that is a list": {"oc_series_id": ["20260112345"]},
    "a series that is true": {"oc_series_id": True},
    "a workflow of 201 letters": {"oc_workflow": "w" * 201},
    "a workflow that is an object": {"oc_workflow": {}},
    "a switch that is a text": {"allow_multiple_ingests": "perhaps"},
    "a switch that is a list": {"ingest_all_mp4": [True]},
    "a switch that is a number": {"allow_multiple_ingests": 7},
}


@pytest.mark.parametrize("name", FIELDS)
def test_ingest_route_refuses_a_request_with_a_malformed_field(name: str, target: Target) -> None:
    honest = {"uuid": new_uuid()}
    target.assert_refused(to_ingest({**honest, **FIELDS[name]}), 400)
    target.assert_refused(to_ingest(honest), 404)


QUERIES: Mapping[str, str] = {
    "nothing": "",
    "a meeting in Arabic digits": "meeting_id=%D9%A1%D9%A2",
    "a meeting with an exponent": "meeting_id=1e9",
    "a negative meeting": "meeting_id=-1",
    "a meeting of 19 digits": "meeting_id=" + "9" * 19,
    "a meeting of 5,000 digits": "meeting_id=" + "9" * 5000,
    "a meeting with a script": "meeting_id=%3Cscript%3Ealert(1)%3C/script%3E",
    "a meeting with a condition": "meeting_id=1%20OR%201=1",
    "a meeting with a zero byte": "meeting_id=1%00",
    "more seconds than an hour": "seconds=3601",
    "seconds that are a fraction": "seconds=1.5",
    "seconds that are no number": "seconds=NaN",
    "a moment in the past": "since=1970-01-01T00:00:00Z",
    "a moment that is none": "since=now",
    "a moment of 5,000 digits": "since=" + "9" * 5000,
    "a page that nobody named": "since={now}&next=eyJhIjoxfQ",
    "a page that is no text": "since={now}&next=%FF%FE",
    "a switch that is none": "meeting_id=1&details=yes",
}


@pytest.mark.parametrize("name", QUERIES)
def test_status_route_refuses_a_query_that_is_malformed_or_out_of_bounds(
    name: str, target: Target
) -> None:
    now = f"{target.stack.start:%Y-%m-%dT%H:%M:%SZ}"
    answer = target.assert_refused(to_status(QUERIES[name].replace("{now}", now)), 400)
    assert answer.headers["content-type"] == "application/json"
    assert "<script>" not in answer.body
    assert target.send(to_status("meeting_id=1")).json() == {"records": None}


HELP = {
    "command": "/zip",
    "text": "help",
    "user_id": "U1",
    "channel_id": "D1",
    "channel_name": "directmessage",
    "response_url": "https://127.0.0.1:9/",
}
FORMS: Mapping[str, bytes | dict[str, str]] = {
    "nothing": b"",
    "JSON": encoded(HELP),
    "101 fields": b"&".join(b"a%d=1" % number for number in range(101)),
    "bytes that are no UTF-8": b"command=%FF%FE",
    "raw bytes that are no UTF-8": b"command=\xff\xfe",
    "no user": {name: value for name, value in HELP.items() if name != "user_id"},
    "a payload of 100,000 arrays": b"payload=" + b"[" * DEEP,
    "a payload that is a list": {"payload": "[]"},
    "a payload without a user": {"payload": '{"type": "block_actions", "actions": []}'},
    "a payload of half a letter": {"payload": '{"type": "block_actions", "user": "\\ud83d"}'},
}


@pytest.mark.parametrize("name", FORMS)
def test_slack_function_refuses_a_malformed_form(name: str, target: Target) -> None:
    target.assert_refused(to_slack(FORMS[name], target.slack_secret), 400, 401)
    assert target.send(to_slack(HELP, target.slack_secret)).status == 200


KINDS = ("text/plain", "multipart/form-data; boundary=x", "application/xml", "", "x" * 1000)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[:30] or "nothing")
def test_webhook_checks_the_signature_and_ignores_the_content_type(
    kind: str, target: Target
) -> None:
    uid = new_uuid()
    honest = to_webhook(body_of_an_honest_event(uid), target.zoom_secret)
    odd = honest.having(content_type=kind)
    target.assert_refused(odd.having(x_zm_signature="v0=00"), *WRONGLY_SIGNED)
    assert target.send(odd).status == 204
    assert target.row_of(uid)


ENCODINGS = [
    Attack(
        "compressed",
        lambda probe: probe.containing(gzip.compress(probe.body)).having(content_encoding="gzip"),
        WRONGLY_SIGNED,
    ),
    Attack(
        "claimed to be compressed",
        lambda probe: probe.having(content_encoding="gzip", x_zm_signature="v0=00"),
        WRONGLY_SIGNED,
    ),
    Attack(
        "in base64",
        lambda probe: probe.having(content_transfer_encoding="base64").containing(b"e30="),
        WRONGLY_SIGNED,
    ),
]


@pytest.mark.parametrize("attack", ENCODINGS, ids=str)
def test_webhook_refuses_a_wrongly_signed_body_whatever_encoding_a_header_names(
    attack: Attack, target: Target
) -> None:
    honest = to_webhook(body_of_an_honest_event(new_uuid()), target.zoom_secret)
    target.assert_attack_refused(attack, honest)
    assert target.send(honest).status == 204
