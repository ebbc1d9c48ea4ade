"""The schedule's classes in words: what an import adds, changes and takes away."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from ingester.schedule.model import Event, ScheduledMeeting

Class = tuple[str, str, str, str, str]
"""Course, series, day, time, title: what of an event matters to people."""


def described(meeting: ScheduledMeeting) -> str:
    """A meeting with its courses, their series, and when they meet."""
    classes = _classes(meeting)
    if not classes:
        course = _course(meeting.course_code, meeting.opencast_series_id)
        return f"{meeting.zoom_series_id}: {course}, without events"
    return f"{meeting.zoom_series_id}: {_listed(classes)}"


def change(before: ScheduledMeeting, after: ScheduledMeeting) -> str:
    """A meeting with what it loses (-) and what it gets (+)."""
    old, new = _classes(before), _classes(after)
    gone = [one for one in old if one not in new]
    come = [one for one in new if one not in old]
    parts = [f"- {_listed(gone)}"] if gone else []
    parts += [f"+ {_listed(come)}"] if come else []
    if parts:
        return f"{after.zoom_series_id}: {'  '.join(parts)}"
    same = f"{after.zoom_series_id}: {_listed(new)}"
    were, are = _sources(before), _sources(after)
    if were != are:
        return f"{same}, the same, from {are} instead of {were}"
    return f"{same}, the same, in another order"


def _classes(meeting: ScheduledMeeting) -> list[Class]:
    return [_class(meeting, event) for event in meeting.events]


def _class(meeting: ScheduledMeeting, event: Event) -> Class:
    return (
        meeting.course_of(event),
        meeting.series_of(event),
        event.day,
        event.time,
        event.title,
    )


def _listed(classes: Iterable[Class]) -> str:
    """`HIST E-1010 (20260112345) M 9:30 Lecture, W 9:30 Lecture; CSCI E-7 …`."""
    courses = groupby(classes, key=lambda one: one[:2])
    return "; ".join(
        f"{_course(*course)} {', '.join(' '.join(one[2:]) for one in its)}"
        for course, its in courses
    )


def _course(code: str, series: str) -> str:
    return f"{code or '(no course)'} ({series or 'no series'})"


def _sources(meeting: ScheduledMeeting) -> str:
    found = dict.fromkeys(event.source for event in meeting.events) or {"": None}
    return ", ".join(source or "the first system's sheet" for source in found)
