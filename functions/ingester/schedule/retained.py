"""Scheduled classes that an import retains because their rows can't be read.

An import removes a scheduled class from the table if the class isn't in its sheet or file any more.
If that sheet or file has a row that can't be read and may hold the class, the class stays, so that
the class's recordings still get the class's series.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ingester.schedule.model import (
    MeetingClass,
    ReplacedSources,
    ScheduledClass,
    ScheduledMeeting,
    normalized_course,
    replaced_classes,
)


class UnreadRow(msgspec.Struct, frozen=True, kw_only=True):
    """The readable fields of a row that can't be used but may hold a scheduled class.

    Attributes:
        source: Source of the row's scheduled classes.
        meeting: Number of the meeting; "" if the meeting isn't known.
        course: The course, "" for no course; None if the course isn't known.
        maybe_merged: Whether the row's link cell is empty, while a cell above has text, so that the
            cells may be merged. Then `meeting` is that of the cell above, or "" if the course above
            differs or the link can't be read.
        classes: The row's scheduled classes, if nothing but the link is missing.
    """

    source: str
    meeting: str = ""
    course: str | None = None
    maybe_merged: bool = False
    classes: tuple[ScheduledClass, ...] = ()

    @property
    def normalized_course(self) -> str | None:
        """The course in the form for comparisons; None if the course isn't known."""
        return None if self.course is None else normalized_course(self.course)


class RetainedClass(msgspec.Struct, frozen=True):
    """A scheduled class that stays in a meeting, with the row that may hold the class."""

    meeting: str
    scheduled: ScheduledClass
    row: UnreadRow

    @property
    def pair(self) -> MeetingClass:
        """The scheduled class with the number of its meeting."""
        return self.meeting, self.scheduled


def retained_classes(
    table: Sequence[ScheduledMeeting],
    read: Iterable[MeetingClass],
    unread: Iterable[UnreadRow],
    replaced: ReplacedSources,
) -> list[RetainedClass]:
    """Return the table's scheduled classes that an import replaces and a row in `unread` may hold.

    The returned scheduled classes have the source of that row, and their course and series
    filled in. A scheduled class isn't retained if `read` has one of the same meeting, course and
    time.
    """
    read_classes, unread_rows = _ReadClasses(read), _UnreadRows(table, unread)
    retained: list[RetainedClass] = []
    for meeting, scheduled in replaced_classes(table, replaced):
        key = _ClassKey.of(meeting, scheduled)
        row = unread_rows.holding(key, is_read=read_classes.have_course(key))
        if row and not read_classes.have(key):
            own = msgspec.structs.replace(scheduled, source=row.source)
            retained.append(RetainedClass(meeting, own, row))
    return retained


class _ClassKey(msgspec.Struct, frozen=True):
    """A scheduled class of a meeting, with the course in the form for comparisons."""

    meeting: str
    course: str
    scheduled: ScheduledClass

    @classmethod
    def of(cls, meeting: str, scheduled: ScheduledClass) -> _ClassKey:
        return cls(meeting, normalized_course(scheduled.course_code), scheduled)


class _ReadClasses:
    """The courses and times of the rows that could be read."""

    def __init__(self, read: Iterable[MeetingClass]) -> None:
        keys = [_ClassKey.of(meeting, scheduled) for meeting, scheduled in read]
        self._courses = {(key.meeting, key.course) for key in keys}
        self._times = {(key.meeting, key.course, key.scheduled.minute_of_week) for key in keys}

    def have_course(self, key: _ClassKey) -> bool:
        """Return whether a scheduled class of the same meeting and course was read."""
        return (key.meeting, key.course) in self._courses

    def have(self, key: _ClassKey) -> bool:
        """Return whether a scheduled class of the same meeting, course and time was read."""
        return (key.meeting, key.course, key.scheduled.minute_of_week) in self._times


class _UnreadRows:
    """The rows that couldn't be read, by meeting and by course."""

    def __init__(self, table: Iterable[ScheduledMeeting], unread: Iterable[UnreadRow]) -> None:
        self._in_table = {
            (meeting.zoom_series_id, normalized_course(meeting.course_of(scheduled)))
            for meeting in table
            for scheduled in meeting.events
        }
        self._by_meeting: dict[str, list[UnreadRow]] = {}
        self._by_course: dict[str | None, list[UnreadRow]] = {}
        for row in dict.fromkeys(unread):
            has_own_link = row.meeting and not row.maybe_merged
            if has_own_link:
                self._by_meeting.setdefault(row.meeting, []).append(row)
            if not has_own_link or self._has_new_link(row):
                self._by_course.setdefault(row.normalized_course, []).append(row)

    def _has_new_link(self, row: UnreadRow) -> bool:
        """Return whether the row's course has no scheduled class in the row's meeting yet.

        If the row's course isn't known, no scheduled class of any course counts.
        """
        course = row.normalized_course
        if course is None:
            return all(meeting != row.meeting for meeting, _ in self._in_table)
        return (row.meeting, course) not in self._in_table

    def holding(self, key: _ClassKey, *, is_read: bool) -> UnreadRow | None:
        """Return the first row that may hold a scheduled class of the table, or None.

        `is_read` says whether a row of the same meeting and course could be read.
        """
        rows = [*self._of_meeting(key, is_read=is_read), *self._of_course(key, is_read=is_read)]
        if not is_read:
            # A row without a readable course may hold any scheduled class that no other row has.
            rows += self._by_course.get(None, ())
        return rows[0] if rows else None

    def _of_meeting(self, key: _ClassKey, *, is_read: bool) -> Sequence[UnreadRow]:
        """Return the meeting's rows that may hold a scheduled class.

        Rows of the class's course come first, and rows whose course isn't known follow. Rows of
        another course count only if no row of the class's meeting and course could be read
        (`is_read` is false).
        """
        rows = self._by_meeting.get(key.meeting, ())
        own = [row for row in rows if row.normalized_course == key.course]
        return [*own, *(row for row in rows if row.course is None or not is_read)]

    def _of_course(self, key: _ClassKey, *, is_read: bool) -> Sequence[UnreadRow]:
        """Return rows of the scheduled class's course with no link, or an unreadable or new link.

        Most rows with an empty link cell are for classes that nobody records. So if a row of the
        class's meeting and course could be read, a `maybe_merged` row counts only in two cases: the
        row is below a row of that meeting, or the row lacks only the link and has the same class.
        """
        return [
            row
            for row in self._by_course.get(key.course, ())
            if not is_read
            or not row.maybe_merged
            or row.meeting == key.meeting
            or _is_among(key.scheduled, row.classes)
        ]


def _is_among(scheduled: ScheduledClass, classes: Iterable[ScheduledClass]) -> bool:
    """Return whether one of `classes` has the same time, title and series as `scheduled`."""
    return _content(scheduled) in map(_content, classes)


def _content(scheduled: ScheduledClass) -> tuple[int | None, str, str]:
    return scheduled.minute_of_week, scheduled.title, scheduled.opencast_series_id
