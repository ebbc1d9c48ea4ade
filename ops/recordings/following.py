"""Follow an ingest: first by its row in the status table, then in Opencast."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingester import timestamps
from ingester.errors import LedgerUnreadable
from ingester.ledger.record import IngestRecord, Record
from ingester.ledger.table import Ledger
from ingester.pipeline.states import FOLLOWED, IN_OPENCAST, State
from ingester.status.advice import phrases
from ingester.status.diagnosis import PATIENCE, diagnose, has_ended
from ingester.status.row import StatusRow
from ingester.status.words import (
    reason_with_code,
    state_with_code,
    state_words,
    without_next_attempt,
)
from ops.command import OpsError, error_line
from ops.logs.lines import Line
from ops.printable import printable

POLL_SECONDS = 2.0

COPYING = "Copying"
"""Message of the downloader's log records on the progress of a copy (`transfer/engine.py`)."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds between two polls of an ingest in Opencast: at first, and at most."""


def lines(row: StatusRow) -> list[str]:
    """Return the lines to print after a change of a row. Times are UTC."""
    reason = printable(without_next_attempt(row))
    about = f"{timestamps.write(row.updated)}  {state_with_code(row.state):<41}  {reason}".rstrip()
    if row.retry_due and not has_ended(row):
        return [about, f"{'':<22}tries again at {row.retry_due}"]
    return [about]


def follow(
    read: Callable[[], StatusRow | None],
    uuid: str,
    say: Callable[[str], None],
    sleep: Callable[[float], None],
    show: Callable[[StatusRow], None] = lambda _row: None,
) -> StatusRow:
    """Print each change of a row until the row's ingest ends, and return the last row.

    `say` prints a line. `read` returns the row. The first result of `read` has to belong to the
    followed request, not to an earlier request. `show` gets each row but the last, to show
    progress.

    Raises:
        OpsError: The row can't be read or is gone.
    """
    said: list[str] = []
    while True:
        row = _read_row(read, uuid)
        found = lines(row)
        if found != said:
            for line in found if found[:1] != said[:1] else found[1:]:
                say(line)
            said = found
        if has_ended(row):
            return row
        show(row)
        sleep(POLL_SECONDS)


def progress(row: StatusRow, lines: Iterable[Line]) -> str:
    """Return the words for a row's state, with the progress of a copy if files are being copied.

    `lines` are the lines of the downloader's log about the row. The last line about a copy counts.
    """
    records = [line.record for line in lines if line.record]
    copying = [record for record in records if record.get("message") == COPYING]
    words = state_words(row.state)
    if row.state is not State.OC_SERIES_FOUND or not copying:
        return words
    copied, total, speed = (
        _number(copying[-1], name) for name in ("bytes", "total_bytes", "megabytes_per_second")
    )
    text = f"{words}: {copied / 1e6:,.0f} of {total / 1e6:,.0f} MB, {speed:,.0f} MB/s"
    return f"{text}, {(total - copied) / 1e6 / speed:,.0f} s left" if speed else text


def _number(record: Mapping[str, Any], name: str) -> float:
    value = record.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def follow_in_opencast(
    read: Callable[[], StatusRow | None],
    ask: Callable[[], Mapping[str, Any]],
    uuid: str,
    say: Callable[[str], None],
    sleep: Callable[[float], None],
) -> StatusRow:
    """Follow an ingest in Opencast until the ingest is published, or the stack stops following.

    `ask` calls the Lambda function `zoom-follow` and returns the function's answer. `say` gets
    problems, and the lines about a row in a final state. Return the last row.

    Raises:
        OpsError: The row can't be read or is gone, or the ingest failed or was deleted in Opencast.
    """
    pause, told = FIRST_PAUSE, ""
    while True:
        answer = ask()
        problem = str(answer.get("message") or "")
        if problem and problem != told:
            say(f"Opencast can't be asked now: {printable(problem)}")
        told = problem
        row = _read_row(read, uuid)
        if row.state in FOLLOWED:
            for line in lines(row):
                say(line)
            if row.state is State.PUBLISHED:
                return row
            step = phrases(row, diagnose(row, (), datetime.now(UTC), PATIENCE)).operator
            raise OpsError(f"{printable(row.reason)} {step}".strip())
        if not answer.get("asked"):
            # The Lambda function didn't ask Opencast, because the ingest isn't followed any more.
            return row
        sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE)


def _read_row(read: Callable[[], StatusRow | None], uuid: str) -> StatusRow:
    try:
        row = read()
    except (BotoCoreError, ClientError) as error:
        raise OpsError(
            f"The recording continues automatically, but can't be followed: {error_line(error)} "
            f"Later: `{recordings_command(uuid)}`."
        ) from error
    if row is None:
        raise OpsError(f"{uuid} has no row in the status table any more: was it deleted?")
    return row


def is_followed(row: StatusRow, record: Record) -> bool:
    """Return whether the stack follows, or has followed, the row's ingest in Opencast."""
    ingest = record.ingests.get(record.media_package_of(row.zip_id))
    return ingest is not None and ingest.following is not None


def record_of(ledger: Ledger, uuid: str) -> Record:
    """Return the ledger's record of a recording, or an empty record if reading fails."""
    try:
        return ledger.get(uuid)
    except (BotoCoreError, ClientError, LedgerUnreadable):
        return Record(uuid=uuid)


def is_earlier(row: StatusRow, ingest: IngestRecord) -> bool:
    """Return whether an ingest was posted before the row's request."""
    return bool(row.ingest_request_time) and ingest.posted_at < row.ingest_request_time


def outcome(row: StatusRow, now: datetime, record: Record) -> str:
    """Return the sentence about a recording that is in Opencast.

    `record` is the ledger's record, which names the ingest of the row's request.

    Raises:
        OpsError: The recording isn't in Opencast, or was there before the request.
    """
    if row.state not in IN_OPENCAST:
        reason = printable(reason_with_code(row)).rstrip(".") or "no reason is known"
        step = phrases(row, diagnose(row, (), now, PATIENCE)).operator
        raise OpsError(f"{state_with_code(row.state)}: {reason}. {step}".rstrip())
    media_package = record.media_package_of(row.zip_id)
    ingest = record.ingests.get(media_package)
    if ingest and is_earlier(row, ingest):
        raise OpsError(_describe_earlier_ingest(row, media_package, ingest))
    known = {
        # The row has the series of the last request, which may differ from the ingest's series.
        "series": ingest.series if ingest else row.oc_series_id,
        "media package": media_package,
    }
    details = ", ".join(f"{what} {value}" for what, value in known.items() if value)
    return f"In Opencast: {details}" if details else "In Opencast."


def _describe_earlier_ingest(row: StatusRow, media_package: str, ingest: IngestRecord) -> str:
    """Return sentences about a recording that was in Opencast before the request."""
    asked = row.asked.oc_series_id
    if asked and asked != ingest.series:
        advice = f"To move it to series {asked}, change its series in Opencast"
    else:
        advice = (
            "To replace it, delete its event in Opencast, then "
            f"`invoke exec.pipeline {shlex.quote(row.recording_id)}`"
        )
    series = f" --oc-series-id {shlex.quote(asked or ingest.series)}"
    return (
        f"It was in Opencast already, since {ingest.posted_at} (series {ingest.series}, media "
        f"package {media_package}), and stays as it is. {advice}. For a second event: `invoke "
        f"exec.on-demand {shlex.quote(row.recording_id)}{series} --allow-multiple-ingests`."
    )


def recordings_command(uuid: str) -> str:
    """Return the command that shows where a recording is."""
    return f"invoke recordings --uuid {shlex.quote(uuid)}"
