"""`zoomRecordingTimes`: when, within a meeting, the recording really ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ingester import timestamps

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STARTS = frozenset({"recording.started", "recording.resumed"})
_ENDS = frozenset({"recording.paused", "recording.stopped"})


class RecordingEvent(NamedTuple):
    """One of Zoom's four recording events; `timestamp` in seconds since the epoch."""

    event: str
    timestamp: int

    @property
    def moment(self) -> datetime:
        """OverflowError if no calendar has it, as when somebody wrote milliseconds."""
        return EPOCH + timedelta(seconds=self.timestamp)


class _Mark(NamedTuple):
    """Sorts by time; at equal times the files' own marks come first."""

    moment: datetime
    from_event: bool
    position: int
    starts: bool


def recording_times(
    segments: Iterable[tuple[str, str]], events: Sequence[RecordingEvent] = ()
) -> str:
    """The spans as `start_stop,start_stop,…` in wire time stamps.

    `segments` are the (start, end) of the segments that are kept; Zoom's files hide the pauses
    inside them, so the recorded events are woven in. What lies before the first kept start is
    dropped; a start opens a span if none is open, a pause or stop closes it.
    """
    marks: list[_Mark] = []
    for start, end in segments:
        marks.append(_Mark(timestamps.parse(start), False, len(marks), True))
        marks.append(_Mark(timestamps.parse(end), False, len(marks), False))
    if not marks:
        return ""
    first = min(mark.moment for mark in marks if mark.starts)
    for event in events:
        if event.event in _STARTS | _ENDS:
            marks.append(_Mark(event.moment, True, len(marks), event.event in _STARTS))
    spans: list[str] = []
    opened: datetime | None = None
    for mark in sorted(marks):
        if mark.moment < first:
            continue
        if mark.starts:
            opened = opened or mark.moment
        elif opened is not None:
            spans.append(f"{timestamps.write(opened)}_{timestamps.write(mark.moment)}")
            opened = None
    return ",".join(spans)
