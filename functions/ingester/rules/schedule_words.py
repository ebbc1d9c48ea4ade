"""The schedule's classes in words: what an import adds, changes and takes away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from ingester.rules.schedule import Event, ScheduledMeeting

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


def lost(before: ScheduledMeeting, after: ScheduledMeeting) -> str:
    """A meeting with the classes that it loses and gets no other for; "" if there are none.

    One that moves to another time is changed, and so is one whose course has another name.
    """
    old, new = _classes(before), _classes(after)
    taken = {one[2:4] for one in new}
    gone = [one for one in old if one[2:4] not in taken]
    had = {(one[0], *one[2:4]) for one in old}
    come = Counter(one[0] for one in new if (one[0], *one[2:4]) not in had)
    missed = Counter(one[0] for one in gone)
    fewer = [one for one in gone if missed[one[0]] > come[one[0]]]
    return f"{before.zoom_series_id}: {_listed(fewer)}" if fewer else ""


def removed(
    before: Sequence[ScheduledMeeting], put: Iterable[ScheduledMeeting], delete: Iterable[str]
) -> list[str]:
    """The meetings that leave the table `before`, and those that lose classes."""
    rows = {meeting.zoom_series_id: meeting for meeting in before}
    fewer = [lost(rows[row.zoom_series_id], row) for row in put if row.zoom_series_id in rows]
    return [*(described(rows[key]) for key in delete if key in rows), *filter(None, fewer)]


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
