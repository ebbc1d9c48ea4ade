"""POST /new_recording, line by line of its table, with API Gateway's events and a real queue."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import webhook
from ingester import signature
from ingester.gateway import Answer
from ingester.log import JsonFormatter
from ingester.neighbours.zoom_events import STATUS_EVENTS
from ingester.rules.states import State
from tests.cloud import Clock, Cloud, plain
from tests.kits import OWN_KEY, ZOOM_SECRET, post_webhook, webhook_tools

UUID = "4Mhc+abc/def=="
ZIP_ID = f"auto-ingest-{UUID}"
MEETING = 95846636714
TOKEN = "SECRET-token"
Json = dict[str, Any]


def mp4(file_id: str = "file-1", **changes: Any) -> Json:
    return {
        "id": file_id,
        "meeting_id": UUID,
        "recording_start": "2026-10-14T15:00:00Z",
        "recording_end": "2026-10-14T16:00:00Z",
        "file_type": "MP4",
        "file_extension": "MP4",
        "file_size": 1000,
        "download_url": f"https://zoom.us/rec/download/SECRET-{file_id}",
        "status": "completed",
        "recording_type": "shared_screen_with_speaker_view",
        **changes,
    }


def chat(file_id: str = "chat-1", **changes: Any) -> Json:
    return mp4(file_id, file_type="CHAT", file_extension="TXT", recording_type="chat_file") | (
        changes
    )


def without(about: Json, *names: str) -> Json:
    return {name: value for name, value in about.items() if name not in names}


def about(**changes: Any) -> Json:
    return {
        "id": MEETING,
        "uuid": UUID,
        "host_id": "host",
        "topic": "HIST E-10",
        "start_time": "2026-10-14T15:00:00Z",
        "duration": 60,
        "total_size": 2000,
        "password": "SECRET-passcode",
        "recording_files": [mp4()],
        **changes,
    }


def completed(*files: Json, token: str = TOKEN, **changes: Any) -> Json:
    chosen = about(recording_files=list(files) or [mp4()]) | changes
    return {
        "event": "recording.completed",
        "event_ts": 1_791_993_600_000,
        "payload": {"account_id": "a", "object": chosen},
        "download_token": token,
    }


def on_demand(*files: Json, zip_id: str = "on-demand-1", **options: Any) -> Json:
    made = completed(*files) | {"event": "on.demand.ingest"}
    made["payload"] = {"object": made["payload"]["object"], "zip_id": zip_id, **options}
    return made


def status_event(event: str = "recording.started", **changes: Any) -> Json:
    return {
        "event": event,
        "event_ts": 1_791_990_000_500,
        "payload": {"object": without(about(), "recording_files", "host_id") | changes},
    }


@pytest.fixture
def tools(aws: Cloud, clock: Clock) -> webhook.Tools:
    return webhook_tools(aws, clock)


Post = Callable[..., int]


@pytest.fixture
def post(tools: webhook.Tools) -> Post:
    def send(content: Any, **more: Any) -> int:
        return post_webhook(tools, content, **more).status

    return send


def raw(content: Any, headers: dict[str, str] | None = None) -> Json:
    body = content if isinstance(content, str) else json.dumps(content)
    return {"headers": headers or {}, "body": body, "isBase64Encoded": False}


def sent(aws: Cloud) -> list[Json]:
    return [message["body"] for message in aws.sent_to(aws.download_queue)]


def state(aws: Cloud, zip_id: str = ZIP_ID) -> tuple[str, str]:
    row = aws.rows()[zip_id]
    return row["pipeline_state"], row.get("reason", "")


def put(aws: Cloud, to: State, zip_id: str = ZIP_ID, **more: Any) -> None:
    """A row that got to `to` by whatever way."""
    aws.status.update_item(
        Key={"zip_id": zip_id},
        UpdateExpression="SET pipeline_state = :s"
        + "".join(f", {name} = :{name}" for name in more),
        ExpressionAttributeValues={":s": str(to), **{f":{n}": v for n, v in more.items()}},
    )


def untouched(aws: Cloud) -> bool:
    return not aws.rows() and not aws.sends and not aws.events.scan()["Items"]


# What is refused


def test_no_body_no_json_no_object_no_event(aws: Cloud, post: Post) -> None:
    for body in (b"", b"{", b"[]", b'"x"', b"5", b"{}", b'{"event": ""}', b'{"event": 5}'):
        assert post(body) == 400, body
    assert untouched(aws)


@pytest.mark.parametrize("body", [b"\xff", b'{"event": "\xff"}', b"[" * 100_000])
def test_what_breaks_parsers(body: bytes, tools: webhook.Tools, clock: Clock) -> None:
    headers = signature.signed_headers(ZOOM_SECRET, clock().timestamp(), body)
    event = {
        "headers": headers,
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    assert webhook.respond(event, tools).status == 400


@pytest.mark.parametrize("forged", ["missing", "wrong", "old", "early", "other body"])
def test_401_before_the_body_is_looked_at(
    forged: str, aws: Cloud, tools: webhook.Tools, clock: Clock
) -> None:
    unknown = {"event": "user.created"}
    for content in (completed(), status_event(), on_demand(), unknown, "", "{", "[]", {}):
        event = raw(content)
        now = clock().timestamp() + {"old": -301, "early": 301}.get(forged, 0)
        key = "wrong" if forged == "wrong" else ZOOM_SECRET
        body = event["body"].encode() + (b" " if forged == "other body" else b"")
        if forged != "missing":
            event["headers"] = signature.signed_headers(key, now, body)
        assert webhook.respond(event, tools).status == 401
    assert untouched(aws)


def test_signature_over_a_base64_body(aws: Cloud, tools: webhook.Tools, clock: Clock) -> None:
    body = json.dumps(completed()).encode()
    headers = signature.signed_headers(ZOOM_SECRET, clock().timestamp(), body)
    event = {
        "headers": {name.title(): value for name, value in headers.items()},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    assert webhook.respond(event, tools).status == 200
    assert len(sent(aws)) == 1


def test_on_demand_needs_the_pipelines_own_key(aws: Cloud, post: Post) -> None:
    assert post(on_demand(), key=ZOOM_SECRET) == 401
    assert post(without(on_demand(), "payload"), key=ZOOM_SECRET) in (400, 401)
    assert post(on_demand() | {"download_token": ""}, key=ZOOM_SECRET) in (400, 401)
    assert post(on_demand(without(mp4(), "id")), key=ZOOM_SECRET) == 401
    assert untouched(aws)
    assert post(on_demand(), key=OWN_KEY) == 200


def test_each_of_several_secrets_is_taken(aws: Cloud, clock: Clock) -> None:
    tools = webhook_tools(aws, clock, secrets="one, two")
    assert post_webhook(tools, status_event(), key="one").status == 204
    assert post_webhook(tools, status_event(), key="two").status == 204
    assert post_webhook(tools, status_event(), key="one, two").status == 401


@pytest.mark.parametrize(
    ("secrets", "unsigned", "status"),
    [("", True, 204), ("", False, 401), (ZOOM_SECRET, True, 401), (ZOOM_SECRET, False, 401)],
)
def test_unsigned_only_without_secrets_and_when_allowed(
    secrets: str, unsigned: bool, status: int, aws: Cloud, clock: Clock
) -> None:
    tools = webhook_tools(aws, clock, secrets=secrets, unsigned=unsigned)
    assert webhook.respond(raw(status_event()), tools).status == status
    assert bool(aws.rows()) is (status == 204)


def test_allowing_unsigned_covers_zooms_events_only(aws: Cloud, clock: Clock) -> None:
    tools = webhook_tools(aws, clock, secrets="", unsigned=True)
    assert webhook.respond(raw(on_demand()), tools).status == 401
    assert untouched(aws)
    assert post_webhook(tools, on_demand()).status == 200


@pytest.mark.parametrize("event", ["recording.renamed", "recording.recovered", "user.created"])
def test_an_event_that_isnt_handled(event: str, aws: Cloud, post: Post) -> None:
    assert post({"event": event}) == 204
    assert post(completed() | {"event": event}) == 204
    assert untouched(aws)


@pytest.mark.parametrize(
    "event",
    [
        "recording.completed",
        "on.demand.ingest",
        "recording.started",
        "meeting.ended",
        "recording.trashed",
        "endpoint.url_validation",
    ],
)
def test_no_payload_or_no_uuid(event: str, aws: Cloud, post: Post) -> None:
    payloads: list[Any] = [None, [], "x", {}, {"object": None}, {"object": {"id": 1, "uuid": ""}}]
    for payload in payloads:
        assert post({"event": event, "payload": payload, "download_token": "t"}) == 400
    assert post({"event": event, "download_token": "t"}) == 400
    assert untouched(aws)


@pytest.mark.parametrize("make", [completed, on_demand])
def test_an_ingest_without_a_token(make: Callable[[], Json], aws: Cloud, post: Post) -> None:
    for token in (None, "", 5):
        assert post(make() | {"download_token": token}) == 400
    assert post(without(make(), "download_token")) == 400
    assert not aws.sends


# The challenge


def challenge() -> Json:
    return {"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}


def answered(answer: Answer, secret: str) -> bool:
    digest = hmac.new(secret.encode(), b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    return answer.status == 200 and json.loads(answer.body) == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": digest,
    }


@pytest.mark.parametrize("secret", ["one", "two"])
def test_the_challenge_is_answered_under_the_secret_that_signed_it(
    secret: str, aws: Cloud, clock: Clock
) -> None:
    tools = webhook_tools(aws, clock, secrets="one,two")
    assert answered(post_webhook(tools, challenge(), key=secret), secret)
    assert untouched(aws)


def test_the_challenge_without_a_secret(aws: Cloud, clock: Clock) -> None:
    tools = webhook_tools(aws, clock, secrets="", unsigned=True)
    assert webhook.respond(raw(challenge()), tools).status == 204


def test_nobody_gets_an_answer_under_the_pipelines_own_key(tools: webhook.Tools) -> None:
    answer = post_webhook(tools, challenge(), key=OWN_KEY)
    assert (answer.status, answer.body) == (204, "")


# Status events


@pytest.mark.parametrize(
    ("event", "reached"),
    [
        ("recording.started", "RECORDING_IN_PROGRESS"),
        ("recording.resumed", "RECORDING_IN_PROGRESS"),
        ("recording.paused", "RECORDING_PAUSED"),
        ("recording.stopped", "RECORDING_STOPPED"),
    ],
)
def test_what_zoom_says_of_a_running_recording(
    event: str, reached: str, aws: Cloud, post: Post
) -> None:
    assert post(status_event(event)) == 204
    row = without(aws.rows()[ZIP_ID], "expiration", "update_time")
    assert row == {
        "zip_id": ZIP_ID,
        "pipeline_state": reached,
        "reason": "",
        "meeting_id": MEETING,
        "recording_id": UUID,
        "topic": "HIST E-10",
        "recording_start_time": "2026-10-14T15:00:00Z",
        "origin": "webhook_notification",
        "update_date": "2026-10-14",
    }
    assert not aws.sends


@pytest.mark.parametrize("event", ["meeting.ended", "webinar.ended"])
def test_a_meetings_end_counts_for_a_recording_only(event: str, aws: Cloud, post: Post) -> None:
    assert post(status_event(event, id=str(MEETING))) == 204
    assert untouched(aws)
    post(status_event())
    assert post(status_event(event, id=str(MEETING))) == 204
    assert state(aws) == ("RECORDING_PROCESSING", "")
    for late in ("recording.started", "recording.paused", "recording.stopped"):
        assert post(status_event(late)) == 204
    assert state(aws) == ("RECORDING_PROCESSING", "")


@pytest.mark.parametrize("before", [State.WEBHOOK_RECEIVED, State.IGNORED, State.SENT_TO_OPENCAST])
def test_zooms_side_never_replaces_the_pipelines(before: State, aws: Cloud, post: Post) -> None:
    put(aws, before)
    for event in STATUS_EVENTS:
        assert post(status_event(event)) == 204
    assert aws.rows()[ZIP_ID]["pipeline_state"] == before


def test_a_status_event_with_a_field_missing(aws: Cloud, post: Post) -> None:
    for event in STATUS_EVENTS:
        for name in ("id", "topic", "start_time"):
            made = status_event(event)
            made["payload"]["object"].pop(name)
            assert post(made) == 204
    assert not aws.rows()


def test_recording_events_are_kept_in_seconds(aws: Cloud, post: Post, clock: Clock) -> None:
    for number, kind in enumerate(["started", "paused", "resumed", "stopped"]):
        post(status_event(f"recording.{kind}") | {"event_ts": 1_791_990_000_999 + 60_000 * number})
    post(without(status_event("recording.paused"), "event_ts"))
    post(status_event("meeting.ended"))
    (item,) = (plain(one) for one in aws.events.scan()["Items"])
    assert item == {
        "zoom_uuid": UUID,
        "recording_event_times": [
            {"event": "recording.started", "timestamp": 1_791_990_000},
            {"event": "recording.paused", "timestamp": 1_791_990_060},
            {"event": "recording.resumed", "timestamp": 1_791_990_120},
            {"event": "recording.stopped", "timestamp": 1_791_990_180},
        ],
        "expiration": int(clock().timestamp()) + 120 * 86_400,
    }


def test_events_are_kept_also_when_the_state_came_too_late(aws: Cloud, post: Post) -> None:
    put(aws, State.SENT_TO_OPENCAST)
    post(status_event("recording.paused"))
    assert len(aws.events.scan()["Items"]) == 1


def test_a_time_that_is_none(aws: Cloud, post: Post) -> None:
    for timestamp in (10**40, -1, 0, "soon", 1.5, True, None, 10**17):
        assert post(status_event() | {"event_ts": timestamp}) == 204
    assert state(aws) == ("RECORDING_IN_PROGRESS", "")
    assert not aws.events.scan()["Items"]


def test_a_failing_events_table_never_fails_the_request(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    aws.events.delete()
    assert post(status_event()) == 204
    assert state(aws) == ("RECORDING_IN_PROGRESS", "")
    assert any(record.levelname == "ERROR" for record in caplog.records)


# A good ingest


def test_zooms_ingest(aws: Cloud, tools: webhook.Tools) -> None:
    audio = {"file_type": "M4A", "status": "processing"}
    answer = post_webhook(tools, completed(mp4(), chat(), audio, {}, {"file_type": "TIMELINE"}))
    assert (answer.status, answer.body) == (200, "Success")
    (message,) = aws.sent_to(aws.download_queue)
    assert message["delay_seconds"] == 300
    kept = ["recording_start", "recording_end", "download_url", "file_type", "recording_type"]
    kept += ["file_size", "file_extension"]
    assert message["body"] == {
        "uuid": UUID,
        "zoom_series_id": MEETING,
        "topic": "HIST E-10",
        "start_time": "2026-10-14T15:00:00Z",
        "duration": 60,
        "host_id": "host",
        "recording_files": [
            {"recording_id": file["id"], **{name: file[name] for name in kept}}
            for file in (mp4(), chat())
        ],
        "on_demand_ingest": False,
        "zip_id": ZIP_ID,
        "received_time": "2026-10-14T18:30:00Z",
        "download_token": "SECRET-token",
        "allow_multiple_ingests": False,
        "ingest_all_mp4": False,
        "zoom_total_size_bytes": 2000,
        "zoom_processing_minutes": 150.0,
    }
    row = aws.rows()[ZIP_ID]
    assert row["pipeline_state"] == "SENT_TO_DOWNLOADER"
    assert row["origin"] == "webhook_notification"
    assert row["ingest_request_time"] == "2026-10-14T18:30:00Z"
    assert row["file_ids"] == {"file-1", "chat-1"}


def test_minutes_are_floored(aws: Cloud, post: Post, clock: Clock) -> None:
    clock.set("2026-10-14T15:59:59+00:00")
    post(completed())
    assert sent(aws)[0]["zoom_processing_minutes"] == -1.0


def test_an_on_demand_ingest(aws: Cloud, post: Post) -> None:
    options: Json = {
        "on_demand_series_id": "20210112345",
        "oc_workflow": "wf",
        "allow_multiple_ingests": True,
        "ingest_all_mp4": True,
    }
    assert post(on_demand(**options)) == 200
    (message,) = aws.sent_to(aws.download_queue)
    assert message["delay_seconds"] == 0
    body = message["body"]
    assert {name: body[name] for name in options} == options
    assert (body["on_demand_ingest"], body["zip_id"]) == (True, "on-demand-1")
    assert "zoom_processing_minutes" not in body
    row = aws.rows()["on-demand-1"]
    assert (row["pipeline_state"], row["origin"]) == ("SENT_TO_DOWNLOADER", "on_demand")


def test_an_on_demand_ingest_without_an_earlier_row_or_zip_id(aws: Cloud, post: Post) -> None:
    content = on_demand()
    del content["payload"]["zip_id"]
    assert post(content) == 200
    (zip_id,) = aws.rows()
    assert zip_id.startswith("on-demand-")
    assert len(zip_id) == len("on-demand-") + 36
    assert sent(aws)[0]["zip_id"] == zip_id


def test_the_time_of_the_request_stays_that_of_the_user(aws: Cloud, post: Post) -> None:
    put(aws, State.ON_DEMAND_RECEIVED, "on-demand-1", ingest_request_time="2026-10-14T18:29:00Z")
    post(on_demand())
    assert aws.rows()["on-demand-1"]["ingest_request_time"] == "2026-10-14T18:29:00Z"


def test_what_an_operator_overrides_travels_in_the_message(aws: Cloud, post: Post) -> None:
    overrides: Json = {"force": True, "override_series_id": "S", "ignore_schedule": True}
    post(on_demand(**overrides))
    assert {name: sent(aws)[0][name] for name in overrides} == overrides


def test_zoom_cant_override_anything(aws: Cloud, post: Post) -> None:
    content = completed()
    content["payload"] |= {"force": True, "override_series_id": "S", "zip_id": "on-demand-9"}
    put(aws, State.SENT_TO_OPENCAST, file_ids={"file-1"})
    assert post(content) == 200
    assert not aws.sends
    assert state(aws) == ("SENT_TO_OPENCAST", "")


# Data that lack something


@pytest.mark.parametrize("name", ["id", "topic", "start_time", "host_id", "duration"])
@pytest.mark.parametrize("row", [True, False])
def test_an_ingest_with_a_field_missing(name: str, row: bool, aws: Cloud, post: Post) -> None:
    if row:
        post(status_event())
    made = completed()
    made["payload"]["object"].pop(name)
    assert post(made) == 400
    assert not aws.sends
    if row or name != "id":
        assert state(aws) == ("WEBHOOK_FAILED", "Bad webhook data")
        assert aws.rows()[ZIP_ID]["meeting_id"] == MEETING
    else:
        assert not aws.rows()


def test_an_ingest_with_a_field_that_cant_be(aws: Cloud, post: Post) -> None:
    wrong: list[Json] = [
        {"id": "x"},
        {"id": 10**40},
        {"start_time": "now"},
        {"start_time": "9999-12-31T23:59:59Z"},
        {"duration": "long"},
        {"duration": 1e300},
        {"duration": -1},
        {"recording_files": None},
        {"recording_files": {}},
        {"recording_files": ["x"]},
    ]
    for number, change in enumerate(wrong):
        assert post(completed(uuid=f"u{number}", **change)) == 400
    assert not aws.sends
    failed = {f"auto-ingest-u{number}" for number, change in enumerate(wrong) if number > 1}
    assert set(aws.rows()) == failed
    assert {state(aws, zip_id) for zip_id in failed} == {("WEBHOOK_FAILED", "Bad webhook data")}


FILE_FIELDS = ["id", "recording_start", "recording_end", "download_url", "recording_type"]


def test_a_file_with_a_field_missing(aws: Cloud, post: Post) -> None:
    for name in FILE_FIELDS:
        for make in (mp4, chat):
            uuid = f"{name}-{make()['id']}"
            assert post(completed(mp4("other"), without(make(), name), uuid=uuid)) == 400
            assert state(aws, f"auto-ingest-{uuid}") == ("WEBHOOK_FAILED", "Bad webhook data")
    assert not aws.sends


def test_a_file_without_a_type_or_of_another(aws: Cloud, post: Post) -> None:
    files = [
        (without(mp4(), "file_type"), 400),
        (without(mp4(recording_type="poll"), "file_type"), 400),
        (without(mp4(file_extension="mov"), "file_type"), 400),
        (without(mp4(), "file_type", "file_extension", "recording_type"), 200),
        (without(chat(), "file_type"), 200),
        ({"file_type": "NEW_TYPE"}, 200),
    ]
    for number, (file, status) in enumerate(files):
        assert post(completed(mp4("first"), file, uuid=f"u{number}")) == status, file
    assert len(sent(aws)) == 3
    for message in sent(aws):
        assert [one["recording_id"] for one in message["recording_files"]] == ["first"]


def test_types_in_any_case(aws: Cloud, post: Post) -> None:
    assert post(completed(mp4(file_type="mp4"), chat(file_type="Chat"))) == 200
    assert len(sent(aws)[0]["recording_files"]) == 2


def test_bad_on_demand_data(aws: Cloud, post: Post) -> None:
    assert post(on_demand(without(mp4(), "id"))) == 400
    assert state(aws, "on-demand-1") == ("WEBHOOK_FAILED", "Bad webhook data")
    assert aws.rows()["on-demand-1"]["origin"] == "on_demand"
    assert list(aws.rows()) == ["on-demand-1"]


@pytest.mark.parametrize("before", [State.SENT_TO_DOWNLOADER, State.SENT_TO_OPENCAST])
def test_bad_data_later_dont_move_a_recording_back(before: State, aws: Cloud, post: Post) -> None:
    put(aws, before)
    assert post(completed(without(mp4(), "id"))) == 400
    assert state(aws) == (before, "")


# Files that aren't finished; no MP4


@pytest.mark.parametrize("make", [mp4, chat])
def test_an_unfinished_file_of_zooms_is_accepted(
    make: Callable[..., Json], aws: Cloud, post: Post
) -> None:
    unfinished = without(
        make("late", status="Processing"), "download_url", "recording_end", "file_size"
    )
    assert post(completed(mp4(), unfinished)) == 200
    (message,) = aws.sent_to(aws.download_queue)
    assert message["delay_seconds"] == 300
    assert [file.get("status") for file in message["body"]["recording_files"]] == [
        None,
        "processing",
    ]


def test_an_unfinished_file_on_demand(aws: Cloud, post: Post) -> None:
    assert post(on_demand(mp4(), chat(status="processing"))) == 400
    assert not aws.sends
    assert state(aws, "on-demand-1")[0] == "WEBHOOK_FAILED"


def test_no_mp4(aws: Cloud, post: Post) -> None:
    assert post(completed(chat(), {"file_type": "M4A"})) == 204
    assert state(aws) == ("IGNORED", "No mp4 files")
    assert post(on_demand(chat())) == 400
    assert state(aws, "on-demand-1") == ("IGNORED", "No mp4 files")
    assert post(completed(recording_files=[])) == 204
    assert not aws.sends


def test_an_mp4_that_comes_after_no_mp4_is_ingested(aws: Cloud, post: Post) -> None:
    post(completed(chat()))
    assert post(completed(chat(), mp4())) == 200
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")
    assert len(sent(aws)) == 1


@pytest.mark.parametrize(
    "before", [State.SENT_TO_DOWNLOADER, State.DOWNLOADER_FAILED, State.UPLOADER_RECEIVED]
)
def test_a_late_chat_alone_doesnt_ignore_what_is_on_its_way(
    before: State, aws: Cloud, post: Post
) -> None:
    put(aws, before, reason="as it was")
    assert post(completed(chat("late"))) == 204
    assert state(aws) == (before, "as it was")


# Duplicates


def test_the_same_again_with_other_tokens_and_urls(aws: Cloud, post: Post, clock: Clock) -> None:
    for number in range(3):
        files = [mp4(download_url=f"https://zoom.us/rec/download/{number}"), chat()]
        assert post(completed(*files[:: -1 if number else 1], token=f"t{number}")) == 200
        clock.forward(minutes=20)
    assert [message["download_token"] for message in sent(aws)] == ["t0"]
    assert aws.rows()[ZIP_ID]["ingest_request_time"] == "2026-10-14T18:30:00Z"


def test_a_repeat_that_finds_webhook_received_sends_again(aws: Cloud, post: Post) -> None:
    put(aws, State.WEBHOOK_RECEIVED, file_ids={"file-1"})
    assert post(completed()) == 200
    assert len(sent(aws)) == 1
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


def test_what_was_not_sent_is_sent_when_zoom_repeats_it(aws: Cloud, tools: webhook.Tools) -> None:
    aws.sqs.delete_queue(QueueUrl=aws.download_queue)
    assert post_webhook(tools, completed()).status == 503
    assert state(aws) == ("WEBHOOK_RECEIVED", "")
    aws.sqs.create_queue(QueueName="test-download")
    aws.sends.clear()
    assert post_webhook(tools, completed()).status == 200
    assert len(sent(aws)) == 1
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


@pytest.mark.parametrize("ended", ["WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED"])
def test_a_repeat_of_what_ended_failed_is_a_new_message(ended: str, aws: Cloud, post: Post) -> None:
    put(aws, State(ended), file_ids={"file-1"}, reason="it failed")
    assert post(completed()) == 200
    assert len(sent(aws)) == 1
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


@pytest.mark.parametrize("ended", ["DOWNLOADER_FAILED", "UPLOADER_FAILED"])
def test_a_repeat_while_a_retry_is_due_is_none(ended: str, aws: Cloud, post: Post) -> None:
    put(aws, State(ended), file_ids={"file-1"}, retry_due="2026-10-14T18:40:00Z", reason="wait")
    assert post(completed()) == 200
    assert not aws.sends
    assert state(aws) == (ended, "wait")


@pytest.mark.parametrize("before", ["SENT_TO_DOWNLOADER", "SENT_TO_UPLOADER", "SENT_TO_OPENCAST"])
def test_a_file_not_seen_before_is_sent_and_the_row_stays(
    before: str, aws: Cloud, post: Post
) -> None:
    put(aws, State(before), file_ids={"file-1"})
    assert post(completed(mp4(), mp4("file-2"))) == 200
    assert post(completed(mp4(), mp4("file-2"))) == 200
    assert len(sent(aws)) == 1
    assert state(aws) == (before, "")
    assert aws.rows()[ZIP_ID]["file_ids"] == {"file-1", "file-2"}


@pytest.mark.parametrize("before", ["SENT_TO_DOWNLOADER", "IGNORED", "SENT_TO_OPENCAST"])
def test_an_operators_force_begins_anew(before: str, aws: Cloud, post: Post) -> None:
    put(aws, State(before), "on-demand-1", file_ids={"file-1"}, reason="old")
    assert post(on_demand()) == 200
    assert not aws.sends
    assert post(on_demand(force=True)) == 200
    assert len(sent(aws)) == 1
    assert state(aws, "on-demand-1") == ("SENT_TO_DOWNLOADER", "")


def test_a_repeated_on_demand_request_is_recognised(aws: Cloud, post: Post) -> None:
    assert [post(on_demand()), post(on_demand())] == [200, 200]
    assert len(sent(aws)) == 1
    assert post(on_demand(zip_id="on-demand-2")) == 200
    assert len(sent(aws)) == 2


# Removed in Zoom


@pytest.mark.parametrize(
    ("event", "says"), [("recording.trashed", "trash"), ("recording.deleted", "deleted")]
)
def test_removal_is_noted_on_rows_on_their_way_only(
    event: str, says: str, aws: Cloud, post: Post
) -> None:
    known: Json = {"meeting_id": MEETING, "recording_id": UUID}
    put(aws, State.SENT_TO_DOWNLOADER, **known)
    put(aws, State.OC_SERIES_FOUND, "on-demand-1", **known)
    due: Json = {"retry_due": "2026-10-14T18:40:00Z", "reason": "next try at 18:40"}
    put(aws, State.DOWNLOADER_FAILED, "on-demand-2", **known, **due)
    put(aws, State.SENT_TO_OPENCAST, "on-demand-3", **known)
    put(aws, State.DOWNLOADER_FAILED, "on-demand-4", **known, reason="failed")
    put(aws, State.OC_SERIES_FOUND, "other", meeting_id=MEETING, recording_id="other")
    before = aws.rows()
    assert post(status_event(event, id=str(MEETING))) == 204
    rows = aws.rows()
    for zip_id in (ZIP_ID, "on-demand-1", "on-demand-2"):
        assert says in rows[zip_id]["reason"]
        assert says in rows[zip_id]["zoom_notice"]
        assert rows[zip_id]["pipeline_state"] == before[zip_id]["pipeline_state"]
    assert "next try at 18:40" in rows["on-demand-2"]["reason"]
    for zip_id in ("on-demand-3", "on-demand-4", "other"):
        assert rows[zip_id] == before[zip_id]


def test_removal_of_what_nobody_knows(aws: Cloud, post: Post) -> None:
    for meeting in (None, "x", 10**40, MEETING):
        assert post(status_event("recording.deleted", id=meeting)) == 204
    assert untouched(aws)


# Faults of ours


@pytest.mark.parametrize("content", [completed(), on_demand(), status_event(), completed(chat())])
def test_aws_down_is_503_so_that_zoom_repeats(content: Json, aws: Cloud, post: Post) -> None:
    aws.status.delete()
    assert post(content) == 503
    assert not aws.sends


def test_no_secret_in_any_line(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture, tools: webhook.Tools
) -> None:
    caplog.set_level(logging.DEBUG, "ingester")
    content = completed(mp4(), chat())
    post(status_event())
    post(content)
    post(content)
    post(completed(without(mp4(), "id")))
    post(on_demand(), key="wrong")
    post(completed(start_time="now"))
    webhook.respond(raw(content, {"x-zm-signature": "v0=SECRET", "a": "b"}), tools)
    aws.status.delete()
    post(content)
    formatter = JsonFormatter()
    lines = [formatter.format(record) for record in caplog.records]
    assert len(lines) > 8
    assert not [line for line in lines if "SECRET" in line]
    assert not [line for line in lines if ZOOM_SECRET in line or OWN_KEY in line]


# Anything else that a body may hold


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["MP4", "chat", "2026-10-14T15:00:00Z", 10**40]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(list(mp4())), inner, max_size=4)
    ),
    max_leaves=6,
)
spoilt_files = st.tuples(st.sampled_from(list(mp4())), json_values).map(
    lambda change: mp4() | {change[0]: change[1]}
)
spoilt_objects = st.tuples(
    st.sampled_from(list(about())), json_values | st.lists(spoilt_files, max_size=2)
).map(lambda change: about() | {change[0]: change[1]})
bodies = st.one_of(
    json_values,
    st.fixed_dictionaries(
        {
            "event": st.sampled_from(list(STATUS_EVENTS))
            | st.sampled_from(["recording.completed", "on.demand.ingest", "recording.trashed"])
            | json_values,
            "event_ts": st.integers() | json_values,
            "download_token": st.text(max_size=3) | json_values,
            "payload": st.fixed_dictionaries(
                {"object": spoilt_objects}, optional={"zip_id": json_values, "force": json_values}
            )
            | json_values,
        }
    ),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=bodies)
def test_whatever_is_signed_gets_an_answer(content: Any, tools: webhook.Tools) -> None:
    answer = post_webhook(tools, json.dumps(content).encode(), key=OWN_KEY)
    assert answer.status in (200, 204, 400, 401)
