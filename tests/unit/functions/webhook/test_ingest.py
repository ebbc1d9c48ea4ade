"""Webhook events and on-demand requests for an ingest."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from msgspec import to_builtins

import webhook
from ingester.ledger.record import End, NamedFile, Request
from ingester.pipeline.states import State
from tests.cloud import Clock, Cloud
from tests.function_harness import post_webhook
from tests.unit.functions.webhook.notifications import (
    MEETING,
    UUID,
    ZIP_ID,
    Json,
    Post,
    chat,
    completed,
    mp4,
    on_demand,
    put,
    record_of,
    sent,
    state,
    without,
)


def test_zoom_webhook_event_becomes_a_message_a_row_and_a_record(
    aws: Cloud, deps: webhook.Dependencies
) -> None:
    audio = {"file_type": "M4A", "status": "processing"}
    answer = post_webhook(deps, completed(mp4(), chat(), audio, {}, {"file_type": "TIMELINE"}))
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
    assert record_of(aws).files == {
        "file-1": NamedFile(
            name="shared_screen_with_speaker_view of 2026-10-14T15:00:00Z",
            at="2026-10-14T18:30:00Z",
            size=1000,
            seconds=3600,
        ),
        "chat-1": NamedFile(
            name="chat_file of 2026-10-14T15:00:00Z",
            at="2026-10-14T18:30:00Z",
            size=1000,
        ),
    }
    assert record_of(aws).requests == {
        ZIP_ID: Request(at="2026-10-14T18:30:00Z", is_sent=True, sent=("chat-1", "file-1"))
    }


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (rb"Cut \ud83d", "Cut \ufffd"),
        (rb"\ude00 \ud83d\ud83d\ude00", "\ufffd \ufffd\U0001f600"),
        (rb"C:\\ud83d", r"C:\ud83d"),
        ("\ufffe\uffff".encode(), "\ufffe\uffff"),
    ],
)
def test_topic_is_kept_as_far_as_it_can_be_read_when_it_has_odd_characters(
    aws: Cloud, post: Post, escaped: bytes, read: str
) -> None:
    # Zoom may cut a topic within an emoji, and perhaps doesn't repeat a webhook event after a 4xx
    # (`docs/zoom.md`).
    assert post(json.dumps(completed(topic="TOPIC")).encode().replace(b"TOPIC", escaped)) == 200
    (message,) = aws.sends
    assert not set(message["MessageBody"]) & {"\ufffe", "\uffff"}, "SQS takes neither"
    assert sent(aws)[0]["topic"] == aws.rows()[ZIP_ID]["topic"] == read


@pytest.mark.parametrize(
    ("size", "read"),
    [
        *(("1000", 1000), (1000.0, 1000)),
        # Zoom states 0 for a file whose size isn't known yet.
        *((0, None), ("0", None), (0.0, None)),
        *(("1 kB", None), (-1, None), (1.5, None), (True, None), ([], None), (10**30, None)),
    ],
)
def test_webhook_event_is_accepted_whatever_its_sizes_are(
    aws: Cloud, post: Post, size: object, read: int | None
) -> None:
    file = mp4(file_size=size, file_extension=4)
    assert post(completed(file, total_size=size)) == 200
    (message,) = sent(aws)
    (sent_file,) = message["recording_files"]
    assert message.get("zoom_total_size_bytes") == sent_file.get("file_size") == read
    assert "file_extension" not in sent_file


def test_processing_time_of_zoom_is_floored_to_whole_minutes(
    aws: Cloud, post: Post, clock: Clock
) -> None:
    clock.set("2026-10-14T15:59:59+00:00")
    post(completed())
    assert sent(aws)[0]["zoom_processing_minutes"] == -1.0


def test_on_demand_request_is_sent_without_delay_and_with_its_options(
    aws: Cloud, post: Post
) -> None:
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
    asked = {"oc_series_id": "20210112345", **without(options, "on_demand_series_id")}
    assert row["asked"] == asked
    assert to_builtins(record_of(aws).request("on-demand-1").asked) == asked


def test_on_demand_request_gets_a_row_when_it_has_neither_row_nor_zip_id(
    aws: Cloud, post: Post
) -> None:
    content = on_demand()
    del content["payload"]["zip_id"]
    assert post(content) == 200
    (zip_id,) = aws.rows()
    assert zip_id.startswith("on-demand-")
    assert len(zip_id) == len("on-demand-") + 36
    assert sent(aws)[0]["zip_id"] == zip_id


def test_request_time_in_the_row_stays_when_the_webhook_accepts_the_request(
    aws: Cloud, post: Post
) -> None:
    put(aws, State.ON_DEMAND_RECEIVED, "on-demand-1", ingest_request_time="2026-10-14T18:29:00Z")
    post(on_demand())
    assert aws.rows()["on-demand-1"]["ingest_request_time"] == "2026-10-14T18:29:00Z"


def test_message_has_the_overrides_of_an_operator(aws: Cloud, post: Post) -> None:
    overrides: Json = {"force": True, "override_series_id": "S", "ignore_schedule": True}
    post(on_demand(**overrides))
    assert {name: sent(aws)[0][name] for name in overrides} == overrides


def test_row_has_the_options_of_the_latest_request(aws: Cloud, post: Post) -> None:
    # The status page proposes the series of the row's options for another request.
    post(on_demand(zip_id=ZIP_ID, force=True, override_series_id="S"))
    assert aws.rows()[ZIP_ID]["asked"] == {"oc_series_id": "S"}
    post(on_demand(zip_id=ZIP_ID, force=True))
    assert "asked" not in aws.rows()[ZIP_ID]
    by_plus_zoom = {"oc_workflow": "w", "ingest_all_mp4": True}
    put(aws, State.ON_DEMAND_RECEIVED, "on-demand-1", asked=by_plus_zoom)
    post(on_demand(oc_workflow="w", ingest_all_mp4=True))
    assert aws.rows()["on-demand-1"]["asked"] == by_plus_zoom


def test_row_has_no_requested_series_when_a_zoom_webhook_event_is_accepted(
    aws: Cloud, post: Post
) -> None:
    put(aws, State.DOWNLOADER_FAILED, asked={"oc_series_id": "S"})
    assert post(completed()) == 200
    assert "asked" not in aws.rows()[ZIP_ID]


@pytest.mark.parametrize("before", [State.SENT_TO_DOWNLOADER, State.SENT_TO_OPENCAST])
def test_row_keeps_its_sent_state_when_an_on_demand_request_is_invalid(
    before: State, aws: Cloud, post: Post
) -> None:
    put(aws, before, "on-demand-1")
    assert post(on_demand(without(mp4(), "id"))) == 400
    assert state(aws, "on-demand-1") == (before, "")


@pytest.mark.parametrize("make", [mp4, chat])
def test_zoom_webhook_event_is_sent_to_the_downloader_when_a_file_is_unfinished(
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


def test_on_demand_request_gets_400_when_a_file_is_unfinished(aws: Cloud, post: Post) -> None:
    assert post(on_demand(mp4(), chat(status="processing"))) == 400
    assert not aws.sends
    assert state(aws, "on-demand-1")[0] == "WEBHOOK_FAILED"


def test_recording_is_ignored_when_it_has_no_mp4(aws: Cloud, post: Post) -> None:
    assert post(completed(chat(), {"file_type": "M4A"})) == 204
    assert state(aws) == ("IGNORED", "No mp4 files")
    assert post(on_demand(chat())) == 400
    assert state(aws, "on-demand-1") == ("IGNORED", "No mp4 files")
    assert post(completed(recording_files=[])) == 204
    assert not aws.sends
    requests = record_of(aws).requests
    assert {zip_id: (request.end, request.is_sent) for zip_id, request in requests.items()} == {
        ZIP_ID: (End.IGNORED, False),
        "on-demand-1": (End.IGNORED, False),
    }


def test_ledger_remembers_the_chat_when_the_mp4_comes_in_another_webhook_event(
    aws: Cloud, post: Post
) -> None:
    # The downloader asks Zoom for files that the ledger names and the message lacks.
    assert post(completed(chat())) == 204
    assert post(completed(mp4())) == 200
    assert set(record_of(aws).files) == {"chat-1", "file-1"}
    assert record_of(aws).request(ZIP_ID).sent == ("file-1",)


@pytest.mark.parametrize(
    "before", [State.SENT_TO_DOWNLOADER, State.DOWNLOADER_FAILED, State.UPLOADER_RECEIVED]
)
@pytest.mark.parametrize("make", [completed, on_demand])
def test_row_keeps_its_state_and_reason_when_a_new_chat_comes_during_the_ingest(
    make: Callable[..., Json], before: State, aws: Cloud, post: Post
) -> None:
    zip_id = make()["payload"].get("zip_id", ZIP_ID)
    assert post(make()) == 200
    put(aws, before, zip_id, reason="as it was")
    assert post(make(chat("late"))) == (200 if make is completed else 400)
    assert state(aws, zip_id) == (before, "as it was")
    request = record_of(aws).request(zip_id)
    assert (request.is_sent, request.end) == (True, None)
    assert set(record_of(aws).files) == {"file-1", "late"}
    # An on-demand request without a video gets 400, even if an earlier message was sent.
    assert len(sent(aws)) == (2 if make is completed else 1)
