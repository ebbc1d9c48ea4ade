"""Classes that stay in the schedule although their rows can't be read.

An import replaces: what left its source leaves the table. A class whose row is there, but can't be
read just now, has not left, and its lectures are still recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from ingester.rules.schedule import Event, ScheduledMeeting, same_course


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can't be read and may hold a class: what is known of it all the same.

    `meeting` is "" if its link can't be read, `course` None if that is no name. A row with
    `maybe_merged` has no link, and perhaps shares one with the row above, whose meeting it has.
    """

    source: str
    meeting: str = ""
    course: str | None = None
    maybe_merged: bool = False


class Kept(msgspec.Struct, frozen=True):
    """A class that stays in a meeting, and the row that may be its own."""

    meeting: str
    event: Event
    row: Unread


def still_there(
    before: Iterable[ScheduledMeeting],
    read: Iterable[tuple[str, Event]],
    unread: Iterable[Unread],
    sources: Collection[str] | None,
) -> list[Kept]:
    """The table's classes that rows in `unread` may hold.

    `before` is the table, `read` what could be read, `sources` those that are replaced (None: all).
    They remember the source of their row, and carry their own course and series. A class that was
    read at the same time of the same meeting and course takes the place of the earlier one.
    """
    rows = _Rows(read, unread)
    stay: list[Kept] = []
    for meeting in before:
        key = meeting.zoom_series_id
        for event in meeting.events:
            if sources is not None and event.source not in sources:
                continue
            course = meeting.course_of(event)
            row = rows.of(key, course)
            if row is None or rows.has_read(key, course, event):
                continue
            own = msgspec.structs.replace(
                event,
                course_code=course,
                opencast_series_id=meeting.series_of(event),
                source=row.source,
            )
            stay.append(Kept(key, own, row))
    return stay


class _Rows:
    """The rows of what is imported, those that could be read and those that couldn't."""

    def __init__(self, read: Iterable[tuple[str, Event]], unread: Iterable[Unread]) -> None:
        self._courses: set[tuple[str, str]] = set()
        self._times: set[tuple[str, str, int | None]] = set()
        for key, event in read:
            course = same_course(event.course_code)
            self._courses.add((key, course))
            self._times.add((key, course, event.minute_of_week))
        self._by_meeting: dict[str, list[Unread]] = {}
        self._by_course: dict[str | None, list[Unread]] = {}
        for row in dict.fromkeys(unread):
            if row.meeting and not row.maybe_merged:
                self._by_meeting.setdefault(row.meeting, []).append(row)
            else:
                name = None if row.course is None else same_course(row.course)
                self._by_course.setdefault(name, []).append(row)

    def has_read(self, key: str, course: str, event: Event) -> bool:
        """Whether this course's class at this time of this meeting was read."""
        return (key, same_course(course), event.minute_of_week) in self._times

    def of(self, key: str, course: str) -> Unread | None:
        """The first row that may hold a class of this course in this meeting."""
        gone = (key, same_course(course)) not in self._courses
        rows = (*self._of_meeting(key, course, gone=gone), *self._of_course(key, course, gone=gone))
        # A row of which nothing can be read may hold whatever no other row has.
        unknown = self._by_course.get(None, ()) if gone else ()
        return next(iter((*rows, *unknown)), None)

    def _of_meeting(self, key: str, course: str, *, gone: bool) -> Sequence[Unread]:
        """Rows of its meeting: of its course, and if no row has that, of whichever."""
        rows = self._by_meeting.get(key, ())
        own = [
            row
            for row in rows
            if row.course is not None and same_course(row.course) == same_course(course)
        ]
        return [*own, *(row for row in rows if gone or row.course is None)]

    def _of_course(self, key: str, course: str, *, gone: bool) -> Sequence[Unread]:
        """Rows of its course that don't say which meeting is theirs.

        Most rows without a link are for classes that nobody records: these say nothing of a
        meeting whose row is there, unless it is the one above.
        """
        return [
            row
            for row in self._by_course.get(same_course(course), ())
            if gone or not row.maybe_merged or row.meeting == key
        ]
