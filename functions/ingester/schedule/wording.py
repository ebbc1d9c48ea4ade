"""Describe meetings by their scheduled classes, and the changes of an import to a meeting."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from ingester.schedule.model import ScheduledMeeting

NO_RECORDINGS = "gets no recordings"
"""Words about a scheduled class that never matches, because another series' class of the same
meeting and time does."""


class _Shown(NamedTuple):
    """The fields of a scheduled class that messages to people contain."""

    course: str
    series: str
    day: str
    time: str
    title: str
    gets_recordings: bool


def described(meeting: ScheduledMeeting) -> str:
    """Describe a meeting by its courses, their series and the times of their scheduled classes."""
    classes = _classes(meeting)
    if not classes:
        course = _course(meeting.course_code, meeting.opencast_series_id)
        return f"{meeting.zoom_series_id}: {course}, without events"
    return f"{meeting.zoom_series_id}: {_listed(classes)}"


def described_change(before: ScheduledMeeting, after: ScheduledMeeting) -> str:
    """Describe a meeting's lost (-) and added (+) scheduled classes, or another source or order."""
    old, new = _classes(before), _classes(after)
    lost = [shown for shown in old if shown not in new]
    added = [shown for shown in new if shown not in old]
    parts = [f"- {_listed(lost)}"] if lost else []
    parts += [f"+ {_listed(added)}"] if added else []
    if parts:
        return f"{after.zoom_series_id}: {'  '.join(parts)}"
    same = f"{after.zoom_series_id}: {_listed(new)}"
    old_sources, new_sources = _sources(before), _sources(after)
    if old_sources != new_sources:
        return f"{same}, the same, from {new_sources} instead of {old_sources}"
    return f"{same}, the same, in another order"


def source_name(source: str) -> str:
    """Return the name of a source for people. The source "" is the first system's sheet."""
    return source or "the first system's sheet"


def _classes(meeting: ScheduledMeeting) -> list[_Shown]:
    unrecorded = meeting.without_recordings()
    return [
        _Shown(
            course=meeting.course_of(scheduled),
            series=meeting.series_of(scheduled),
            day=scheduled.day,
            time=scheduled.time,
            title=scheduled.title,
            gets_recordings=scheduled not in unrecorded,
        )
        for scheduled in meeting.events
    ]


def _listed(classes: Iterable[_Shown]) -> str:
    """Return a text that lists scheduled classes by course.

    An example is `HIST E-1010 (20260112345) M 9:30 Lecture, W 9:30 Lecture; CSCI …`.
    """
    courses = groupby(classes, key=lambda shown: (shown.course, shown.series))
    return "; ".join(
        f"{_course(*course)} " + ", ".join(map(_day_time_title, classes_of_course))
        for course, classes_of_course in courses
    )


def _day_time_title(shown: _Shown) -> str:
    note = "" if shown.gets_recordings else f" ({NO_RECORDINGS})"
    return f"{shown.day} {shown.time} {shown.title}{note}"


def _course(code: str, series: str) -> str:
    return f"{code or '(no course)'} ({series or 'no series'})"


def _sources(meeting: ScheduledMeeting) -> str:
    sources = dict.fromkeys(scheduled.source for scheduled in meeting.events) or {"": None}
    return ", ".join(map(source_name, sources))
