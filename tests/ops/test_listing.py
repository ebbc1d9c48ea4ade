"""Tests of `invoke recordings`: the selection of rows, the texts, and the next steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ingester.pipeline.states import Origin, State
from ingester.status.diagnosis import PATIENCE, diagnose_each
from ingester.status.row import StatusRow
from ingester.status.table import Requested, StatusChange, StatusTable
from ops.recordings import listing as recordings
from tests.cloud import Clock, Cloud
from tests.command_line import invoke
from tests.ops.queue_harness import subject_of

KEPT = "nothing of it changed in the last seven days, for which rows are kept."
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


@pytest.fixture
def status(aws: Cloud, clock: Clock) -> StatusTable:
    table = StatusTable(aws.status, clock)

    def write(zip_id: str, meeting: int, uuid: str, origin: Origin, topic: str = "T") -> None:
        subject = subject_of(uuid, meeting, origin, topic)
        state = State.ON_DEMAND_RECEIVED if origin == Origin.ON_DEMAND else State.WEBHOOK_RECEIVED
        table.write(
            zip_id, StatusChange(state, subject=subject, requested=Requested.NOW, files=("file",))
        )
        clock.forward(hours=12)

    write("auto-ingest-a==", 1, "a==", Origin.WEBHOOK, "\x1b[2Jhidden")
    write("on-demand-1", 1, "a==", Origin.ON_DEMAND)
    write("auto-ingest-b==", 1, "b==", Origin.WEBHOOK)
    write("on-demand-2", 2, "c==", Origin.ON_DEMAND)
    table.write("auto-ingest-b==", StatusChange(State.DOWNLOADER_FAILED, "permanent failure: gone"))
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
    diagnoses = diagnose_each(rows, rows, now, PATIENCE)
    listed = recordings.select(rows, diagnoses, begin=begin, failed=False)
    return [row.zip_id for row in listed]


def test_rows_of_recordings_are_found_by_time_by_uuid_and_by_meeting(
    status: StatusTable, clock: Clock
) -> None:
    everything = ["auto-ingest-b==", "on-demand-2", "on-demand-1", "auto-ingest-a=="]
    assert found(status, clock) == everything
    assert found(status, clock, hours=12) == everything[:2]
    assert found(status, clock, meeting=1) == ["auto-ingest-b==", "on-demand-1", "auto-ingest-a=="]
    assert found(status, clock, meeting=1, hours=12) == ["auto-ingest-b=="]
    assert found(status, clock, uuid="a==") == ["on-demand-1", "auto-ingest-a=="]
    assert found(status, clock, uuid="c==") == ["on-demand-2"]
    assert found(status, clock, uuid="c==", meeting=1) == []
    assert found(status, clock, uuid="nobody") == []


def test_a_status_row_without_a_state_is_not_found(
    aws: Cloud, status: StatusTable, clock: Clock
) -> None:
    aws.status.put_item(Item={"zip_id": "auto-ingest-d==", "expiration": 1})
    assert found(status, clock, uuid="d==") == []


@pytest.fixture
def begin_ingest(aws: Cloud) -> Callable[..., StatusTable]:
    """Return a function that writes the row of an ingest which began `hours` hours ago.

    The function returns the status table, whose clock stands at that time.
    """

    def begin(zip_id: str, uuid: str, hours: float) -> StatusTable:
        table = StatusTable(aws.status, Clock(datetime.now(UTC) - timedelta(hours=hours)))
        subject = subject_of(uuid, 1, Origin.ON_DEMAND)
        table.write(
            zip_id,
            StatusChange(
                State.WEBHOOK_RECEIVED, subject=subject, requested=Requested.NOW, files=("file",)
            ),
        )
        return table

    return begin


@pytest.mark.usefixtures("shell_of_stack", "aws")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--failed"], "Nothing has failed or got stuck in the last seven days."),
        (["--failed", "--since", "2h"], "Nothing has failed or got stuck in the last 2h."),
        ([], "No recording changed in the last day. --since 7d shows all that is kept."),
        (["--since", "3d"], "No recording changed in the last 3d."),
        (
            ["--uuid", "u=="],
            (
                f"Nothing is known of recording u==: {KEPT} If Zoom has it, `invoke exec.pipeline "
                "u==` brings it into Opencast."
            ),
        ),
        (
            ["--meeting", "99912345678"],
            (
                f"Nothing is known of meeting 99912345678: {KEPT} `invoke schedule.list --meeting "
                "99912345678` shows whether the schedule has it."
            ),
        ),
        (
            ["--meeting", "12345"],
            (
                f"Nothing is known of meeting 12345: {KEPT} Zoom's meeting numbers have 9 to 11 "
                "digits."
            ),
        ),
        (
            ["--meeting", "12345", "--uuid", "u==", "--since", "2h"],
            "Nothing of recording u== of meeting 12345 changed in the last 2h.",
        ),
        (
            ["--meeting", "12345", "--failed"],
            "Nothing of meeting 12345 has failed or got stuck in the last seven days.",
        ),
    ],
)
def test_invoke_recordings_says_what_it_searched_when_it_finds_nothing(
    options: list[str], said: str
) -> None:
    done = invoke("recordings", *options)
    assert (done.code, done.out.strip()) == (0, said)


def next_steps(*options: str) -> dict[str, str | None]:
    done = invoke("recordings", "--json", *options)
    assert done.code == 0, done.err
    return {row["zip_id"]: row["next_step"] for row in json.loads(done.out)}


@pytest.mark.usefixtures("shell_of_stack")
def test_invoke_recordings_with_the_option_failed_lists_open_failures_with_their_next_steps(
    begin_ingest: Callable[..., StatusTable],
) -> None:
    for uuid in ("gone", "settled", "awaited"):
        failed = begin_ingest(f"auto-ingest-{uuid}", uuid, 5)
        failed.write(
            f"auto-ingest-{uuid}", StatusChange(State.DOWNLOADER_FAILED, "permanent failure: x")
        )
    begin_ingest("on-demand-1", "settled", 4).write(
        "on-demand-1", StatusChange(State.SENT_TO_OPENCAST)
    )
    # This ingest has waited for longer than the period of --since.
    begin_ingest("on-demand-2", "awaited", 3).write(
        "on-demand-2", StatusChange(State.SENT_TO_UPLOADER)
    )
    begin_ingest("auto-ingest-awaited", "awaited", 0).write(
        "auto-ingest-awaited", StatusChange(State.DOWNLOADER_FAILED, "permanent failure: x")
    )
    steps = next_steps("--failed")
    assert steps.keys() == {"auto-ingest-gone", "auto-ingest-awaited"}
    assert str(steps["auto-ingest-gone"]).startswith("`invoke queue.retry-downloads")
    waits = "Wait: another request for it is on its way to Opencast."
    assert steps["auto-ingest-awaited"] == waits
    assert next_steps("--since", "1h") == {"auto-ingest-awaited": waits}
    assert next_steps().keys() == {*steps, "auto-ingest-settled", "on-demand-1", "on-demand-2"}


@pytest.mark.usefixtures("shell_of_stack")
def test_a_request_without_a_series_needs_no_step_when_the_recording_is_in_opencast(
    begin_ingest: Callable[..., StatusTable],
) -> None:
    begin_ingest("auto-ingest-u", "u", 5).write(
        "auto-ingest-u", StatusChange(State.SENT_TO_OPENCAST)
    )
    begin_ingest("on-demand-1", "u", 2).write(
        "on-demand-1", StatusChange(State.IGNORED, "No opencast series match")
    )
    said = "Nothing to do: the recording is in Opencast already."
    assert next_steps("--uuid", "u") == {"auto-ingest-u": None, "on-demand-1": said}
