"""Calculate when a recording ran, for the part `zoomRecordingTimes` of the POST to Opencast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ingester import timestamps

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STARTS = frozenset({"recording.started", "recording.resumed"})
_ENDS = frozenset({"recording.paused", "recording.stopped"})


class RecordingEvent(NamedTuple):
    """One of Zoom's recording events. `timestamp` is in seconds since 1970."""

    event: str
    timestamp: int

    @property
    def moment(self) -> datetime:
        """Time of the recording event.

        Raises:
            OverflowError: The time is beyond the calendar, such as a time in milliseconds.
        """
        return EPOCH + timedelta(seconds=self.timestamp)


class _Change(NamedTuple):
    """A start or stop of the recording.

    Changes are sorted by time. Of changes at the same time, those of segments come before those of
    recording events.
    """

    moment: datetime
    is_from_event: bool
    position: int
    is_start: bool


def recording_times(
    segments: Iterable[tuple[str, str]], events: Sequence[RecordingEvent] = ()
) -> str:
    """Return the intervals in which the recording ran, as `start_stop,start_stop,…`.

    A start or resume begins an interval if none is open. A pause or stop ends the open interval.
    Changes before the first segment don't count. An interval without an end is left out. The result
    is "" if there are no segments.

    Args:
        segments: Start and end of each segment, which don't show the pauses within the segment.
        events: Recording events, which show the pauses.

    Raises:
        OverflowError: See `RecordingEvent.moment`.
    """
    changes: list[_Change] = []
    for start, end in segments:
        changes.append(_Change(timestamps.parse(start), False, len(changes), True))
        changes.append(_Change(timestamps.parse(end), False, len(changes), False))
    if not changes:
        return ""
    first_start = min(change.moment for change in changes if change.is_start)
    for event in events:
        if event.event in _STARTS | _ENDS:
            changes.append(_Change(event.moment, True, len(changes), event.event in _STARTS))
    intervals: list[str] = []
    began: datetime | None = None
    for change in sorted(changes):
        if change.moment < first_start:
            continue
        if change.is_start:
            began = began or change.moment
        elif began is not None:
            intervals.append(f"{timestamps.write(began)}_{timestamps.write(change.moment)}")
            began = None
    return ",".join(intervals)
