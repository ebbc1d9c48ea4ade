"""Diagnose an ingest: find its situation, and whether a person has to act.

All explanations of an ingest to people (the page, `invoke recordings`, `/zip`, mails) start with a
diagnosis. `status/advice.py` has the phrases for each situation. Only this module decides whether a
person has to act.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

import msgspec

from ingester import timestamps
from ingester.pipeline import reasons
from ingester.pipeline.states import DONE, FAILED, IN_OPENCAST, ZOOM_SIDE, State
from ingester.status.row import StatusRow

DOWNLOAD_WAIT = timedelta(hours=2)
"""Longest normal wait of a message in the download queue. The alarm on the age of the queue's
messages has the same limit (`cdk/alarms.py`; a test compares the two)."""

UPLOAD_MARGIN = timedelta(hours=2)
"""Longest normal wait of a message in the upload queue, in addition to `OC_INGEST_PATIENCE_HOURS`.
The alarm on the age of the queue's messages has the same margin."""

PATIENCE = timedelta(hours=6)
"""Default of `OC_INGEST_PATIENCE_HOURS`, for callers that don't know the stack's setting."""

QUIET_LIMITS = {
    State.ON_DEMAND_RECEIVED: timedelta(minutes=5),
    State.WEBHOOK_RECEIVED: timedelta(minutes=5),
    State.SENT_TO_DOWNLOADER: DOWNLOAD_WAIT,
    State.OC_SERIES_FOUND: timedelta(hours=1),
    State.UPLOADER_RECEIVED: timedelta(hours=1),
    State.RECORDING_PROCESSING: timedelta(days=1),
}
"""Longest time for which a row may stay unchanged, by state. No invocation in that state takes
longer. For some rows whose message waits in a queue, `_quiet_limit` returns another limit."""

UPLOADING = frozenset({State.SENT_TO_UPLOADER, State.UPLOADER_RECEIVED, State.UPLOADER_FAILED})
"""States of rows whose message is in the upload queue, or in its dead-letter queue."""

BEFORE_FILES = ZOOM_SIDE | {
    State.ON_DEMAND_RECEIVED,
    State.WEBHOOK_RECEIVED,
    State.WEBHOOK_FAILED,
    State.IGNORED,
}
"""States in which a row may lack file ids even if this stack wrote it."""


class Situation(Enum):
    """Situations of an ingest.

    A new situation needs a case in `_own_situation`, or in `_IGNORED` for an ignored ingest. The
    situation also needs a place in each fitting set below (`SITUATIONS_IN_OPENCAST`, `STOPPED`,
    `NEEDS_ATTENTION` and so on), phrases in `status/advice.py`, and a rank and words in
    `status/verdict.py`. Tests fail until the situation has an example, phrases, a rank and words;
    no test fails if the situation is missing in a set.
    """

    UNKNOWN = auto()
    """Situation of a row without a state, or with a state that this code doesn't know."""

    AT_ZOOM = auto()
    """Situation of a recording at Zoom, whose ingest nobody has requested."""

    IN_PROGRESS = auto()
    RETRY_SCHEDULED = auto()
    RETRY_DUE = auto()
    """Situation of an ingest whose next attempt is due, and whose message waits in the queue."""

    IN_OPENCAST = auto()
    PUBLISHED = auto()
    """Situation of an ingest that Opencast has processed and published."""

    OPENCAST_FAILED = auto()
    """Situation of an ingest that Opencast has, but whose workflow failed or was stopped."""

    OPENCAST_DELETED = auto()
    """Situation of an ingest whose event somebody has deleted in Opencast."""

    ALREADY_IN_OPENCAST = auto()
    """Situation of an ingest that was ignored, because its recording was in Opencast already."""

    IGNORED = auto()
    NO_SCHEDULED_CLASS = auto()
    NOT_NEEDED = auto()
    """Situation of an ingest that fits no scheduled class, while an earlier one is in Opencast."""

    SUPERSEDED = auto()
    """Situation of an ingest that failed, stopped or fits no scheduled class, while a later one is
    in Opencast."""

    AWAITS_OTHER = auto()
    """Situation of an ingest that failed, stopped or fits no scheduled class, while another one is
    in progress or will be retried."""

    REQUEST_FAILED = auto()
    DOWNLOAD_FAILED = auto()
    UPLOAD_FAILED = auto()
    UNKNOWN_SERIES = auto()
    """Situation of an ingest whose series Opencast doesn't have."""

    STAGED_FILES_LOST = auto()
    """Situation of an ingest whose staged files were lost or replaced before the upload."""

    RETRY_LOST = auto()
    """Situation of an ingest whose next attempt is overdue for longer than the ingest's message may
    wait in the queue."""

    NEVER_QUEUED = auto()
    """Situation of an ingest that was requested, but whose message never reached the download
    queue."""

    NEVER_COMPLETED = auto()
    """Situation of a recording that Zoom has been processing for more than a day."""

    STUCK = auto()
    FAILED_ELSEWHERE = auto()
    """Situation of an ingest that failed in another stack, whose queues have the ingest's message.

    `invoke migrate` copied the row from that stack.
    """

    STUCK_ELSEWHERE = auto()
    """Situation of an ingest that is stuck in another stack, whose queues have the ingest's
    message.

    `invoke migrate` copied the row from that stack.
    """


SITUATIONS_AT_OPENCAST = {
    State.SENT_TO_OPENCAST: Situation.IN_OPENCAST,
    State.PUBLISHED: Situation.PUBLISHED,
    State.OPENCAST_FAILED: Situation.OPENCAST_FAILED,
    State.OPENCAST_DELETED: Situation.OPENCAST_DELETED,
}
"""Situations of ingests that Opencast has taken, by the row's state."""

_IGNORED = {
    reasons.NO_SERIES: Situation.NO_SCHEDULED_CLASS,
    reasons.ALREADY_THERE: Situation.ALREADY_IN_OPENCAST,
}
"""Situations of ignored ingests, by reason. Any other reason means IGNORED."""

SITUATIONS_IN_OPENCAST = frozenset(
    {Situation.IN_OPENCAST, Situation.PUBLISHED, Situation.ALREADY_IN_OPENCAST}
)
"""Situations of ingests whose recording is in Opencast and hasn't failed there."""

WILL_RETRY = frozenset({Situation.RETRY_SCHEDULED, Situation.RETRY_DUE})
STOPPED = frozenset(
    {
        Situation.NEVER_QUEUED,
        Situation.NEVER_COMPLETED,
        Situation.STUCK,
        Situation.STUCK_ELSEWHERE,
    }
)
NEEDS_ATTENTION = frozenset(
    {
        Situation.REQUEST_FAILED,
        Situation.DOWNLOAD_FAILED,
        Situation.UPLOAD_FAILED,
        Situation.UNKNOWN_SERIES,
        Situation.OPENCAST_FAILED,
        Situation.STAGED_FILES_LOST,
        Situation.RETRY_LOST,
        Situation.NEVER_QUEUED,
        Situation.NEVER_COMPLETED,
        Situation.STUCK,
        Situation.FAILED_ELSEWHERE,
        Situation.STUCK_ELSEWHERE,
    }
)
"""Situations in which nothing happens unless a person acts."""

CAN_BE_SUPERSEDED = NEEDS_ATTENTION | {Situation.NO_SCHEDULED_CLASS}
"""Situations in which somebody may have to request the recording again."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Situation of one ingest at one moment.

    Attributes:
        situation: Situation with regard to the other ingests of the recording.
        own_situation: Situation without regard to the other ingests.
        since: Time of the last write of the row's state.
        queue: Queue that would have the ingest's message: "downloads" or "uploads".
        retry_at: Time of the next automatic attempt, which may have passed; None if the row has no
            such time.
        other: The ingest that counts instead, if the situation is SUPERSEDED, AWAITS_OTHER or
            NOT_NEEDED.
    """

    situation: Situation
    own_situation: Situation
    since: datetime
    queue: str
    retry_at: datetime | None = None
    other: StatusRow | None = None

    @property
    def needs_attention(self) -> bool:
        """Whether nothing happens unless a person acts."""
        return self.situation in NEEDS_ATTENTION

    @property
    def is_stuck(self) -> bool:
        """Whether the ingest stopped without a failure, and no other ingest counts instead."""
        return self.situation in STOPPED

    @property
    def will_retry(self) -> bool:
        """Whether the pipeline retries the failed ingest."""
        return self.situation in WILL_RETRY

    @property
    def has_failed(self) -> bool:
        """Whether the ingest failed or is stuck, and isn't SUPERSEDED by a later ingest."""
        is_failure = self.own_situation in NEEDS_ATTENTION | WILL_RETRY
        return is_failure and self.situation is not Situation.SUPERSEDED


def diagnose(
    row: StatusRow, others: Iterable[StatusRow], now: datetime, patience: timedelta
) -> Diagnosis:
    """Diagnose one ingest.

    Args:
        row: The ingest.
        others: Ingests that may count instead. Ingests of other recordings have no effect.
        now: Current time.
        patience: The setting `OC_INGEST_PATIENCE_HOURS`.
    """
    own = _own_situation(row, now, patience)
    situation, other = own, None
    if own in CAN_BE_SUPERSEDED and row.recording_id:
        situation, other = _superseding(row, own, others, now, patience)
    return Diagnosis(
        situation=situation,
        own_situation=own,
        since=row.updated,
        queue="uploads" if row.state in UPLOADING else "downloads",
        retry_at=retry_at(row),
        other=other,
    )


def diagnose_each(
    rows: Iterable[StatusRow], others: Sequence[StatusRow], now: datetime, patience: timedelta
) -> dict[str, Diagnosis]:
    """Return the diagnosis of each ingest by `zip_id`. The arguments are those of `diagnose`."""
    recordings: dict[str, list[StatusRow]] = {}
    for other in others:
        recordings.setdefault(other.recording_id, []).append(other)
    return {
        row.zip_id: diagnose(row, recordings.get(row.recording_id, ()), now, patience)
        for row in rows
    }


def retry_at(row: StatusRow) -> datetime | None:
    """Return the time of the retry after a failure; None if the row has no such readable time."""
    if row.state not in FAILED or not row.retry_due:
        return None
    try:
        return timestamps.parse(row.retry_due)
    except ValueError:
        return None


def has_ended(row: StatusRow) -> bool:
    """Return whether an ingest was ignored, got into Opencast, or failed with no retry planned."""
    return row.state in DONE and retry_at(row) is None


def _own_situation(row: StatusRow, now: datetime, patience: timedelta) -> Situation:
    """Return the situation of an ingest, without regard to the recording's other ingests."""
    if row.state is None:
        return Situation.UNKNOWN
    if due := retry_at(row):
        if now - due > _queue_limit(row, patience):
            return Situation.RETRY_LOST
        return Situation.RETRY_DUE if due < now else Situation.RETRY_SCHEDULED
    if row.state in FAILED:
        return Situation.FAILED_ELSEWHERE if _is_from_elsewhere(row) else _failure(row)
    if row.state is State.IGNORED:
        return _IGNORED.get(row.reason, Situation.IGNORED)
    if row.state in SITUATIONS_AT_OPENCAST:
        return SITUATIONS_AT_OPENCAST[row.state]
    limit = _quiet_limit(row, patience)
    if limit is not None and now - row.updated > limit:
        return _stopped_situation(row)
    return Situation.AT_ZOOM if row.state in ZOOM_SIDE else Situation.IN_PROGRESS


def _failure(row: StatusRow) -> Situation:
    """Return the situation of an ingest that failed and isn't retried."""
    if row.state is State.WEBHOOK_FAILED:
        return Situation.REQUEST_FAILED
    if row.state is State.DOWNLOADER_FAILED:
        return Situation.DOWNLOAD_FAILED
    if reasons.INVALID_SERIES in row.reason:
        return Situation.UNKNOWN_SERIES
    if reasons.FILES_GONE in row.reason or reasons.FILES_REPLACED in row.reason:
        return Situation.STAGED_FILES_LOST
    return Situation.UPLOAD_FAILED


def _stopped_situation(row: StatusRow) -> Situation:
    """Return the situation of an ingest that hasn't changed for too long."""
    if _is_from_elsewhere(row):
        return Situation.STUCK_ELSEWHERE
    match row.state:
        case State.ON_DEMAND_RECEIVED | State.WEBHOOK_RECEIVED:
            return Situation.NEVER_QUEUED
        case State.RECORDING_PROCESSING:
            return Situation.NEVER_COMPLETED
        case _:
            return Situation.STUCK


def _is_from_elsewhere(row: StatusRow) -> bool:
    """Return whether `invoke migrate` copied the row from a stack of the first system.

    Such a row has a state outside of `BEFORE_FILES`, no file ids and no time of the next attempt.
    Our webhook writes the file ids if Zoom names the files.
    """
    return row.state not in BEFORE_FILES and not row.files and not row.retry_due


def _quiet_limit(row: StatusRow, patience: timedelta) -> timedelta | None:
    """Return the longest time for which the row may stay unchanged; None if there is no limit."""
    # A reason in these states says that a new message waits in the queue: the copy continues in
    # the next invocation, or Opencast is asked again.
    is_queued_again = row.state in {State.OC_SERIES_FOUND, State.UPLOADER_RECEIVED} and row.reason
    if row.state is State.SENT_TO_UPLOADER or is_queued_again:
        return _queue_limit(row, patience)
    return QUIET_LIMITS.get(row.state) if row.state else None


def _queue_limit(row: StatusRow, patience: timedelta) -> timedelta:
    """Return the longest normal wait of the row's message in the queue."""
    return patience + UPLOAD_MARGIN if row.state in UPLOADING else DOWNLOAD_WAIT


def _superseding(
    row: StatusRow,
    own: Situation,
    others: Iterable[StatusRow],
    now: datetime,
    patience: timedelta,
) -> tuple[Situation, StatusRow | None]:
    """Find another ingest of the recording that counts instead of the row's.

    A later ingest in Opencast counts (`_came_after`). An earlier ingest in Opencast counts only for
    a row that was ignored because no scheduled class fits, and not for a failed request, which may
    have named another series. If no ingest in Opencast counts, one that is in progress or will be
    retried counts.

    Returns:
        The row's situation and the other ingest; `own` and None if no other ingest counts.
    """
    others = [
        other
        for other in others
        if other.zip_id != row.zip_id and other.recording_id == row.recording_id
    ]
    situations = [_own_situation(other, now, patience) for other in others]
    there = [
        o
        for o, situation in zip(others, situations, strict=True)
        if situation in SITUATIONS_IN_OPENCAST
    ]
    if later := [other for other in there if _came_after(other, row)]:
        return Situation.SUPERSEDED, later[0]
    if there and own is Situation.NO_SCHEDULED_CLASS:
        return Situation.NOT_NEEDED, there[0]
    for other, situation in zip(others, situations, strict=True):
        if situation is Situation.IN_PROGRESS or situation in WILL_RETRY:
            return Situation.AWAITS_OTHER, other
    return own, None


def _came_after(other: StatusRow, row: StatusRow) -> bool:
    """Return whether `other` is later than the row.

    `other` is later if it was requested after the row's ingest, or came into Opencast after the
    row's last change. A later request counts even if the row has changed since then, because the
    row's last attempt may be late.
    """
    if row.ingest_request_time and other.ingest_request_time > row.ingest_request_time:
        return True
    # The uploader writes the state again when late files come, so the first time counts.
    states = IN_OPENCAST | {other.state}
    came = [step.at for step in other.steps if step.state in states]
    return min(came, default=timestamps.write(other.updated)) > timestamps.write(row.updated)
