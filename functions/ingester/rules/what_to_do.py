"""What somebody without a terminal can do about a recording: plain words, no command.

Said on the page, whose form requests an ingest; `next_step` is what operators are told.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ingester.rules import reasons
from ingester.rules.next_step import failed_or_stopped, is_stuck, is_taken_over, retry_due
from ingester.rules.states import State
from ingester.rules.status_row import StatusRow

TELL = "Tell an operator."
AGAIN = "Request it again; if that fails too, tell an operator."


def what_to_do(row: StatusRow, now: datetime, patience: timedelta) -> str:
    """The sentence; "" for an ingest that is done, ignored for good, or well on its way.

    `patience` is how long the stack waits for Opencast.
    """
    if is_taken_over(row) and failed_or_stopped(row, now, patience):
        # Its message is in the queues of another stack: requested here it might come in twice.
        return TELL
    if retry_due(row):
        return TELL if is_stuck(row, now, patience) else "It is tried again by itself."
    match row.state:
        case State.UPLOADER_FAILED if reasons.INVALID_SERIES in row.reason:
            series = f" {row.oc_series_id}" if row.oc_series_id else " of this id"
            return f"Opencast has no series{series}: request it with the right one."
        case State.WEBHOOK_FAILED | State.DOWNLOADER_FAILED | State.UPLOADER_FAILED:
            return AGAIN
        case State.IGNORED if row.reason == reasons.NO_SERIES:
            return "No class at that time: request it with its series."
        case State.IGNORED if row.reason == reasons.ALREADY_THERE:
            return "Opencast has it already. To have it there twice, tick Ingest it again."
        case _:
            return TELL if is_stuck(row, now, patience) else ""
