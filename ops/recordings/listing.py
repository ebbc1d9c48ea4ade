"""`invoke recordings`: show where recordings are, and what can be done about failed ones.

The rows of the status table live seven days after their last change. Times are UTC.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from invoke import Collection, Context
from rich.table import Column

from ingester import timestamps
from ingester.pipeline.states import Origin
from ingester.status.advice import phrases
from ingester.status.diagnosis import Diagnosis, diagnose_each
from ingester.status.row import StatusRow
from ingester.status.table import STATUS_LIFE, StatusTable
from ingester.status.words import reason_with_code, state_with_code
from ops import terminal
from ops.command import command
from ops.printable import printable, table_time
from ops.recordings import arguments
from ops.recordings.forgetting import forget
from ops.recordings.status_rows import rows_of
from ops.target import existing_target, opencast_patience

DEFAULT_SINCE = "1d"
KINDS = {Origin.WEBHOOK: "automated", Origin.ON_DEMAND: "+Zoom"}
COLUMNS = (
    "meeting",
    "topic",
    "recorded (UTC)",
    "kind",
    "state",
    "reason",
    "series",
    "requested",
    "updated",
    "uuid",
)


def find(
    status: StatusTable, *, meeting: int | None, uuid: str, begin: datetime | None, now: datetime
) -> list[StatusRow]:
    """Return the rows of a meeting, of a recording, or all, the newest first.

    They go back beyond `begin`, as far as the table surely holds rows: a row that has waited for
    longer may say what became of a recording.
    """
    if uuid:
        rows = rows_of(status, uuid, now)
    elif meeting is not None:
        rows = status.of_meeting(meeting)
    else:
        earliest = now - STATUS_LIFE
        rows = status.updated_since(min(begin, earliest) if begin else earliest)
    chosen = [row for row in rows if row.state and meeting in (None, row.meeting_id)]
    return sorted(chosen, key=lambda row: (row.updated, row.zip_id), reverse=True)


def select(
    rows: Sequence[StatusRow],
    diagnoses: Mapping[str, Diagnosis],
    *,
    begin: datetime | None,
    failed: bool,
) -> list[StatusRow]:
    """Return the rows to show: those updated since `begin`, or all.

    With `failed` only those that failed or are stuck, and that no later ingest has superseded.
    """
    recent = [row for row in rows if begin is None or row.updated >= begin.replace(microsecond=0)]
    return [row for row in recent if diagnoses[row.zip_id].has_failed] if failed else recent


def kind(row: StatusRow) -> str:
    """Return who requested the ingest, in words."""
    return next((word for origin, word in KINDS.items() if row.origin == origin), "-")


def steps_of(rows: Sequence[StatusRow], diagnoses: Mapping[str, Diagnosis]) -> dict[str, str]:
    """Return what an operator can do about each ingest that needs anything, by zip id."""
    said = {row.zip_id: phrases(row, diagnoses[row.zip_id]).operator for row in rows}
    return {zip_id: step for zip_id, step in said.items() if step}


def as_json(row: StatusRow, step: str | None) -> dict[str, Any]:
    """Return a row for other programs; unknown values are null."""
    return {
        "uuid": row.recording_id or None,
        "zip_id": row.zip_id,
        "meeting_id": row.meeting_id or None,
        "topic": row.topic or None,
        "start_time": row.start_time or None,
        "origin": row.origin or None,
        "state": row.state,
        "reason": row.reason or None,
        "oc_series_id": row.oc_series_id or None,
        "ingest_request_time": row.ingest_request_time or None,
        "last_updated": timestamps.write(row.updated),
        "retry_due": row.retry_due or None,
        "next_step": step,
    }


def short_time(wire: str) -> str:
    """Return a timestamp for a table: without `T`, seconds and `Z`."""
    return printable(wire[:16].replace("T", " ")) or "-"


def cells(row: StatusRow) -> tuple[str, ...]:
    """Return a row of the table."""
    return (
        str(row.meeting_id or "-"),
        printable(row.topic) or "-",
        short_time(row.start_time),
        kind(row),
        state_with_code(row.state),
        printable(reason_with_code(row)) or "-",
        printable(row.oc_series_id) or "-",
        short_time(row.ingest_request_time),
        table_time(row.updated),
        printable(row.recording_id) or "-",
    )


def stacked_columns() -> list[Column]:
    """Return the columns for a terminal: two lines a recording, so that a uuid fits."""
    return [
        Column("uuid\nmeeting", no_wrap=True),
        Column("topic\nrecorded (UTC)", overflow="fold"),
        Column("state\nreason", overflow="fold"),
        Column("kind\nseries", overflow="fold"),
        Column("updated\nrequested", no_wrap=True),
    ]


def stacked(row: StatusRow) -> tuple[str, ...]:
    """Return a row for `stacked_columns`."""
    meeting, topic, recorded, kind, state, reason, series, requested, updated, uuid = cells(row)
    pairs = ((uuid, meeting), (topic, recorded), (state, reason), (kind, series))
    return tuple("\n".join(pair) for pair in (*pairs, (updated, requested)))


def show(rows: Sequence[StatusRow], steps: Mapping[str, str], *, failed: bool = False) -> None:
    """Print rows as a table, and below it what to do. `failed`: only failures were wanted."""
    if not rows:
        nothing = "Nothing has failed or got stuck" if failed else "No such recording is known"
        terminal.say(
            f"{nothing}. (Without --since that is of the last day, unless a meeting or a uuid is "
            "named or --failed; rows live seven days after their last change.)"
        )
        return
    if sys.stdout.isatty():
        terminal.show("Recordings", stacked_columns(), [stacked(row) for row in rows])
    else:
        terminal.show("Recordings", COLUMNS, [cells(row) for row in rows])
    lines = [
        f"{row.meeting_id} {row.recording_id} ({kind(row)}): {steps[row.zip_id]}"
        for row in rows
        if row.zip_id in steps
    ]
    if lines:
        terminal.say("What to do next:")
    for line in lines:
        terminal.say(f"  {printable(line)}")


@command(
    name="list",
    help={
        "meeting": "those of this Zoom meeting, by its number",
        "uuid": "this recording, with every ingest of it",
        "since": "only what was updated since: a number with s, m, h or d behind it "
        "(1d, unless a meeting or a uuid is given)",
        "failed": "only those that failed or stopped on their way, of all that is known",
        "json": "for other programs",
    },
)
def recordings(
    _context: Context,
    meeting: str | None = None,
    uuid: str | None = None,
    since: str | None = None,
    failed: bool = False,
    json: bool = False,
) -> None:
    """Show where recordings are, what failed ones need."""
    number = None if meeting is None else arguments.meeting_number(meeting)
    wanted = "" if uuid is None else arguments.recording_uuid(uuid)
    is_open = number is None and not wanted
    # Failed and stuck ingests are listed for as long as the table has them.
    length = arguments.since(since) if since is not None else None
    if since is None and is_open and not failed:
        length = arguments.since(DEFAULT_SINCE)
    target, now = existing_target(), datetime.now(UTC)
    status = StatusTable(target.table(target.names.status_table), lambda: now)
    begin = now - length if length else None
    found = find(status, meeting=number, uuid=wanted, begin=begin, now=now)
    diagnoses = diagnose_each(found, found, now, opencast_patience())
    steps = steps_of(found, diagnoses)
    rows = select(found, diagnoses, begin=begin, failed=failed)
    if json:
        terminal.show_json([as_json(row, steps.get(row.zip_id)) for row in rows])
    else:
        show(rows, steps, failed=failed)


collection = Collection("recordings", recordings, forget)
