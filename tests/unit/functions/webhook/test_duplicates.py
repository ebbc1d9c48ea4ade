"""Repeated webhook events and requests, and later webhook events with other files."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from ingester.ledger import record as ledger
from ingester.ledger.record import End
from ingester.pipeline.states import State
from ingester.status.row import RequestOptions
from tests.cloud import Clock, Cloud
from tests.unit.functions.webhook.notifications import (
    UUID,
    ZIP_ID,
    Json,
    Post,
    change_record,
    chat,
    completed,
    failing_queue,
    mp4,
    on_demand,
    put,
    record_of,
    sent,
    state,
)


def end_with(aws: Cloud, end: End, zip_id: str = ZIP_ID) -> None:
    """Note the end of a request, as the downloader or the uploader does."""
    change_record(aws, partial(ledger.with_end, zip_id=zip_id, end=end))


def test_repeated_webhook_event_is_a_duplicate_when_only_tokens_urls_and_order_differ(
    aws: Cloud, post: Post, clock: Clock
) -> None:
    for number in range(3):
        files = [mp4(download_url=f"https://zoom.us/rec/download/{number}"), chat()]
        assert post(completed(*files[:: -1 if number else 1], token=f"t{number}")) == 200
        clock.forward(minutes=20)
    assert [message["download_token"] for message in sent(aws)] == ["t0"]
    assert aws.rows()[ZIP_ID]["ingest_request_time"] == "2026-10-14T18:30:00Z"


@pytest.mark.parametrize("before", list(State))
def test_repeated_webhook_event_is_a_duplicate_whatever_the_status_row_says(
    before: State, aws: Cloud, post: Post
) -> None:
    assert post(completed()) == 200
    put(aws, before, reason="as it was")
    assert post(completed()) == 200
    assert len(sent(aws)) == 1
    assert state(aws) == (before, "as it was")


def test_repeated_webhook_event_is_a_duplicate_when_the_status_row_is_gone(
    aws: Cloud, post: Post
) -> None:
    # The status table keeps a row for seven days, but the ledger keeps a record for a year.
    assert post(completed()) == 200
    aws.status.delete_item(Key={"zip_id": ZIP_ID})
    assert post(completed()) == 200
    assert len(sent(aws)) == 1
    assert not aws.rows()


def test_webhook_event_is_sent_to_the_downloader_when_only_the_status_row_has_the_files(
    aws: Cloud, post: Post
) -> None:
    put(aws, State.SENT_TO_DOWNLOADER, file_ids={"file-1"})
    assert post(completed()) == 200
    assert len(sent(aws)) == 1


@pytest.mark.parametrize("end", [End.FAILED, End.GONE])
@pytest.mark.parametrize("row", ["WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED"])
def test_repeated_webhook_event_is_accepted_again_when_the_request_ended_as_failed_or_gone(
    end: End, row: str, aws: Cloud, post: Post, clock: Clock
) -> None:
    assert post(completed()) == 200
    end_with(aws, end)
    put(aws, State(row), reason="it failed")
    clock.forward(hours=1)
    assert [post(completed()), post(completed())] == [200, 200]
    assert len(sent(aws)) == 2
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")
    request = record_of(aws).request(ZIP_ID)
    assert (request.at, request.end) == ("2026-10-14T19:30:00Z", None)


def test_repeated_webhook_event_is_a_duplicate_when_another_stack_sent_the_recording(
    aws: Cloud, post: Post
) -> None:
    # The files that the other stack sent are unknown, so all files count as sent.
    taken_over = ledger.Request(at="2026-10-14T12:00:00Z", is_sent=True, is_taken_over=True)
    change_record(aws, lambda record: replace(record, requests={ZIP_ID: taken_over}))
    assert post(completed(mp4(), mp4("file-2"), chat())) == 200
    assert not aws.sends
    assert record_of(aws).request(ZIP_ID) == taken_over
    assert post(on_demand(zip_id=ZIP_ID, force=True)) == 200
    assert len(sent(aws)) == 1
    assert not record_of(aws).request(ZIP_ID).is_taken_over


def test_repeated_on_demand_request_is_a_duplicate_unless_it_has_another_zip_id(
    aws: Cloud, post: Post
) -> None:
    assert [post(on_demand()), post(on_demand())] == [200, 200]
    assert len(sent(aws)) == 1
    assert post(on_demand(zip_id="on-demand-2")) == 200
    assert len(sent(aws)) == 2
    assert set(record_of(aws).requests) == {"on-demand-1", "on-demand-2"}


def test_request_for_another_ingest_is_sent_while_the_request_of_zoom_is_in_progress(
    aws: Cloud, post: Post
) -> None:
    assert post(completed()) == 200
    assert post(on_demand(allow_multiple_ingests=True)) == 200
    assert [message["zip_id"] for message in sent(aws)] == [ZIP_ID, "on-demand-1"]


@pytest.mark.parametrize(
    "before",
    [
        "SENT_TO_DOWNLOADER",
        "OC_SERIES_FOUND",
        "DOWNLOADER_FAILED",
        "SENT_TO_UPLOADER",
        "UPLOADER_RECEIVED",
        "UPLOADER_FAILED",
        "SENT_TO_OPENCAST",
    ],
)
def test_new_file_is_sent_and_the_row_keeps_its_state_when_the_request_is_in_progress(
    before: str, aws: Cloud, post: Post
) -> None:
    assert post(completed()) == 200
    put(aws, State(before), reason="as it was")
    for _ in range(2):
        assert post(completed(mp4(), mp4("file-2"))) == 200
    assert [len(message["recording_files"]) for message in sent(aws)] == [1, 2]
    assert state(aws) == (before, "as it was")
    assert record_of(aws).request(ZIP_ID).sent == ("file-1", "file-2")


def test_new_file_changes_the_state_of_the_row_when_the_recording_was_ignored(
    aws: Cloud, post: Post
) -> None:
    assert post(completed()) == 200
    end_with(aws, End.IGNORED)
    put(aws, State.IGNORED, reason="Recording <2 minutes")
    assert post(completed(mp4(), mp4("file-2"))) == 200
    assert len(sent(aws)) == 2
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")
    steps = [step["state"] for step in aws.rows()[ZIP_ID]["steps"]]
    assert steps[-2:] == ["WEBHOOK_RECEIVED", "SENT_TO_DOWNLOADER"]


def test_webhook_event_is_sent_to_the_downloader_only_when_it_names_a_new_file(
    aws: Cloud, post: Post
) -> None:
    # The ledger has all files, so the downloader finds the files that a message lacks.
    for files in (["file-1"], ["file-2"], ["file-1", "file-3"], ["file-2"], ["file-3"]):
        assert post(completed(*map(mp4, files))) == 200
    messages = [
        [file["recording_id"] for file in message["recording_files"]] for message in sent(aws)
    ]
    assert messages == [["file-1"], ["file-2"], ["file-1", "file-3"]]
    assert not any("is_partial" in message for message in sent(aws))
    assert set(record_of(aws).files) == {"file-1", "file-2", "file-3"}


def test_repeated_webhook_event_is_sent_to_the_downloader_when_the_queue_failed_before(
    aws: Cloud, post: Post
) -> None:
    with failing_queue(aws):
        assert post(completed()) == 503
    assert state(aws) == ("WEBHOOK_RECEIVED", "")
    assert set(record_of(aws).files) == {"file-1"}
    assert not record_of(aws).request(ZIP_ID).is_sent
    assert [post(completed()), post(completed())] == [200, 200]
    assert len(sent(aws)) == 1
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


def test_webhook_event_that_got_503_is_sent_to_the_downloader_when_repeated_after_another_one(
    aws: Cloud, post: Post
) -> None:
    # Otherwise the file of the webhook event that got 503 would be lost.
    with failing_queue(aws):
        assert post(completed(mp4("file-1"))) == 503
    assert post(completed(mp4("file-2"))) == 200
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")
    assert post(completed(mp4("file-1"))) == 200
    files = [[file["recording_id"] for file in message["recording_files"]] for message in sent(aws)]
    assert files == [["file-2"], ["file-1"]]


def test_webhook_sends_a_new_file_at_a_repeated_webhook_event_when_the_queue_failed_before(
    aws: Cloud, post: Post
) -> None:
    assert post(completed()) == 200
    with failing_queue(aws):
        assert post(completed(mp4(), mp4("file-2"))) == 503
    assert post(completed(mp4(), mp4("file-2"))) == 200
    assert len(sent(aws)) == 2


@pytest.mark.parametrize("before", ["SENT_TO_DOWNLOADER", "IGNORED", "SENT_TO_OPENCAST"])
def test_request_is_accepted_again_when_an_operator_forces_it(
    before: str, aws: Cloud, post: Post
) -> None:
    assert post(on_demand()) == 200
    if before == "IGNORED":
        end_with(aws, End.IGNORED, "on-demand-1")
    put(aws, State(before), "on-demand-1", reason="old")
    assert post(on_demand()) == 200
    assert len(sent(aws)) == 1
    assert post(on_demand(force=True, override_series_id="S")) == 200
    assert len(sent(aws)) == 2
    assert state(aws, "on-demand-1") == ("SENT_TO_DOWNLOADER", "")
    request = record_of(aws).request("on-demand-1")
    assert (request.asked, request.end) == (RequestOptions(oc_series_id="S"), None)
    assert request.sent == ("file-1",)


def test_files_count_as_not_sent_when_an_operator_forces_the_request_and_the_queue_fails(
    aws: Cloud, post: Post
) -> None:
    assert post(completed()) == 200
    with failing_queue(aws):
        assert post(on_demand(zip_id=ZIP_ID, force=True)) == 503
    assert not record_of(aws).request(ZIP_ID).is_sent
    assert post(completed()) == 200
    assert len(sent(aws)) == 2


def test_row_keeps_zoom_as_its_origin_when_an_operator_forces_the_request(
    aws: Cloud, post: Post, clock: Clock
) -> None:
    assert post(completed()) == 200
    put(aws, State.IGNORED, reason="No opencast series match")
    clock.forward(hours=2)
    assert post(on_demand(zip_id=ZIP_ID, force=True, override_series_id="S")) == 200
    (row,) = aws.rows().values()
    assert (row["pipeline_state"], row["origin"]) == ("SENT_TO_DOWNLOADER", "webhook_notification")
    assert row["ingest_request_time"] == "2026-10-14T20:30:00Z"
    assert sent(aws)[1]["zip_id"] == ZIP_ID


@pytest.mark.parametrize("files", [[mp4()], [{"file_type": "MP4"}]], ids=["good", "bad"])
def test_new_row_has_zoom_as_its_origin_when_an_operator_uses_the_automated_zip_id(
    files: list[Json], aws: Cloud, post: Post
) -> None:
    # Zoom's webhook event may never have come, or its row may have expired.
    post(on_demand(*files, zip_id=ZIP_ID, force=True))
    post(on_demand(*files, zip_id="auto-ingest-another", force=True))
    assert aws.rows()[ZIP_ID]["origin"] == "webhook_notification"
    assert aws.rows()["auto-ingest-another"]["origin"] == "on_demand"


def test_recording_is_not_a_duplicate_when_another_recording_has_the_same_files(
    aws: Cloud, post: Post
) -> None:
    assert post(completed()) == 200
    assert post(completed(uuid="another==")) == 200
    assert [message["uuid"] for message in sent(aws)] == [UUID, "another=="]
