"""What an operator can do about a recording, by its row: a sentence with the command.

Said by `invoke recordings` and in the mails of log-notifications.
"""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta

from ingester import timestamps
from ingester.pipeline import reasons
from ingester.pipeline.states import FAILED, ZOOM_SIDE, Origin, State
from ingester.status.row import StatusRow

DOWNLOAD_WAIT = timedelta(hours=2)
UPLOAD_MARGIN = timedelta(hours=2)
"""How long a message may wait for its turn, an upload's beside the patience with Opencast: so long
as the alarms of the queues' age don't ring (`cdk/alarms.py`; a test compares)."""

PATIENCE = timedelta(hours=6)
"""`OC_INGEST_PATIENCE_HOURS`, where the stack's own isn't known."""

QUIET = {
    State.ON_DEMAND_RECEIVED: timedelta(minutes=5),
    State.WEBHOOK_RECEIVED: timedelta(minutes=5),
    State.SENT_TO_DOWNLOADER: DOWNLOAD_WAIT,
    State.OC_SERIES_FOUND: timedelta(hours=1),
    State.UPLOADER_RECEIVED: timedelta(hours=1),
    State.RECORDING_PROCESSING: timedelta(days=1),
}
"""How long a row may stay in a state without a word: longer than any wait or invocation of it.
What waits for its turn in a queue, the first time or again, may as long as `_turn` says."""

OF_UPLOADS = {State.SENT_TO_UPLOADER, State.UPLOADER_RECEIVED, State.UPLOADER_FAILED}
"""States of rows whose message is the upload queue's."""

BEFORE_FILES = ZOOM_SIDE | {
    State.ON_DEMAND_RECEIVED,
    State.WEBHOOK_RECEIVED,
    State.WEBHOOK_FAILED,
    State.IGNORED,
}
"""States in which a row of ours may know no files."""


def failed_or_stopped(row: StatusRow, now: datetime, patience: timedelta = PATIENCE) -> bool:
    """Whether the row's ingest failed, tried again or not, or has stopped on its way."""
    return row.state in FAILED or is_stuck(row, now, patience)


def needs_a_person(row: StatusRow, now: datetime, patience: timedelta = PATIENCE) -> bool:
    """Whether the ingest failed with no try of its own to come, or stopped on its way."""
    return is_stuck(row, now, patience) or (row.state in FAILED and retry_due(row) is None)


def is_taken_over(row: StatusRow) -> bool:
    """Whether a row got past a webhook that wrote no files' ids into it: the first system's.

    `invoke migrate` brought it.
    """
    known = row.files or row.retry_due
    return bool(row.state) and row.state not in BEFORE_FILES and not known


def is_stuck(row: StatusRow, now: datetime, patience: timedelta = PATIENCE) -> bool:
    """Whether something should have happened by now.

    `patience` is how long the stack waits for Opencast, here as in all that follows from it.
    """
    if due := retry_due(row):
        return now - due > _turn(row, patience)
    quiet = _quiet(row, patience)
    return quiet is not None and now - row.updated > quiet


def _quiet(row: StatusRow, patience: timedelta) -> timedelta | None:
    # With a reason it is handed over to the next invocation, or Opencast is asked once more: by a
    # message that waits for its turn.
    comes_again = row.state in {State.OC_SERIES_FOUND, State.UPLOADER_RECEIVED} and row.reason
    if row.state is State.SENT_TO_UPLOADER or comes_again:
        return _turn(row, patience)
    return QUIET.get(row.state) if row.state else None


def _turn(row: StatusRow, patience: timedelta) -> timedelta:
    """How long the message of a row may wait in its queue for its turn."""
    return patience + UPLOAD_MARGIN if row.state in OF_UPLOADS else DOWNLOAD_WAIT


def retry_due(row: StatusRow) -> datetime | None:
    """When the pipeline tries again by itself, if it does."""
    if row.state not in FAILED or not row.retry_due:
        return None
    try:
        return timestamps.parse(row.retry_due)
    except ValueError:
        return None


def next_step(row: StatusRow, now: datetime, patience: timedelta = PATIENCE) -> str:
    """The sentence; "" for an ingest that is done, ignored for good, or well on its way."""
    # Quoted as a shell needs it: a uuid is a stranger's text where webhooks may be unsigned.
    uuid = shlex.quote(row.recording_id) if row.recording_id else "UUID"
    story = f"`invoke logs.recording {uuid}` shows what happened"
    if is_taken_over(row) and failed_or_stopped(row, now, patience):
        return (
            "Taken over from another stack, whose queues have its message: if that one is done "
            f"with it, `invoke exec.pipeline {uuid}` sends it through this one."
        )
    if due := retry_due(row):
        if is_stuck(row, now, patience):
            queue = "uploads" if row.state in OF_UPLOADS else "downloads"
            return (
                f"Was due again at {row.retry_due}: `invoke queue.{queue}` shows whether its "
                f"message is still there, {story}."
            )
        if due < now:
            return f"Tries again by itself when its turn comes, due since {row.retry_due}."
        return f"Tries again by itself at {row.retry_due}."
    match row.state:
        case State.DOWNLOADER_FAILED:
            retry = f"`invoke queue.retry-downloads --uuid {uuid}`"
            return f"{retry} once the cause is mended; {story}."
        case State.UPLOADER_FAILED:
            return _failed_upload(row, uuid, story)
        case State.WEBHOOK_FAILED:
            return f"`invoke {_again(row, uuid)}` asks for it again; {story}."
        case State.IGNORED if row.reason == reasons.NO_SERIES:
            return f"With its class in the schedule: `invoke exec.pipeline {uuid}`; without: \
`invoke exec.pipeline {uuid} --oc-series-id SERIES`."
        case _:
            return _stuck(row, uuid, story) if is_stuck(row, now, patience) else ""


def _failed_upload(row: StatusRow, uuid: str, story: str) -> str:
    retry = f"`invoke queue.retry-uploads --uuid {uuid}`"
    if reasons.INVALID_SERIES in row.reason:
        return f"Another series: `invoke exec.pipeline {uuid} --oc-series-id SERIES`; or, once \
Opencast has this one: {retry}."
    if any(one in row.reason for one in (reasons.FILES_GONE, reasons.FILES_REPLACED)):
        return f"`invoke {_again(row, uuid)}` fetches its files anew, while Zoom has them; {story}."
    return f"{retry} once the cause is mended; {story}."


def _again(row: StatusRow, uuid: str) -> str:
    """The command that asks for a recording in the way in which it was asked for."""
    asked, is_plus_zoom = row.asked, row.origin == Origin.ON_DEMAND
    words = ["exec.on-demand" if is_plus_zoom else "exec.webhook", uuid]
    if asked.oc_series_id:
        words.append(f"--oc-series-id {shlex.quote(asked.oc_series_id)}")
    if is_plus_zoom:
        if asked.oc_workflow:
            words.append(f"--oc-workflow {shlex.quote(asked.oc_workflow)}")
        ticked = {
            "--allow-multiple-ingests": asked.allow_multiple_ingests,
            "--ingest-all-mp4": asked.ingest_all_mp4,
        }
        words += [name for name in ticked if ticked[name]]
    return " ".join(words)


def _stuck(row: StatusRow, uuid: str, story: str) -> str:
    match row.state:
        case State.ON_DEMAND_RECEIVED | State.WEBHOOK_RECEIVED:
            return f"Never came onto the queue: `invoke {_again(row, uuid)}` asks for it again."
        case State.RECORDING_PROCESSING:
            return f"Zoom never said that it is completed: `invoke exec.pipeline {uuid}` asks Zoom."
        case _:
            queue = "uploads" if row.state in OF_UPLOADS else "downloads"
    return (
        f"Nothing has happened since {timestamps.write(row.updated)}: `invoke queue.{queue}` shows "
        f"whether its message waits or was buried (then `invoke queue.retry-{queue} --uuid "
        f"{uuid}`); {story}."
    )
