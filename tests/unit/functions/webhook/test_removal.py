"""Removals of recordings in Zoom: notes in the ledger and in the status table."""

from __future__ import annotations

import logging
from functools import partial

import pytest

from ingester.alerts.log_records import records_of
from ingester.ledger import record as ledger
from ingester.log import JsonFormatter
from ingester.log_level import Level
from ingester.pipeline.states import State
from tests.cloud import Cloud
from tests.hooks import failing_table
from tests.unit.functions.measured import listen
from tests.unit.functions.webhook.notifications import (
    UUID,
    ZIP_ID,
    Json,
    Post,
    change_record,
    completed,
    edit_record,
    on_demand,
    put,
    record_of,
    sent,
    state,
    status_event,
    untouched,
)
from tests.unit.functions.webhook.removals import (
    Notify,
    batch_deleted,
    batch_trashed,
    deleted,
    recovered,
    trashed,
)

TRASHED = "The recording was moved to the trash in Zoom"
DELETED = "The recording was deleted in Zoom"
EACH = [(trashed, TRASHED), (batch_trashed, TRASHED), (deleted, DELETED), (batch_deleted, DELETED)]
each_form = pytest.mark.parametrize(
    ("notify", "notice"), EACH, ids=["trashed", "batch_trashed", "deleted", "batch_deleted"]
)


@each_form
def test_removal_is_noted_in_the_ledger_and_in_the_rows_of_ingests_in_progress(
    notify: Notify, notice: str, aws: Cloud, post: Post
) -> None:
    post(completed())
    for number in range(1, 5):
        post(on_demand(zip_id=f"on-demand-{number}"))
    post(completed(uuid="another=="))
    put(aws, State.OC_SERIES_FOUND, "on-demand-1")
    due: Json = {"retry_due": "2026-10-14T18:40:00Z", "reason": "next try at 18:40"}
    put(aws, State.DOWNLOADER_FAILED, "on-demand-2", **due)
    put(aws, State.SENT_TO_OPENCAST, "on-demand-3")
    put(aws, State.DOWNLOADER_FAILED, "on-demand-4", reason="failed")
    before, messages = aws.rows(), len(aws.sends)
    assert post(notify()) == 204
    rows = aws.rows()
    for zip_id in (ZIP_ID, "on-demand-1", "on-demand-2"):
        assert rows[zip_id]["zoom_notice"] == notice
        assert rows[zip_id]["reason"].startswith(notice)
        assert rows[zip_id]["pipeline_state"] == before[zip_id]["pipeline_state"]
    assert "next try at 18:40" in rows["on-demand-2"]["reason"]
    for zip_id in ("on-demand-3", "on-demand-4", "auto-ingest-another=="):
        assert rows[zip_id] == before[zip_id]
    assert record_of(aws).notice == notice
    assert record_of(aws, "another==").notice == ""
    assert len(aws.sends) == messages


@pytest.mark.parametrize(
    ("row_state", "retry_due"),
    [(State.IGNORED, "2026-10-14T18:40:00Z"), (State.DOWNLOADER_FAILED, "soon")],
)
def test_row_of_an_ended_ingest_is_unchanged_when_its_recording_is_trashed_whatever_the_retry_time(
    row_state: State, retry_due: str, aws: Cloud, post: Post
) -> None:
    # The diagnosis decides: only a failure with a readable retry time is retried.
    post(completed())
    put(aws, row_state, retry_due=retry_due)
    before = aws.rows()
    assert post(trashed()) == 204
    assert aws.rows() == before


@pytest.mark.parametrize(
    ("events", "notice"),
    [((trashed,), TRASHED), ((trashed, trashed), TRASHED), ((trashed, deleted), DELETED)],
    ids=["trashed", "trashed twice", "trashed, then deleted"],
)
def test_row_of_a_retry_shows_the_last_notice_and_the_reason_when_a_recording_is_removed(
    events: tuple[Notify, ...], notice: str, aws: Cloud, post: Post
) -> None:
    post(completed())
    due: Json = {"retry_due": "2026-10-14T18:40:00Z", "reason": "no file yet; next try at 18:40"}
    put(aws, State.DOWNLOADER_FAILED, **due)
    for notify in events:
        assert post(notify()) == 204
    assert state(aws) == ("DOWNLOADER_FAILED", f"{notice}; no file yet; next try at 18:40")


@pytest.mark.parametrize("notify", [batch_trashed, batch_deleted])
def test_removal_is_noted_for_each_known_recording_when_one_webhook_event_names_several(
    notify: Notify, aws: Cloud, post: Post
) -> None:
    uuids = ("a==", "b==", "c==")
    for uuid in uuids:
        post(completed(uuid=uuid))
    assert post(notify("a==", "c==", "a==", "never-seen==")) == 204
    assert [bool(record_of(aws, uuid).notice) for uuid in uuids] == [True, False, True]
    noted = ["zoom_notice" in aws.rows()[f"auto-ingest-{uuid}"] for uuid in uuids]
    assert noted == [True, False, True]


def test_removal_is_noted_only_in_the_row_when_no_ingest_was_requested(
    aws: Cloud, post: Post
) -> None:
    # The recording isn't finished, so the ledger doesn't have it yet.
    post(status_event("recording.stopped"))
    assert post(trashed()) == 204
    assert state(aws) == ("RECORDING_STOPPED", TRASHED)
    assert not aws.recordings.scan()["Items"]


@each_form
def test_removal_changes_nothing_when_the_recording_was_never_seen(
    notify: Notify, notice: str, aws: Cloud, post: Post
) -> None:
    assert post(notify()) == 204
    assert untouched(aws), notice


def test_notice_is_removed_when_the_request_is_accepted_again(aws: Cloud, post: Post) -> None:
    assert post(completed()) == 200
    assert post(trashed()) == 204
    change_record(aws, partial(ledger.with_end, zip_id=ZIP_ID, end=ledger.End.GONE))
    put(aws, State.IGNORED, reason=TRASHED)
    assert post(on_demand(zip_id=ZIP_ID, force=True)) == 200
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")
    assert "zoom_notice" not in aws.rows()[ZIP_ID]
    assert record_of(aws).notice == ""


def test_notice_stays_when_a_request_in_progress_is_repeated(aws: Cloud, post: Post) -> None:
    assert post(completed()) == 200
    assert post(trashed()) == 204
    assert post(completed()) == 200
    assert record_of(aws).notice == TRASHED
    assert aws.rows()[ZIP_ID]["zoom_notice"] == TRASHED


@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
def test_removal_is_noted_in_the_ledger_when_the_status_table_fails(
    operation: str, aws: Cloud, post: Post
) -> None:
    post(completed())
    with failing_table(aws.status, operation):
        assert post(trashed()) == 204
    assert record_of(aws).notice == TRASHED


@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
def test_webhook_event_of_removal_gets_503_when_the_ledger_fails(
    operation: str, aws: Cloud, post: Post
) -> None:
    post(completed())
    with failing_table(aws.recordings, operation):
        assert post(trashed()) == 503
    assert post(trashed()) == 204
    assert record_of(aws).notice == TRASHED


def test_removal_of_other_recordings_is_noted_when_one_ledger_record_is_unreadable(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    listen(caplog).handler.setFormatter(JsonFormatter())
    post(completed(uuid="a=="))
    post(completed(uuid="b=="))
    edit_record(aws, files="all")
    assert post(batch_trashed("a==", UUID, "b==")) == 503
    assert [record_of(aws, uuid).notice for uuid in ("a==", "b==")] == [TRASHED, TRASHED]
    records = records_of(caplog.text.splitlines())
    [error] = [record for record in records if record.level >= Level.ERROR]
    assert error.uuid == UUID
    assert UUID in error.message
    assert "Correct the item" in error.message


def test_warning_names_recording_and_request_when_a_recording_is_removed_during_its_ingest(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post(completed())
    listen(caplog).handler.setFormatter(JsonFormatter())
    post(trashed())
    records = records_of(caplog.text.splitlines())
    [warning] = [record for record in records if record.level == logging.WARNING]
    assert (warning.uuid, warning.zip_id) == (UUID, ZIP_ID)
    assert len(sent(aws)) == 1


def test_notice_is_that_of_the_last_removal_when_a_recovery_came_between_two_removals(
    aws: Cloud, post: Post
) -> None:
    post(completed())
    for notify in (trashed, recovered, batch_deleted):
        assert post(notify()) == 204
    assert record_of(aws).notice == DELETED
