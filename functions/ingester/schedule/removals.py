"""Find the scheduled classes that an import removes, but not those that only change or move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from ingester.schedule.model import ScheduledClass, ScheduledMeeting, normalized_course

_Time = int | tuple[str, str]
"""Minute of the week; if that can't be read, the scheduled class's day and time as they are."""

_Key = tuple[str | None, str | None, _Time]
"""Course, series and time by which a scheduled class is recognized. A None isn't compared."""


class RemovedClasses(msgspec.Struct, frozen=True):
    """A meeting with those of its scheduled classes that an import removes.

    A deleted meeting that had no scheduled classes is listed too. `also_in` are other meetings that
    together have all of these classes at the same times. If an earlier update was interrupted, the
    classes may have moved to those meetings.
    """

    meeting: ScheduledMeeting
    also_in: tuple[str, ...]


class MovedMeeting(msgspec.Struct, frozen=True):
    """A meeting that an import deletes, and the meetings that get all of its scheduled classes."""

    meeting: ScheduledMeeting
    into: tuple[str, ...]


class Removals(msgspec.Struct, frozen=True, kw_only=True):
    """The losses of an import: scheduled classes that it removes, and meetings that it replaces."""

    removed: tuple[RemovedClasses, ...]
    moved: tuple[MovedMeeting, ...]


class _Entry(msgspec.Struct, frozen=True):
    """A scheduled class of a meeting, with the values by which it is compared with others.

    `owner` is (course, ""), or ("", series) if there is no course. Two scheduled classes with a
    common key count as the same scheduled class. The first key is the strongest.
    """

    meeting: str
    scheduled: ScheduledClass
    owner: tuple[str, str]
    keys: tuple[_Key, _Key, _Key]

    @classmethod
    def of(cls, meeting: ScheduledMeeting, scheduled: ScheduledClass) -> _Entry:
        course = normalized_course(meeting.course_of(scheduled))
        series, time = meeting.series_of(scheduled), _time(scheduled)
        return cls(
            meeting.zoom_series_id,
            scheduled,
            (course, "") if course else ("", series),
            (
                (course, series, time),
                # The second key leaves out the course, and the third key leaves out the series. A
                # key must have one of the two, because unrelated scheduled classes may be at the
                # same time. So the second key has the course if there is no series, and the third
                # key has the series if there is no course.
                (None if series else course, series, time),
                (course, None if course else series, time),
            ),
        )


_STRENGTHS = range(3)
"""The indexes of a scheduled class's keys, the strongest first."""


class _Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of an import in one meeting.

    `before` is the meeting's row before the import, None for a new meeting. `gone` are the
    scheduled classes that only the row before the import has. `added` are the classes that only the
    row after the import has.
    """

    before: ScheduledMeeting | None
    is_deleted: bool
    gone: list[_Entry]
    added: list[_Entry]


class _Moves(msgspec.Struct, frozen=True):
    """Moves of scheduled classes from one meeting to another.

    `destinations` maps each moved class to the added class that replaces it. `arrived` are these
    added classes.
    """

    destinations: dict[_Entry, _Entry]
    arrived: frozenset[_Entry]


def find_removals(
    before: Iterable[ScheduledMeeting], put: Sequence[ScheduledMeeting], delete: Sequence[str]
) -> Removals:
    """Find the scheduled classes that an import removes from `before`, and the meetings that move.

    The import writes the rows `put` and deletes the meetings `delete`. A class that is missing from
    the new rows doesn't count as removed in three cases:

    * The class has changed: the meeting has a class of the same course or series at the same time.
      For a class without a source, which the first system wrote, any class at that time counts.
    * The class has moved: another meeting gets a class of the same course or series at that time.
    * The class has another time: the meeting gets at least as many other classes of the course (or
      of the series, without a course) as the meeting loses.

    In the last two cases, each class that a meeting gets explains only one missing class.
    """
    old = {meeting.zoom_series_id: meeting for meeting in before}
    new: dict[str, ScheduledMeeting | None] = {key: None for key in delete if key in old}
    new |= {row.zoom_series_id: row for row in put}
    differences = [_difference(old.get(key), meeting) for key, meeting in new.items()]
    moves = _find_moves(differences)
    places = _places({**old, **new}.values())
    return Removals(
        removed=tuple(_removed(differences, moves, places)),
        moved=tuple(_moved(differences, moves)),
    )


def _difference(before: ScheduledMeeting | None, after: ScheduledMeeting | None) -> _Difference:
    """Compare the scheduled classes of a meeting before and after an import."""
    old, new = _classes(before), _classes(after)
    new_times = {_time(entry.scheduled) for entry in new}
    return _Difference(
        before=before,
        is_deleted=after is None,
        gone=[
            entry
            for entry in _only_in(old, new)
            # A row of the first system has one course, that of its last scheduled class. So the
            # row's classes, which have no source, are recognized only by their times.
            if entry.scheduled.source or _time(entry.scheduled) not in new_times
        ],
        added=_only_in(new, old),
    )


def _only_in(classes: Iterable[_Entry], others: Iterable[_Entry]) -> list[_Entry]:
    """Return the scheduled classes that have no key in common with any of `others`."""
    keys = {key for other in others for key in other.keys}
    return [entry for entry in classes if keys.isdisjoint(entry.keys)]


def _find_moves(differences: Sequence[_Difference]) -> _Moves:
    """Find the missing scheduled classes that moved to other meetings, and the added classes there.

    The strongest keys are compared first. An added class stands for only one missing class.
    """
    gone = [entry for difference in differences for entry in difference.gone]
    free = dict.fromkeys(entry for difference in differences for entry in difference.added)
    moves: dict[_Entry, _Entry] = {}
    for strength in _STRENGTHS:
        candidates = _by_key(free, strength)
        for entry in gone:
            there = candidates.get(entry.keys[strength])
            if entry not in moves and there:
                moves[entry] = there.pop(0)
                del free[moves[entry]]
    return _Moves(moves, frozenset(moves.values()))


def _by_key(entries: Iterable[_Entry], strength: int) -> dict[_Key, list[_Entry]]:
    found: dict[_Key, list[_Entry]] = {}
    for entry in entries:
        found.setdefault(entry.keys[strength], []).append(entry)
    return found


def _removed_entries(difference: _Difference, moves: _Moves) -> list[_Entry]:
    """Return the scheduled classes that a meeting loses, but not those with a new meeting or time.

    If the meeting gets at least as many scheduled classes of a course as it loses, only their times
    have changed. For scheduled classes without a course, the series counts.
    """
    missing = [entry for entry in difference.gone if entry not in moves.destinations]
    losses = Counter(entry.owner for entry in missing)
    gains = Counter(entry.owner for entry in difference.added if entry not in moves.arrived)
    return [entry for entry in missing if losses[entry.owner] > gains[entry.owner]]


def _removed(
    differences: Iterable[_Difference], moves: _Moves, places: Mapping[_Key, Sequence[str]]
) -> Iterator[RemovedClasses]:
    """Yield the meetings that lose scheduled classes, and the deleted meetings without classes."""
    for difference in differences:
        meeting, lost = difference.before, _removed_entries(difference, moves)
        if meeting and (lost or (difference.is_deleted and not meeting.events)):
            classes = tuple(entry.scheduled for entry in lost)
            row = msgspec.structs.replace(meeting, events=classes)
            yield RemovedClasses(row, _also_in(lost, places))


def _moved(differences: Iterable[_Difference], moves: _Moves) -> Iterator[MovedMeeting]:
    """Yield the deleted meetings whose scheduled classes have all moved to other meetings."""
    for difference in differences:
        meeting = difference.before
        if (
            meeting
            and meeting.events
            and difference.is_deleted
            and not _removed_entries(difference, moves)
        ):
            into = dict.fromkeys(moves.destinations[entry].meeting for entry in difference.gone)
            yield MovedMeeting(meeting, tuple(into))


def _places(table: Iterable[ScheduledMeeting | None]) -> dict[_Key, list[str]]:
    """Return, by key, the numbers of the meetings that have a scheduled class with that key."""
    places: dict[_Key, list[str]] = {}
    for meeting in table:
        for entry in _classes(meeting):
            for key in entry.keys:
                places.setdefault(key, []).append(entry.meeting)
    return places


def _also_in(classes: Sequence[_Entry], places: Mapping[_Key, Sequence[str]]) -> tuple[str, ...]:
    """Return other meetings that together have `classes`; () if a class is in no other meeting."""
    found = [_other_meeting(entry, places) for entry in classes]
    return tuple(dict.fromkeys(found)) if all(found) else ()


def _other_meeting(entry: _Entry, places: Mapping[_Key, Sequence[str]]) -> str:
    """Return the first other meeting that has the scheduled class; "" if none has it."""
    meetings = (meeting for key in entry.keys for meeting in places.get(key, ()))
    return next((meeting for meeting in meetings if meeting != entry.meeting), "")


def _classes(meeting: ScheduledMeeting | None) -> list[_Entry]:
    return [_Entry.of(meeting, scheduled) for scheduled in meeting.events] if meeting else []


def _time(scheduled: ScheduledClass) -> _Time:
    minute = scheduled.minute_of_week
    return (scheduled.day, scheduled.time) if minute is None else minute
