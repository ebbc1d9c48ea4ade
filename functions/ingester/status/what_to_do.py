"""What somebody without a terminal can do about a recording: plain words, no command.

Said on the page, whose form requests an ingest; `next_step` is what operators are told.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from ingester.pipeline import reasons
from ingester.pipeline.states import State
from ingester.status.next_step import failed_or_stopped, is_stuck, is_taken_over, retry_due
from ingester.status.row import StatusRow


class ToDo(msgspec.Struct, frozen=True):
    """A sentence, and whether a request by the form is what it asks for: the page leads there."""

    sentence: str = ""
    request_helps: bool = False


NOTHING = ToDo()
TELL = ToDo("Tell an operator.")
BY_ITSELF = ToDo("It is tried again by itself.")
AGAIN = ToDo("Request it again; if that fails too, tell an operator.", request_helps=True)
WITH_SERIES = ToDo("No class at that time: request it with its series.", request_helps=True)
TWICE = ToDo("Opencast has it already. To have it there twice, tick Ingest it again.")


def what_to_do(row: StatusRow, now: datetime, patience: timedelta) -> ToDo:
    """Nothing for an ingest that is done, ignored for good, or well on its way.

    `patience` is how long the stack waits for Opencast.
    """
    if is_taken_over(row) and failed_or_stopped(row, now, patience):
        # Its message is in the queues of another stack: requested here it might come in twice.
        return TELL
    if retry_due(row):
        return TELL if is_stuck(row, now, patience) else BY_ITSELF
    match row.state:
        case State.UPLOADER_FAILED if reasons.INVALID_SERIES in row.reason:
            series = f" {row.oc_series_id}" if row.oc_series_id else " of this id"
            said = f"Opencast has no series{series}: request it with the right one."
            return ToDo(said, request_helps=True)
        case State.WEBHOOK_FAILED | State.DOWNLOADER_FAILED | State.UPLOADER_FAILED:
            return AGAIN
        case State.IGNORED if row.reason == reasons.NO_SERIES:
            return WITH_SERIES
        case State.IGNORED if row.reason == reasons.ALREADY_THERE:
            return TWICE
        case _:
            return TELL if is_stuck(row, now, patience) else NOTHING
