"""The status table, with an in-process DynamoDB."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingester.pipeline.states import IN_OPENCAST, Origin, State
from ingester.recording.files import Subject
from ingester.status.row import Step
from ingester.status.table import STATUS_RETENTION, Requested, StatusChange, StatusTable
from tests.cloud import Clock, Cloud
from tests.hooks import failing

ZIP_ID = "auto-ingest-u=="
SUBJECT = Subject(
    meeting_id=95846636714,
    recording_id="u==",
    topic="HIST",
    start_time="2026-10-14T15:00:00Z",
    origin=Origin.WEBHOOK,
)


@pytest.fixture
def status(aws: Cloud, clock: Clock) -> StatusTable:
    return StatusTable(aws.status, clock)


def item(aws: Cloud) -> dict[str, Any]:
    return aws.rows()[ZIP_ID]


def reason(status: StatusTable) -> tuple[str, str]:
    row = status.get(ZIP_ID)
    assert row
    return str(row.state), row.reason


def test_first_write_of_status_creates_the_row_when_the_change_has_a_subject(
    aws: Cloud, status: StatusTable, clock: Clock
) -> None:
    assert status.write(
        ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT, requested=Requested.NOW)
    )
    assert item(aws) == {
        "zip_id": ZIP_ID,
        "meeting_id": 95846636714,
        "recording_id": "u==",
        "topic": "HIST",
        "recording_start_time": "2026-10-14T15:00:00Z",
        "origin": "webhook_notification",
        "pipeline_state": "WEBHOOK_RECEIVED",
        "reason": "",
        "ingest_request_time": "2026-10-14T18:30:00Z",
        "update_date": "2026-10-14",
        "update_time": 18 * 3600 + 30 * 60,
        "expiration": int(clock().timestamp()) + 7 * 86_400,
        "steps": [{"state": "WEBHOOK_RECEIVED", "at": "2026-10-14T18:30:00Z"}],
    }


def test_write_of_status_without_a_subject_creates_no_row(
    aws: Cloud, status: StatusTable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for state in State:
        assert not status.write(ZIP_ID, StatusChange(state, "why"))
    assert not aws.rows()
    logged = [entry.levelname for entry in caplog.records if "is gone" in entry.getMessage()]
    assert logged == ["INFO"] * len(State)


def test_write_of_the_state_recording_processing_creates_no_row(
    aws: Cloud, status: StatusTable
) -> None:
    assert not status.write(ZIP_ID, StatusChange(State.RECORDING_PROCESSING, subject=SUBJECT))
    assert not aws.rows()


def test_write_of_status_is_dropped_when_the_new_state_may_not_follow_the_old_state(
    aws: Cloud, status: StatusTable, clock: Clock
) -> None:
    status.write(ZIP_ID, StatusChange(State.SENT_TO_OPENCAST, subject=SUBJECT))
    before = item(aws)
    clock.forward(hours=1)
    for state in set(State) - IN_OPENCAST:
        assert not status.write(ZIP_ID, StatusChange(state, "late", subject=SUBJECT, files=["x"]))
    assert item(aws) == before


def test_write_of_status_is_allowed_when_it_names_the_state_to_replace(status: StatusTable) -> None:
    status.write(ZIP_ID, StatusChange(State.SENT_TO_OPENCAST, subject=SUBJECT))
    others = frozenset({State.IGNORED, State.UPLOADER_FAILED})
    assert not status.write(ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, replacing=others))
    also = others | {State.SENT_TO_OPENCAST}
    assert status.write(ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, replacing=also))


def test_status_row_keeps_a_known_time_of_the_request_unless_the_write_replaces_the_time(
    status: StatusTable, aws: Cloud, clock: Clock
) -> None:
    # On-demand writes the time before it calls the webhook.
    known = Requested.UNLESS_KNOWN
    status.write(ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT, requested=known))
    assert item(aws)["ingest_request_time"] == "2026-10-14T18:30:00Z"
    clock.forward(hours=1)
    status.write(ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, requested=known))
    assert item(aws)["ingest_request_time"] == "2026-10-14T18:30:00Z"
    status.write(ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, requested=Requested.NOW))
    assert item(aws)["ingest_request_time"] == "2026-10-14T19:30:00Z"


def test_reason_in_a_row_stays_until_another_reason_or_state_is_written(
    status: StatusTable,
) -> None:
    status.write(ZIP_ID, StatusChange(State.IGNORED, "Already in opencast", subject=SUBJECT))
    assert status.write(ZIP_ID, StatusChange(State.IGNORED))
    assert reason(status) == ("IGNORED", "Already in opencast")
    assert status.write(ZIP_ID, StatusChange(State.IGNORED, subject=SUBJECT))
    assert reason(status) == ("IGNORED", "Already in opencast")
    assert status.write(ZIP_ID, StatusChange(State.IGNORED, "No mp4 files"))
    assert reason(status) == ("IGNORED", "No mp4 files")
    assert status.write(ZIP_ID, StatusChange(State.OC_SERIES_FOUND))
    assert reason(status) == ("OC_SERIES_FOUND", "")


def test_reason_in_a_row_is_truncated_and_redacted(status: StatusTable) -> None:
    secret = "https://s3/x?X-Amz-Signature=ff00ff " + "x" * 5000
    status.write(ZIP_ID, StatusChange(State.UPLOADER_FAILED, secret, subject=SUBJECT))
    assert len(reason(status)[1]) == 1000
    assert "ff00ff" not in reason(status)[1]


def test_write_of_status_updates_the_time_of_the_row(
    aws: Cloud, status: StatusTable, clock: Clock
) -> None:
    status.write(
        ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT, requested=Requested.NOW)
    )
    clock.set("2026-10-15T00:00:07.900000+00:00")
    status.write(ZIP_ID, StatusChange(State.SENT_TO_DOWNLOADER))
    row = item(aws)
    assert (row["update_date"], row["update_time"]) == ("2026-10-15", 7)
    assert row["expiration"] == int(clock().timestamp()) + 7 * 86_400
    assert row["ingest_request_time"] == "2026-10-14T18:30:00Z"
    read = status.get(ZIP_ID)
    assert read
    assert read.updated == clock().replace(microsecond=0)


def test_time_of_a_status_row_is_utc_whatever_the_zone_of_the_clock(
    aws: Cloud, status: StatusTable, clock: Clock
) -> None:
    clock.set("2026-10-14T22:00:00-04:00")
    status.write(ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT))
    assert (item(aws)["update_date"], item(aws)["update_time"]) == ("2026-10-15", 2 * 3600)


def test_next_attempt_removes_the_retry_time_from_a_row_and_keeps_files_and_series(
    status: StatusTable,
) -> None:
    status.write(ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT, files=["a"]))
    status.write(ZIP_ID, StatusChange(State.OC_SERIES_FOUND, oc_series_id="S", files=["b"]))
    status.write(
        ZIP_ID, StatusChange(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T19:00:00Z")
    )
    row = status.get(ZIP_ID)
    assert row
    assert (row.files, row.oc_series_id) == (frozenset("ab"), "S")
    assert row.retry_due == "2026-10-14T19:00:00Z"
    status.write(ZIP_ID, StatusChange(State.OC_SERIES_FOUND))
    again = status.get(ZIP_ID)
    assert again
    assert (again.retry_due, again.oc_series_id, again.files) == ("", "S", frozenset("ab"))


def test_status_row_counts_failures_until_an_attempt_succeeds(status: StatusTable) -> None:
    def failures() -> int:
        row = status.get(ZIP_ID)
        return row.failures if row else -1

    status.write(ZIP_ID, StatusChange(State.UPLOADER_RECEIVED, subject=SUBJECT))
    for count in (1, 2):
        status.write(ZIP_ID, StatusChange(State.UPLOADER_FAILED, "x", failed_again=True))
        status.write(ZIP_ID, StatusChange(State.UPLOADER_RECEIVED))
        assert failures() == count
    status.write(ZIP_ID, StatusChange(State.SENT_TO_OPENCAST))
    assert failures() == 0


def test_course_is_removed_from_a_row_when_another_series_is_written(status: StatusTable) -> None:
    def course() -> str:
        row = status.get(ZIP_ID)
        return row.course if row else "no row"

    status.write(
        ZIP_ID,
        StatusChange(State.OC_SERIES_FOUND, subject=SUBJECT, oc_series_id="S", course="HIST"),
    )
    status.write(ZIP_ID, StatusChange(State.DOWNLOADER_FAILED, "x"))
    assert course() == "HIST"
    status.write(ZIP_ID, StatusChange(State.OC_SERIES_FOUND, oc_series_id="T"))
    assert course() == ""


def test_write_of_a_notice_sets_the_notice_and_the_reason_of_a_row(
    status: StatusTable, aws: Cloud
) -> None:
    status.write(ZIP_ID, StatusChange(State.OC_SERIES_FOUND, subject=SUBJECT))
    status.note(ZIP_ID, "It is gone")
    row = status.get(ZIP_ID)
    assert row
    assert row.state is State.OC_SERIES_FOUND
    assert (row.reason, row.zoom_notice) == ("It is gone", "It is gone")
    status.note(ZIP_ID, "It is gone", "; next try soon")
    assert item(aws)["reason"] == "It is gone; next try soon"
    assert item(aws)["zoom_notice"] == "It is gone"


def test_write_of_a_notice_raises_an_error_when_there_is_no_row(
    status: StatusTable, aws: Cloud
) -> None:
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        status.note(ZIP_ID, "x")
    assert not aws.rows()


class TestExplaining:
    """A later explanation of a row's state."""

    def test_explanation_of_a_state_replaces_the_reason_when_the_row_is_in_the_given_state(
        self, status: StatusTable, aws: Cloud, clock: Clock
    ) -> None:
        status.write(ZIP_ID, StatusChange(State.SENT_TO_OPENCAST, subject=SUBJECT))
        before = item(aws)
        clock.forward(hours=1)
        status.explain(ZIP_ID, frozenset({State.SENT_TO_OPENCAST}), "It lacks a file at ?token=abc")
        assert item(aws) == before | {
            "reason": "It lacks a file at ?token=***",
            "expiration": int((clock() + STATUS_RETENTION).timestamp()),
        }

    @pytest.mark.parametrize("state", [State.UPLOADER_RECEIVED, State.IGNORED])
    def test_explanation_of_a_state_keeps_the_reason_when_the_row_is_in_none_of_the_given_states(
        self, status: StatusTable, state: State
    ) -> None:
        status.write(ZIP_ID, StatusChange(state, "as it was", subject=SUBJECT))
        status.explain(ZIP_ID, frozenset({State.SENT_TO_OPENCAST}), "It lacks a file")
        assert reason(status) == (str(state), "as it was")

    def test_explanation_of_a_state_creates_no_status_row(
        self, status: StatusTable, aws: Cloud
    ) -> None:
        status.explain(ZIP_ID, frozenset({State.SENT_TO_OPENCAST}), "It lacks a file")
        assert not aws.rows()


class TestReporting:
    """Reports of states, which must not stop the work when AWS fails."""

    def test_report_of_a_state_writes_the_status_row(self, status: StatusTable) -> None:
        written = status.report(ZIP_ID, StatusChange(State.IGNORED, "why", subject=SUBJECT))
        assert written
        assert written.is_change
        assert reason(status) == ("IGNORED", "why")

    @pytest.mark.parametrize("code", ["Throttling", "ResourceNotFoundException"])
    def test_report_and_explanation_of_a_state_log_a_warning_when_aws_fails(
        self, aws: Cloud, status: StatusTable, caplog: pytest.LogCaptureFixture, code: str
    ) -> None:
        with failing(aws.status.meta.client, "dynamodb.UpdateItem", code):
            assert (
                status.report(ZIP_ID, StatusChange(State.IGNORED, "why", subject=SUBJECT)) is None
            )
            status.explain(ZIP_ID, frozenset({State.IGNORED}), "why")
        logged = [(entry.levelname, entry.getMessage()) for entry in caplog.records]
        expected = f"The status row isn't written. AWS failed: UpdateItem answered {code}."
        assert logged == [("WARNING", expected)] * 2
        assert not aws.rows()

    def test_write_of_status_raises_client_error_when_aws_fails(
        self, aws: Cloud, status: StatusTable
    ) -> None:
        failure = failing(aws.status.meta.client, "dynamodb.UpdateItem", "Throttling")
        with failure, pytest.raises(ClientError):
            status.write(ZIP_ID, StatusChange(State.IGNORED, subject=SUBJECT))

    def test_report_of_a_state_raises_type_error_when_an_argument_has_the_wrong_type(
        self, status: StatusTable
    ) -> None:
        with pytest.raises(TypeError):
            status.report(ZIP_ID, StatusChange(State.IGNORED, subject=SUBJECT, files=7))  # type: ignore[arg-type]  # a mistake


def big_rows(aws: Cloud, clock: Clock, count: int) -> set[str]:
    """Write rows of 300 KB, and return their `zip_id`s. A page of a query holds at most 1 MB.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
    """
    now = clock()
    with aws.status.batch_writer() as batch:
        for number in range(count):
            batch.put_item(
                Item={
                    "zip_id": f"z{number}",
                    "meeting_id": 1,
                    "pipeline_state": "IGNORED",
                    "update_date": now.strftime("%Y-%m-%d"),
                    "update_time": 60_000 + number,
                    "reason": "x" * 300_000,
                }
            )
    return {f"z{number}" for number in range(count)}


def test_queries_of_the_status_table_read_every_page(
    aws: Cloud, status: StatusTable, clock: Clock
) -> None:
    written = big_rows(aws, clock, 8)
    page = aws.status.query(
        IndexName="mid_index",
        KeyConditionExpression="meeting_id = :m",
        ExpressionAttributeValues={":m": 1},
    )
    assert "LastEvaluatedKey" in page
    assert {row.zip_id for row in status.of_meeting(1)} == written
    found = [row.zip_id for row in status.updated_since(clock() - timedelta(hours=3))]
    assert found == [f"z{number}" for number in range(8)]


def test_rows_updated_since_a_time_are_found_across_midnight(
    status: StatusTable, clock: Clock
) -> None:
    for number, moment in enumerate(
        ["2026-10-13T23:59:59", "2026-10-14T23:10:00", "2026-10-14T23:59:59", "2026-10-15T00:00:00"]
    ):
        clock.set(f"{moment}+00:00")
        status.write(f"z{number}", StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT))
    clock.set("2026-10-15T00:10:00+00:00")

    def since(**before: int) -> list[str]:
        return [row.zip_id for row in status.updated_since(clock() - timedelta(**before))]

    assert since(minutes=60) == ["z1", "z2", "z3"]
    assert since(minutes=10, seconds=1) == ["z2", "z3"]
    assert since(minutes=10) == ["z3"]
    assert since(minutes=9) == []


def test_status_row_is_readable_when_it_lacks_attributes(aws: Cloud, status: StatusTable) -> None:
    aws.status.put_item(Item={"zip_id": ZIP_ID, "pipeline_state": "NEW_STATE", "meeting_id": 5})
    (row,) = status.of_meeting(5)
    assert (row.state, row.files, row.retry_due, row.failures) == (None, frozenset(), "", 0)
    assert (row.course, row.steps, row.steps_left_out) == ("", (), 0)


def test_write_of_status_returns_the_state_before_and_whether_the_row_had_a_series(
    status: StatusTable,
) -> None:
    def found(state: State, **more: Any) -> tuple[State | None, bool, bool]:
        written = status.write(ZIP_ID, StatusChange(state, subject=SUBJECT, **more))
        assert written is not None
        return written.before, written.is_change, written.had_series

    assert found(State.WEBHOOK_RECEIVED, files=["a"]) == (None, True, False)
    again = (State.WEBHOOK_RECEIVED, False, False)
    assert found(State.WEBHOOK_RECEIVED, files=["a"]) == again
    first = found(State.OC_SERIES_FOUND, oc_series_id="S")
    assert first == (State.WEBHOOK_RECEIVED, True, False)
    assert found(State.DOWNLOADER_FAILED, reason="x") == (State.OC_SERIES_FOUND, True, True)
    second = found(State.OC_SERIES_FOUND, oc_series_id="S")
    assert second == (State.DOWNLOADER_FAILED, True, True)


def test_status_row_keeps_a_step_for_each_allowed_change(status: StatusTable, clock: Clock) -> None:
    status.write(ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT))
    clock.forward(minutes=5)
    status.write(ZIP_ID, StatusChange(State.DOWNLOADER_FAILED, "token=abc " + "x" * 500))
    status.write(ZIP_ID, StatusChange(State.SENT_TO_DOWNLOADER))
    clock.forward(minutes=1)
    status.write(ZIP_ID, StatusChange(State.OC_SERIES_FOUND))
    row = status.get(ZIP_ID)
    assert row
    assert row.steps == (
        Step(state="WEBHOOK_RECEIVED", at="2026-10-14T18:30:00Z"),
        Step(
            state="DOWNLOADER_FAILED",
            at="2026-10-14T18:35:00Z",
            reason=("token=*** " + "x" * 500)[:300],
        ),
        Step(state="OC_SERIES_FOUND", at="2026-10-14T18:36:00Z"),
    )
    assert row.steps_left_out == 0


def test_status_row_keeps_the_first_and_the_last_steps_when_there_are_too_many(
    status: StatusTable, aws: Cloud
) -> None:
    status.write(ZIP_ID, StatusChange(State.OC_SERIES_FOUND, subject=SUBJECT))
    reasons = [f"try {number} " + "\U0001f3a5" * 400 for number in range(1, 46)]
    for text in reasons:
        assert status.write(ZIP_ID, StatusChange(State.DOWNLOADER_FAILED, text))
    row = status.get(ZIP_ID)
    assert row
    assert [step.reason.split(" \U0001f3a5")[0] for step in row.steps] == [
        "",
        *(f"try {number}" for number in range(1, 10)),
        *(f"try {number}" for number in range(16, 46)),
    ]
    assert row.steps_left_out == 46 - 40
    assert (row.state, row.reason) == (State.DOWNLOADER_FAILED, reasons[-1])
    assert len(json.dumps(aws.rows()[ZIP_ID], ensure_ascii=False).encode()) < 100_000
    # Another expression writes a full list of steps, and needs the same condition.
    assert not status.write(ZIP_ID, StatusChange(State.SENT_TO_DOWNLOADER))
    assert status.get(ZIP_ID) == row


def test_status_row_is_read_without_its_malformed_steps(aws: Cloud, status: StatusTable) -> None:
    steps = [{"state": "IGNORED", "at": "2026-10-14T18:30:00Z"}, "x", {"state": 5}, {}]
    aws.status.put_item(Item={"zip_id": ZIP_ID, "pipeline_state": "IGNORED", "steps": steps})
    row = status.get(ZIP_ID)
    assert row
    assert row.steps == (Step(state="IGNORED", at="2026-10-14T18:30:00Z"),)
