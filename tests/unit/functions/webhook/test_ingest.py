"""An ingest event: the message, data that lack something, files that aren't ready."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import webhook
from ingester.rules.states import State
from tests.cloud import Clock, Cloud
from tests.kits import post_webhook
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
    sent,
    state,
    status_event,
    without,
)


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


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (rb"Cut \ud83d", "Cut \ufffd"),
        (rb"\ude00 \ud83d\ud83d\ude00", "\ufffd \ufffd\U0001f600"),
        (rb"C:\\ud83d", r"C:\ud83d"),
        ("\ufffe\uffff".encode(), "\ufffe\uffff"),
    ],
)
def test_a_topic_of_odd_characters(aws: Cloud, post: Post, escaped: bytes, read: str) -> None:
    """Zoom never repeats what is refused. Half an emoji is what a cut topic ends in."""
    assert post(json.dumps(completed(topic="TOPIC")).encode().replace(b"TOPIC", escaped)) == 200
    (message,) = aws.sends
    assert not set(message["MessageBody"]) & {"\ufffe", "\uffff"}, "SQS takes neither"
    assert sent(aws)[0]["topic"] == aws.rows()[ZIP_ID]["topic"] == read


@pytest.mark.parametrize(
    ("size", "read"),
    [
        *(("1000", 1000), (1000.0, 1000), (0, 0)),
        *(("1 kB", None), (-1, None), (1.5, None), (True, None), ([], None), (10**30, None)),
    ],
)
def test_sizes_that_only_check_refuse_nothing(
    aws: Cloud, post: Post, size: object, read: int | None
) -> None:
    file = mp4(file_size=size, file_extension=4)
    assert post(completed(file, total_size=size)) == 200
    (message,) = sent(aws)
    (sent_file,) = message["recording_files"]
    assert message.get("zoom_total_size_bytes") == sent_file.get("file_size") == read
    assert "file_extension" not in sent_file


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


def test_the_row_says_what_the_latest_request_asked_for(aws: Cloud, post: Post) -> None:
    """Who requests the recording once more, on the page, is to send it to the same series."""
    post(on_demand(zip_id=ZIP_ID, force=True, override_series_id="S"))
    assert aws.rows()[ZIP_ID]["asked"] == {"oc_series_id": "S"}
    post(on_demand(zip_id=ZIP_ID, force=True))
    assert "asked" not in aws.rows()[ZIP_ID]
    by_plus_zoom = {"oc_workflow": "w", "ingest_all_mp4": True}
    put(aws, State.ON_DEMAND_RECEIVED, "on-demand-1", asked=by_plus_zoom)
    post(on_demand(oc_workflow="w", ingest_all_mp4=True))
    assert aws.rows()["on-demand-1"]["asked"] == by_plus_zoom


def test_zooms_own_notification_asks_for_no_series(aws: Cloud, post: Post) -> None:
    put(aws, State.DOWNLOADER_FAILED, asked={"oc_series_id": "S"})
    assert post(completed()) == 200
    assert "asked" not in aws.rows()[ZIP_ID]


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
