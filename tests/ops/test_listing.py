"""Where recordings are, and what an operator can do next."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk import alarms
from ingester import timestamps
from ingester.pipeline import reasons
from ingester.pipeline.states import FAILED, Origin, State
from ingester.recording.files import Subject
from ingester.status.next_step import (
    DOWNLOAD_WAIT,
    PATIENCE,
    UPLOAD_MARGIN,
    failed_or_stopped,
    needs_a_person,
    next_step,
)
from ingester.status.row import Asked, StatusRow
from ingester.status.table import Requested, StatusTable
from ops.recordings import listing as recordings
from tests.cloud import REGION, Clock, Cloud
from tests.command_line import invoke

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


def row(state: State, reason: str = "", *, minutes: float = 0, **more: object) -> StatusRow:
    fields = {
        "zip_id": "auto-ingest-u==",
        "meeting_id": 86168921331,
        "recording_id": "u==",
        "origin": str(Origin.WEBHOOK),
        "files": frozenset({"file"}),
        **more,
    }
    updated = NOW - timedelta(minutes=minutes)
    return StatusRow(state=state, reason=reason, updated=updated, **fields)  # type: ignore[arg-type]


STEPS = [
    (
        row(State.UPLOADER_FAILED, "gone", files=frozenset()),
        "Taken over from another stack, whose queues have its message",
    ),
    (row(State.SENT_TO_OPENCAST, files=frozenset()), ""),
    (
        row(State.DOWNLOADER_FAILED, "retryable", retry_due="2026-10-14T18:45:00Z"),
        "Tries again by itself at 2026-10-14T18:45:00Z.",
    ),
    (
        row(State.DOWNLOADER_FAILED, "retryable", retry_due="2026-10-14T17:45:00Z"),
        "Tries again by itself when its turn comes, due since 2026-10-14T17:45:00Z.",
    ),
    (
        row(State.DOWNLOADER_FAILED, "retryable", retry_due="2026-10-14T16:25:00Z"),
        "Was due again at 2026-10-14T16:25:00Z: `invoke queue.downloads`",
    ),
    (
        row(State.UPLOADER_FAILED, "x", retry_due="2026-10-14T10:25:00Z"),
        "Was due again at 2026-10-14T10:25:00Z: `invoke queue.uploads`",
    ),
    (
        row(State.DOWNLOADER_FAILED, "permanent failure: no files"),
        "`invoke queue.retry-downloads --uuid u==` once the cause is mended; `invoke logs.rec",
    ),
    (
        row(State.UPLOADER_FAILED, "Unable to reach Opencast."),
        "`invoke queue.retry-uploads --uuid u==` once the cause is mended",
    ),
    (
        row(State.UPLOADER_FAILED, "Invalid Opencast series id."),
        "Another series: `invoke exec.pipeline u== --oc-series-id SERIES`; or, once",
    ),
    (
        row(State.UPLOADER_FAILED, f"{reasons.FILES_GONE} (k): x"),
        "`invoke exec.webhook u==` fetches its files anew, while Zoom has them; `invoke logs.rec",
    ),
    (
        row(State.UPLOADER_FAILED, f"{reasons.FILES_REPLACED} (k)", origin=str(Origin.ON_DEMAND)),
        "`invoke exec.on-demand u==` fetches its files anew",
    ),
    (row(State.WEBHOOK_FAILED, "Bad webhook data"), "`invoke exec.webhook u==` asks for it again"),
    (
        row(State.WEBHOOK_FAILED, "x", asked=Asked(oc_series_id="S 1", oc_workflow="w")),
        "`invoke exec.webhook u== --oc-series-id 'S 1'` asks for it again",
    ),
    (
        row(State.WEBHOOK_FAILED, "x", origin=str(Origin.ON_DEMAND)),
        "`invoke exec.on-demand u==` asks for it again",
    ),
    (
        row(State.IGNORED, "No opencast series match"),
        "With its class in the schedule: `invoke exec.pipeline u==`; without: `invoke exec.pipe",
    ),
    (row(State.SENT_TO_DOWNLOADER, minutes=150), "Nothing has happened since 2026-10-14T16:00:00Z"),
    (row(State.UPLOADER_RECEIVED, minutes=90), "Nothing has happened since"),
    (row(State.WEBHOOK_RECEIVED, minutes=90), "Never came onto the queue: `invoke exec.webhook"),
    (row(State.RECORDING_PROCESSING, minutes=2000), "Zoom never said that it is completed"),
]


@pytest.mark.parametrize(("known", "sentence"), STEPS)
def test_the_next_step(known: StatusRow, sentence: str) -> None:
    assert next_step(known, NOW).startswith(sentence)


@pytest.mark.parametrize(
    "known",
    [
        row(State.SENT_TO_OPENCAST, minutes=9000),
        row(State.IGNORED, "Already in opencast", minutes=9000),
        row(State.SENT_TO_DOWNLOADER, minutes=5),
        row(State.OC_SERIES_FOUND, minutes=20),
        row(State.RECORDING_IN_PROGRESS, minutes=200),
        row(State.UPLOADER_RECEIVED, "asks again at 2026-10-14T18:40:00Z", minutes=1),
    ],
)
def test_nothing_is_to_do_for_what_is_well(known: StatusRow) -> None:
    assert next_step(known, NOW) == ""
    assert not failed_or_stopped(known, NOW)


@pytest.mark.parametrize(
    ("state", "reason", "hours"),
    [
        (State.SENT_TO_DOWNLOADER, "", 2),
        # Handed over to the next invocation, it waits for its turn again.
        (State.OC_SERIES_FOUND, "620 of 900 MB are copied", 2),
        (State.OC_SERIES_FOUND, "", 1),
        (State.SENT_TO_UPLOADER, "", 8),
        (State.UPLOADER_RECEIVED, "", 1),
        # So does what Opencast is asked about once more.
        (State.UPLOADER_RECEIVED, "not there yet; asks again at 2026-10-14T17:34:00Z", 8),
    ],
)
def test_what_waits_for_its_turn_needs_nobody(state: State, reason: str, hours: int) -> None:
    assert not failed_or_stopped(row(state, reason, minutes=60 * hours - 1), NOW)
    assert failed_or_stopped(row(state, reason, minutes=60 * hours + 1), NOW)


@pytest.mark.parametrize(
    ("state", "hours"), [(State.DOWNLOADER_FAILED, 2), (State.UPLOADER_FAILED, 8)]
)
def test_a_next_try_waits_for_its_turn_too(state: State, hours: int) -> None:
    due = timestamps.write(NOW - timedelta(hours=hours))
    failed = row(state, "x", minutes=60 * hours + 9, retry_due=due)
    later = NOW + timedelta(minutes=1)
    assert not needs_a_person(failed, NOW)
    assert needs_a_person(failed, later)
    # Who waits longer for Opencast lets uploads wait longer for their turn.
    longer = PATIENCE + timedelta(hours=1)
    assert needs_a_person(failed, later, longer) is (state is State.DOWNLOADER_FAILED)


def test_who_waits_longer_for_opencast_waits_longer_for_its_turn() -> None:
    waiting = row(State.SENT_TO_UPLOADER, minutes=60 * 25)
    patience = timedelta(hours=24)
    assert (failed_or_stopped(waiting, NOW), failed_or_stopped(waiting, NOW, patience)) == (
        True,
        False,
    )
    assert next_step(waiting, NOW)
    assert next_step(waiting, NOW, patience) == ""


def test_the_alarms_ring_for_the_same_waits() -> None:
    assert timedelta(hours=alarms.DOWNLOAD_AGE_HOURS) == DOWNLOAD_WAIT
    assert timedelta(hours=alarms.UPLOAD_AGE_MARGIN_HOURS) == UPLOAD_MARGIN


@pytest.mark.parametrize("state", sorted(FAILED))
def test_a_command_to_copy_runs_nothing_of_a_strangers(state: State) -> None:
    step = next_step(row(state, recording_id="$(id)"), NOW)
    assert "'$(id)'" in step
    assert step.count("$(id)") == step.count("'$(id)'")


@given(st.sampled_from(State), st.text(), st.floats(0, 20_000), st.text())
def test_what_failed_or_stopped_has_a_step(
    state: State, reason: str, minutes: float, due: str
) -> None:
    known = row(state, reason, minutes=minutes, retry_due=due)
    if failed_or_stopped(known, NOW):
        assert next_step(known, NOW).endswith(".")
    assert failed_or_stopped(known, NOW) or state not in FAILED
    json.dumps(recordings.as_json(known, next_step(known, NOW)))


@pytest.fixture
def status(aws: Cloud, clock: Clock) -> StatusTable:
    table = StatusTable(aws.status, clock)

    def write(zip_id: str, meeting: int, uuid: str, origin: Origin, topic: str = "T") -> None:
        subject = Subject(
            meeting_id=meeting,
            recording_id=uuid,
            topic=topic,
            start_time="2026-10-14T12:00:00Z",
            origin=origin,
        )
        state = State.ON_DEMAND_RECEIVED if origin == Origin.ON_DEMAND else State.WEBHOOK_RECEIVED
        table.write(zip_id, state, subject=subject, requested=Requested.NOW, files=("file",))
        clock.forward(hours=12)

    write("auto-ingest-a==", 1, "a==", Origin.WEBHOOK, "\x1b[2Jhidden")
    write("on-demand-1", 1, "a==", Origin.ON_DEMAND)
    write("auto-ingest-b==", 1, "b==", Origin.WEBHOOK)
    write("on-demand-2", 2, "c==", Origin.ON_DEMAND)
    table.write("auto-ingest-b==", State.DOWNLOADER_FAILED, "permanent failure: gone")
    return table


def found(
    status: StatusTable,
    clock: Clock,
    meeting: int | None = None,
    uuid: str = "",
    hours: float | None = None,
) -> list[str]:
    now = clock()
    begin = now - timedelta(hours=hours) if hours is not None else None
    rows = recordings.find(status, meeting=meeting, uuid=uuid, begin=begin, now=now)
    listed = recordings.listed(rows, now, PATIENCE, begin=begin, failed=False)
    return [one.zip_id for one in listed]


def test_which_recordings(status: StatusTable, clock: Clock) -> None:
    everything = ["auto-ingest-b==", "on-demand-2", "on-demand-1", "auto-ingest-a=="]
    assert found(status, clock) == everything
    assert found(status, clock, hours=12) == everything[:2]
    assert found(status, clock, meeting=1) == ["auto-ingest-b==", "on-demand-1", "auto-ingest-a=="]
    assert found(status, clock, meeting=1, hours=12) == ["auto-ingest-b=="]
    assert found(status, clock, uuid="a==") == ["on-demand-1", "auto-ingest-a=="]
    assert found(status, clock, uuid="c==") == ["on-demand-2"]
    assert found(status, clock, uuid="c==", meeting=1) == []
    assert found(status, clock, uuid="nobody") == []


def test_a_row_without_a_state_is_no_recording(
    aws: Cloud, status: StatusTable, clock: Clock
) -> None:
    aws.status.put_item(Item={"zip_id": "auto-ingest-d==", "expiration": 1})
    assert found(status, clock, uuid="d==") == []


def test_the_table_and_what_to_do(
    status: StatusTable, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = recordings.find(status, meeting=1, uuid="", begin=None, now=clock())
    recordings.show(rows, recordings.steps_of(rows, clock(), PATIENCE))
    printed = capsys.readouterr().out
    assert "\\x1b[2Jhidden" in printed
    assert "+Zoom" in printed
    assert "permanent failure: gone" in printed
    assert "  1 b== (automated): `invoke queue.retry-downloads --uuid b==` once" in printed
    recordings.show([], {})
    assert capsys.readouterr().out.startswith("No such recording is known.")


def test_a_terminal_gets_two_lines_a_recording() -> None:
    known = row(State.IGNORED, "No opencast series match", topic="A topic")
    columns = recordings.stacked_columns()
    cells = recordings.stacked(known)
    assert len(columns) == len(cells)
    assert [cell.split("\n") for cell in cells][:3] == [
        ["u==", "86168921331"],
        ["A topic", "-"],
        ["IGNORED", "No opencast series match"],
    ]
    assert sorted(line for cell in cells for line in cell.split("\n")) == sorted(
        recordings.cells(known)
    )


def test_what_a_later_request_brought_in_is_no_failure_any_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = row(State.UPLOADER_FAILED, "x", minutes=90, ingest_request_time="2026-10-14T16:00:00Z")
    later = row(
        State.SENT_TO_OPENCAST,
        zip_id="on-demand-1",
        oc_series_id="S",
        ingest_request_time="2026-10-14T17:30:00Z",
    )
    steps = recordings.steps_of([failed, later], NOW, PATIENCE)
    recordings.show([failed, later], steps)
    said = "Nothing: a later request brought it into Opencast, series S."
    assert said in capsys.readouterr().out
    assert recordings.as_json(failed, steps["auto-ingest-u=="])["next_step"] == said


# The command


@pytest.fixture
def began(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StatusTable]:
    """Writes an ingest of a recording, asked for so many hours ago; the table, then."""
    monkeypatch.setenv("STACK_NAME", "test")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("LAMBDA_CODE_BUCKET", "code")
    topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    boto3.client("cloudformation", REGION).create_stack(
        StackName="test", TemplateBody=json.dumps(topic)
    )

    def begin(zip_id: str, uuid: str, hours: float) -> StatusTable:
        table = StatusTable(aws.status, Clock(datetime.now(UTC) - timedelta(hours=hours)))
        subject = Subject(
            meeting_id=1,
            recording_id=uuid,
            topic="T",
            start_time="2026-10-14T12:00:00Z",
            origin=Origin.ON_DEMAND,
        )
        table.write(
            zip_id,
            State.WEBHOOK_RECEIVED,
            subject=subject,
            requested=Requested.NOW,
            files=("file",),
        )
        return table

    return begin


def told(*options: str) -> dict[str, str | None]:
    done = invoke("recordings", "--json", *options)
    assert done.code == 0, done.err
    return {one["zip_id"]: one["next_step"] for one in json.loads(done.out)}


def test_what_failed_is_told_but_not_what_was_done_later(
    began: Callable[..., StatusTable],
) -> None:
    for uuid in ("gone", "settled", "awaited"):
        failed = began(f"auto-ingest-{uuid}", uuid, 5)
        failed.write(f"auto-ingest-{uuid}", State.DOWNLOADER_FAILED, "permanent failure: x")
    began("on-demand-1", "settled", 4).write("on-demand-1", State.SENT_TO_OPENCAST)
    # It waits for longer than --since looks back.
    began("on-demand-2", "awaited", 3).write("on-demand-2", State.SENT_TO_UPLOADER)
    began("auto-ingest-awaited", "awaited", 0).write(
        "auto-ingest-awaited", State.DOWNLOADER_FAILED, "permanent failure: x"
    )
    steps = told("--failed")
    assert steps.keys() == {"auto-ingest-gone", "auto-ingest-awaited"}
    assert str(steps["auto-ingest-gone"]).startswith("`invoke queue.retry-downloads")
    waits = "Wait: another request for it is on its way to Opencast."
    assert steps["auto-ingest-awaited"] == waits
    assert told("--since", "1h") == {"auto-ingest-awaited": waits}
    assert told().keys() == {*steps, "auto-ingest-settled", "on-demand-1", "on-demand-2"}
