"""Which classes an import of the schedule takes away, and which it only changes or moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ingester.schedule.model import Event, ScheduledMeeting, same_course

Sameness = tuple[str | None, str | None, int | tuple[str, str]]
"""Course, series and time of a class; None where they don't matter."""


class Lost(msgspec.Struct, frozen=True):
    """A meeting, with those of its classes that it has no more.

    `also_in` are others that have each of these classes at its time too. They had it before, or got
    it in place of another: of an update that broke off halfway, they may be where a class moved to.
    """

    meeting: ScheduledMeeting
    also_in: tuple[str, ...]


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """What leaves the table.

    `moved` are meetings that leave while each of their classes came into another, with the numbers
    of these.
    """

    lost: tuple[Lost, ...]
    moved: tuple[tuple[ScheduledMeeting, tuple[str, ...]], ...]


class _Class(msgspec.Struct, frozen=True):
    """A class of a meeting. `same` has what makes another the same, the most telling first.

    `whose` is its course, or without one its series, as the other of the two.
    """

    meeting: str
    event: Event
    whose: tuple[str, str]
    same: tuple[Sameness, ...]


def losses(
    before: Iterable[ScheduledMeeting], put: Sequence[ScheduledMeeting], delete: Sequence[str]
) -> Losses:
    """What leaves the table `before`, when `put` is written and `delete` taken away.

    A class that its meeting has at the same time, under the same course or series, has changed. One
    that has come into another meeting so has moved, and one whose course (or series, if it has no
    course) gets another time in the meeting has changed too: each stands for one that is missing.
    """
    rows = {meeting.zoom_series_id: meeting for meeting in before}
    after: dict[str, ScheduledMeeting | None] = {key: None for key in delete if key in rows}
    after |= {row.zoom_series_id: row for row in put}
    gone: dict[str, list[_Class]] = {}
    come: dict[str, list[_Class]] = {}
    for key, meeting in after.items():
        gone[key], come[key] = _differences(rows.get(key), meeting)
    went = _moves(
        [one for some in gone.values() for one in some],
        [one for some in come.values() for one in some],
    )
    arrived = set(went.values())
    everywhere = _places({**rows, **after}.values())
    lost, moved = [], []
    for key, meeting in after.items():
        missing = [one for one in gone[key] if one not in went]
        others = [one for one in come[key] if one not in arrived]
        fewer = _fewer(missing, others)
        if fewer or (meeting is None and not rows[key].events):
            left = msgspec.structs.replace(rows[key], events=tuple(one.event for one in fewer))
            lost.append(Lost(left, _also_in(fewer, everywhere)))
        elif meeting is None:
            numbers = dict.fromkeys(went[one].meeting for one in gone[key])
            moved.append((rows[key], tuple(numbers)))
    return Losses(lost=tuple(lost), moved=tuple(moved))


def _differences(
    old: ScheduledMeeting | None, new: ScheduledMeeting | None
) -> tuple[list[_Class], list[_Class]]:
    """The classes that a meeting has no more, and those that it has got."""
    had, has = _classes(old), _classes(new)
    before = {same for one in had for same in one.same}
    after = {same for one in has for same in one.same}
    # Rows of the first system have the last class's course and series for all of them.
    times = {(None, None, _time(one.event)) for one in has}
    return (
        [
            one
            for one in had
            if after.isdisjoint(one.same)
            and (one.event.source or (None, None, _time(one.event)) not in times)
        ],
        [one for one in has if before.isdisjoint(one.same)],
    )


def _moves(gone: Sequence[_Class], come: Iterable[_Class]) -> Mapping[_Class, _Class]:
    """Which of the classes that left a meeting came into another, and as which."""
    went: dict[_Class, _Class] = {}
    free = dict.fromkeys(come)
    for kind in range(len(_same("", "", 0))):
        places: dict[Sameness, list[_Class]] = {}
        for one in free:
            places.setdefault(one.same[kind], []).append(one)
        for one in gone:
            there = [] if one in went else places.get(one.same[kind], [])
            if there:
                went[one] = there.pop(0)
                del free[went[one]]
    return went


def _fewer(missing: Sequence[_Class], others: Iterable[_Class]) -> list[_Class]:
    """The missing classes of courses that get less of `others` than are missing."""
    misses = Counter(one.whose for one in missing)
    gets = Counter(one.whose for one in others)
    return [one for one in missing if misses[one.whose] > gets[one.whose]]


def _places(table: Iterable[ScheduledMeeting | None]) -> Mapping[Sameness, Sequence[str]]:
    """Which meetings have a class."""
    places: dict[Sameness, list[str]] = {}
    for one in (one for meeting in table for one in _classes(meeting)):
        for same in one.same:
            places.setdefault(same, []).append(one.meeting)
    return places


def _also_in(
    classes: Sequence[_Class], places: Mapping[Sameness, Sequence[str]]
) -> tuple[str, ...]:
    """Other meetings that have all of these classes; none if one of these is nowhere."""
    found = [
        next((key for same in one.same for key in places.get(same, ()) if key != one.meeting), None)
        for one in classes
    ]
    return () if None in found else tuple(dict.fromkeys(key for key in found if key))


def _classes(meeting: ScheduledMeeting | None) -> list[_Class]:
    if meeting is None:
        return []
    return [_class(meeting, event) for event in meeting.events]


def _class(meeting: ScheduledMeeting, event: Event) -> _Class:
    course, series = same_course(meeting.course_of(event)), meeting.series_of(event)
    return _Class(
        meeting.zoom_series_id,
        event,
        (course, "") if course else ("", series),
        _same(course, series, _time(event)),
    )


def _same(course: str, series: str, time: int | tuple[str, str]) -> tuple[Sameness, ...]:
    """Without a course or a series there is nothing but both to compare."""
    return (
        (course, series, time),
        (None if series else course, series, time),
        (course, None if course else series, time),
    )


def _time(event: Event) -> int | tuple[str, str]:
    minute = event.minute_of_week
    return (event.day, event.time) if minute is None else minute
