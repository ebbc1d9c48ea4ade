"""The steps that a status row keeps, over an in-process DynamoDB."""

from __future__ import annotations

import json

import pytest

from ingester.neighbours.status_table import StatusTable
from ingester.rules.recording import Subject
from ingester.rules.states import Origin, State
from ingester.rules.status_row import Step
from tests.cloud import Clock, Cloud

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


def test_a_row_keeps_the_way_that_it_came(status: StatusTable, clock: Clock) -> None:
    status.write(ZIP_ID, State.WEBHOOK_RECEIVED, subject=SUBJECT)
    clock.forward(minutes=5)
    status.write(ZIP_ID, State.DOWNLOADER_FAILED, "token=abc " + "x" * 500)
    status.write(ZIP_ID, State.SENT_TO_DOWNLOADER)
    clock.forward(minutes=1)
    status.write(ZIP_ID, State.OC_SERIES_FOUND)
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


def test_of_a_long_way_the_beginning_and_the_end_are_kept(status: StatusTable, aws: Cloud) -> None:
    status.write(ZIP_ID, State.OC_SERIES_FOUND, subject=SUBJECT)
    reasons = [f"try {number} " + "\U0001f3a5" * 400 for number in range(1, 300)]
    for text in reasons:
        assert status.write(ZIP_ID, State.DOWNLOADER_FAILED, text)
    row = status.get(ZIP_ID)
    assert row
    assert [step.reason.split(" \U0001f3a5")[0] for step in row.steps] == [
        "",
        *(f"try {number}" for number in range(1, 10)),
        *(f"try {number}" for number in range(270, 300)),
    ]
    assert row.steps_left_out == 300 - 40
    assert (row.state, row.reason) == (State.DOWNLOADER_FAILED, reasons[-1])
    assert len(json.dumps(aws.rows()[ZIP_ID], ensure_ascii=False).encode()) < 100_000
    # What isn't allowed is dropped from a full list too.
    assert not status.write(ZIP_ID, State.SENT_TO_DOWNLOADER)
    assert status.get(ZIP_ID) == row


def test_a_step_that_makes_no_sense_is_passed_over(aws: Cloud, status: StatusTable) -> None:
    steps = [{"state": "IGNORED", "at": "2026-10-14T18:30:00Z"}, "x", {"state": 5}, {}]
    aws.status.put_item(Item={"zip_id": ZIP_ID, "pipeline_state": "IGNORED", "steps": steps})
    row = status.get(ZIP_ID)
    assert row
    assert row.steps == (Step(state="IGNORED", at="2026-10-14T18:30:00Z"),)
