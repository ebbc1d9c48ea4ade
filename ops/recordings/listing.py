"""`invoke recordings`: show the ingests of recordings, with the operator's next steps.

The status table keeps rows for seven days after their last change. Times are UTC.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from invoke import Collection, Context

from ingester import timestamps
from ingester.ledger.record import Record, files_of_event, media_package_or_newest
from ingester.ledger.table import Ledger
from ingester.recording.meeting_number import DIGITS, meeting_number_in
from ingester.status.details import editor_of, file_words
from ingester.status.diagnosis import Diagnosis, diagnose_each
from ingester.status.row import StatusRow
from ingester.status.table import STATUS_RETENTION, StatusTable
from ingester.status.verdict import Verdict
from ops import arguments, terminal
from ops.command import command
from ops.printable import printable
from ops.recordings.following import record_of
from ops.recordings.forgetting import forget
from ops.recordings.printing import Listed, show, steps_of
from ops.recordings.resending import now as now_utc
from ops.status_rows import rows_of
from ops.target import existing_target, opencast_address, opencast_patience

DEFAULT_SINCE = "1d"


def find(
    status: StatusTable, *, meeting: int | None, uuid: str, begin: datetime | None, now: datetime
) -> list[StatusRow]:
    """Return the rows with the given meeting and uuid, the newest first.

    None stands for all meetings, and "" for all uuids. The result includes rows from before
    `begin`, because an older row that still waits may decide the verdict on a recording. Rows
    without a known state are left out.
    """
    if uuid:
        rows = rows_of(status, uuid, now)
    elif meeting is not None:
        rows = status.of_meeting(meeting)
    else:
        earliest = now - STATUS_RETENTION
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
    """Return the rows that were updated since `begin`, or all rows if `begin` is None.

    With `failed`, return only rows that failed or are stuck, and that no later ingest supersedes.
    """
    recent = [row for row in rows if begin is None or row.updated >= begin.replace(microsecond=0)]
    return [row for row in recent if diagnoses[row.zip_id].has_failed] if failed else recent


def as_json(row: StatusRow, step: str | None) -> dict[str, Any]:
    """Return a row, and the next `step` to take, as an object for JSON. Unknown values are null."""
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
        "asked_oc_series_id": row.asked.oc_series_id or None,
        "ingest_request_time": row.ingest_request_time or None,
        "last_updated": timestamps.write(row.updated),
        "retry_due": row.retry_due or None,
        "next_step": step,
    }


def say_none_found(*, since: str | None, failed: bool, meeting: int | None, uuid: str) -> None:
    """Print that no recording was found.

    Args:
        since: The period that the operator typed, if any.
        failed: Whether only failures were to be listed.
        meeting: The number of the meeting that the operator named, if any.
        uuid: The uuid that the operator named, or "".
    """
    period = f"in the last {since.strip()}" if since else "in the last seven days"
    names = [f"recording {printable(uuid)}"] if uuid else []
    names += [] if meeting is None else [f"meeting {meeting}"]
    named = " of ".join(names)
    if failed:
        text = f"Nothing{' of ' if named else ''}{named} has failed or got stuck {period}."
    elif not named:
        text = f"No recording changed {period if since else 'in the last day'}."
        text += "" if since else " --since 7d shows all that is kept."
    elif since:
        text = f"Nothing of {named} changed {period}."
    else:
        text = (
            f"Nothing is known of {named}: nothing of it changed {period}, for which rows are "
            f"kept. {_next_look(meeting, uuid)}"
        )
    terminal.say(text)


def _next_look(meeting: int | None, uuid: str) -> str:
    """Return a sentence on what to do about a recording or a meeting without rows."""
    if uuid:
        return (
            f"If Zoom has it, `invoke exec.pipeline {shlex.quote(uuid)}` brings it into Opencast."
        )
    if not meeting_number_in(str(meeting)):
        return f"Zoom's meeting numbers have {DIGITS}."
    return f"`invoke schedule.list --meeting {meeting}` shows whether the schedule has it."


def links_of(record: Record, verdict: Verdict, opencast: str) -> list[str]:
    """Return lines with a recording's files in Opencast and the event's link, if known.

    `opencast` is Opencast's address, or "" if the address isn't set.
    """
    media_package = media_package_or_newest(record, verdict.ingest.zip_id)
    files = files_of_event(record, media_package)
    words = [file_words(file.name, file.seconds, file.size) for file in files]
    lines = [f"Files in Opencast: {', '.join(words)}"] if words else []
    if verdict.is_in_opencast and media_package and opencast:
        lines.append(f"In Opencast's editor: {editor_of(media_package, opencast)}")
    return lines


@command(
    name="list",
    help={
        "meeting": "only the recordings of this Zoom meeting: its number, or the link to join",
        "uuid": "this recording, with every ingest of it: its uuid, or the link to it in Zoom",
        "since": "only what was updated since: a number with s, m, h or d behind it "
        "(1d, unless a meeting or a uuid is given)",
        "failed": "only recordings that failed or got stuck, of all known recordings",
        "json": "print JSON",
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
    """Show where recordings are, and what to do."""
    number = None if meeting is None else arguments.meeting_number(meeting)
    wanted = "" if uuid is None else arguments.recording_uuid(uuid)
    is_open = number is None and not wanted
    # With --failed, no default period applies, because an old failure also needs the operator.
    length = arguments.since(since) if since is not None else None
    if since is None and is_open and not failed:
        length = arguments.since(DEFAULT_SINCE)
    target, now = existing_target(), datetime.now(UTC)
    status = StatusTable(target.table(target.names.status_table), lambda: now)
    begin = now - length if length else None
    with terminal.working("Reading the status table"):
        found = find(status, meeting=number, uuid=wanted, begin=begin, now=now)
    diagnoses = diagnose_each(found, found, now, opencast_patience())
    rows = select(found, diagnoses, begin=begin, failed=failed)
    if json:
        steps = steps_of(found, diagnoses)
        terminal.show_json([as_json(row, steps.get(row.zip_id)) for row in rows])
    elif not rows:
        say_none_found(since=since, failed=failed, meeting=number, uuid=wanted)
    else:
        listed = Listed(rows, found, diagnoses)
        if wanted:
            record = record_of(Ledger(target.table(target.names.recordings_table), now_utc), wanted)
            links = links_of(record, listed.verdicts()[wanted], opencast_address())
            listed = replace(listed, links={wanted: links})
        show(listed)


collection = Collection("recordings", recordings, forget)
