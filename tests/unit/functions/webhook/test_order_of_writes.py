"""The order of the webhook's writes for a request, and failures of the tables and the queue."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ingester.pipeline.states import State
from tests.cloud import Cloud
from tests.hooks import failing, failing_table
from tests.unit.functions.webhook.notifications import (
    UUID,
    ZIP_ID,
    Json,
    Post,
    chat,
    completed,
    edit_record,
    failing_queue,
    mp4,
    notes_sent,
    on_demand,
    put,
    record_of,
    sent,
    state,
    status_event,
    without,
)


def test_ledger_has_the_files_before_the_send_and_notes_the_sent_message_afterwards(
    aws: Cloud, post: Post
) -> None:
    writes: list[str] = []

    def update(params: Json) -> bool:
        values = params["ExpressionAttributeValues"]
        if params["TableName"] == aws.status.name:
            writes.append(values[":state"])
        else:
            assert set(values[":files"]) == {"file-1"}
            writes.append("ledger: sent" if notes_sent(params) else "ledger: accepted")
        return False

    def send(_: Json) -> bool:
        writes.append("message")
        return False

    with (
        failing(aws.status.meta.client, "dynamodb.UpdateItem", "none", when=update),
        failing(aws.sqs, "sqs.SendMessage", "none", when=send),
    ):
        assert post(completed()) == 200
    assert writes == [
        "ledger: accepted",
        "WEBHOOK_RECEIVED",
        "message",
        "ledger: sent",
        "SENT_TO_DOWNLOADER",
    ]


@pytest.mark.parametrize(
    ("content", "status", "messages"),
    [
        (completed(), 200, 1),
        (without(completed(), "download_token"), 200, 1),
        (on_demand(), 200, 1),
        (on_demand(force=True), 200, 1),
        (completed(chat()), 204, 0),
        (on_demand(chat()), 400, 0),
        (on_demand(mp4(status="processing")), 400, 0),
        (on_demand(without(mp4(), "id")), 400, 0),
    ],
    ids=[
        *("zooms-own", "partial", "on-demand", "forced"),
        *("no-video", "on-demand-no-video", "unfinished", "bad-data"),
    ],
)
def test_answer_to_an_ingest_request_stays_the_same_when_the_status_table_fails(
    content: Json, status: int, messages: int, aws: Cloud, post: Post
) -> None:
    aws.status.delete()
    for _ in range(2):
        assert post(content) == status
    assert len(sent(aws)) == messages * (2 if content["payload"].get("force") else 1)


def test_message_about_a_new_file_is_sent_once_when_the_status_table_fails(
    aws: Cloud, post: Post
) -> None:
    assert post(completed()) == 200
    aws.status.delete()
    assert post(completed(mp4(), mp4("file-2"))) == 200
    assert post(completed(mp4(), mp4("file-2"))) == 200
    assert len(sent(aws)) == 2


def test_recording_event_gets_503_when_the_status_table_fails(aws: Cloud, post: Post) -> None:
    # The ledger has no states of recording events, so Zoom has to repeat the webhook event.
    aws.status.delete()
    assert post(status_event()) == 503


def test_failure_of_the_status_table_is_logged_as_a_warning(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    aws.status.delete()
    assert post(completed()) == 200
    problems = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert {record.levelname for record in problems} == {"WARNING"}
    assert all("status row isn't written" in record.getMessage() for record in problems)


@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
@pytest.mark.parametrize(
    "content",
    [completed(), without(completed(), "download_token"), on_demand(), completed(chat())],
    ids=["zooms-own", "partial", "on-demand", "no-video"],
)
def test_webhook_answers_503_and_sends_nothing_when_the_ledger_fails_before_the_send(
    content: Json, operation: str, aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    with failing_table(aws.recordings, operation):
        assert post(content) == 503
    assert not aws.sends
    assert not aws.rows()
    [error] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"{operation} answered Throttling" in error.getMessage()
    assert "wasn't taken" in error.getMessage()
    assert "again" in vars(error)["outlook"]
    assert post(content) in (200, 204)


def test_webhook_answers_503_and_sends_nothing_when_the_record_keeps_changing(
    aws: Cloud, post: Post
) -> None:
    changes: list[int] = []

    def changed(params: Json) -> bool:
        if params["TableName"] == aws.recordings.name:
            changes.append(len(changes) + 1)
            edit_record(aws, version=changes[-1])
        return False

    with failing(aws.status.meta.client, "dynamodb.UpdateItem", "none", when=changed):
        assert post(completed()) == 503
    assert len(changes) > 3
    assert not aws.sends
    assert post(completed()) == 200


def test_files_of_two_webhook_events_are_kept_when_both_come_at_the_same_time(
    aws: Cloud, post: Post
) -> None:
    # The other invocation writes the record after this invocation has read the record.
    others: list[int] = []

    def meanwhile(_: Json) -> bool:
        if not others:
            others.append(0)
            others[0] = post(completed(mp4("file-1")))
        return False

    with failing(aws.status.meta.client, "dynamodb.UpdateItem", "none", when=meanwhile):
        assert post(completed(mp4("file-2"))) == 200
    assert others == [200]
    assert [message["recording_files"][0]["recording_id"] for message in sent(aws)] == [
        "file-1",
        "file-2",
    ]
    assert record_of(aws).request(ZIP_ID).sent == ("file-1", "file-2")


@pytest.mark.parametrize("problem", ["fails", "can't be read"])
def test_webhook_event_gets_200_when_the_ledger_fails_after_the_send(
    problem: str, aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    # After a 503, Zoom would repeat the webhook event, whose message is on the queue already.
    def spoil(params: Json) -> bool:
        if problem == "can't be read":
            edit_record(aws, requests="all")
        return problem == "fails" and notes_sent(params)

    if problem == "fails":
        with failing_table(aws.recordings, when=spoil):
            assert post(completed()) == 200
    else:
        with failing(aws.sqs, "sqs.SendMessage", "none", when=spoil):
            assert post(completed()) == 200
    assert len(sent(aws)) == 1
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("ledger isn't written" in warning for warning in warnings)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_message_is_sent_again_and_the_row_keeps_its_state_when_the_ledger_note_failed(
    aws: Cloud, post: Post
) -> None:
    # Without the note in the ledger, the send isn't certain. A later step drops repeats.
    with failing_table(aws.recordings, when=notes_sent):
        assert post(completed()) == 200
    put(aws, State.UPLOADER_RECEIVED, reason="as it was")
    assert [post(completed()), post(completed())] == [200, 200]
    assert len(sent(aws)) == 2
    assert state(aws) == ("UPLOADER_RECEIVED", "as it was")


@pytest.mark.parametrize("content", [completed(), on_demand()], ids=["zooms-own", "on-demand"])
def test_ingest_request_gets_503_when_the_queue_fails_and_a_later_repeat_sends_the_message(
    content: Json, aws: Cloud, post: Post
) -> None:
    zip_id = content["payload"].get("zip_id", ZIP_ID)
    with failing_queue(aws):
        assert [post(content), post(content)] == [503, 503]
    assert state(aws, zip_id) == ("WEBHOOK_RECEIVED", "")
    assert [post(content), post(content)] == [200, 200]
    assert len(sent(aws)) == 1
    assert state(aws, zip_id) == ("SENT_TO_DOWNLOADER", "")


BROKEN: list[dict[str, Any]] = [
    {"version": "x"},
    {"files": ["file-1"]},
    {"files": {"file-1": "its name"}},
    {"requests": {ZIP_ID: {"is_sent": "perhaps"}}},
    {"requests": {ZIP_ID: {"end": "somewhere"}}},
    {"ingests": {"media-package": {}}},
    {"notice": 5},
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
@pytest.mark.parametrize(
    "content",
    [completed(), completed(chat()), status_event("recording.trashed")],
    ids=["completed", "no-video", "trashed"],
)
def test_webhook_event_gets_503_and_the_log_names_the_recording_when_the_record_is_unreadable(
    content: Json,
    broken: dict[str, Any],
    aws: Cloud,
    post: Post,
    caplog: pytest.LogCaptureFixture,
) -> None:
    edit_record(aws, **broken)
    before = aws.recordings.scan()["Items"]
    assert post(content) == 503
    assert not aws.sends
    assert not aws.rows()
    assert aws.recordings.scan()["Items"] == before
    [error] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert UUID in error.getMessage()
    assert "Correct the item" in error.getMessage()


def test_other_recordings_are_accepted_when_one_ledger_record_is_unreadable(
    aws: Cloud, post: Post
) -> None:
    edit_record(aws, files="all")
    assert post(completed()) == 503
    assert post(completed(uuid="another==")) == 200
    assert [message["uuid"] for message in sent(aws)] == ["another=="]
