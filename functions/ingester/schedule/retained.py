"""Classes that stay in the schedule although their rows can't be read.

An import replaces: what left its source leaves the table. A class whose row is there, but can't be
read just now, has not left, and its lectures are still recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from ingester.schedule.model import Event, ScheduledMeeting, same_course


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can't be read and may hold a class: what is known of it all the same.

    `meeting` is "" if its link can't be read, `course` None if that is no name. A row with
    `maybe_merged` has no link, and perhaps shares one with the row above, whose meeting it has;
    `events` are its classes if it lacks nothing but a link.
    """

    source: str
    meeting: str = ""
    course: str | None = None
    maybe_merged: bool = False
    events: tuple[Event, ...] = ()


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
    table = list(before)
    rows = _Rows(table, read, unread)
    stay: list[Kept] = []
    for meeting in table:
        key = meeting.zoom_series_id
        for event in meeting.events:
            if sources is not None and event.source not in sources:
                continue
            own = msgspec.structs.replace(
                event,
                course_code=meeting.course_of(event),
                opencast_series_id=meeting.series_of(event),
            )
            row = rows.of(key, own)
            if row and not rows.has_read(key, own):
                stay.append(Kept(key, msgspec.structs.replace(own, source=row.source), row))
    return stay


class _Rows:
    """The rows of what is imported, those that could be read and those that couldn't."""

    def __init__(
        self,
        table: Iterable[ScheduledMeeting],
        read: Iterable[tuple[str, Event]],
        unread: Iterable[Unread],
    ) -> None:
        self._held = {
            (meeting.zoom_series_id, same_course(meeting.course_of(event)))
            for meeting in table
            for event in meeting.events
        }
        self._courses: set[tuple[str, str]] = set()
        self._times: set[tuple[str, str, int | None]] = set()
        for key, event in read:
            course = same_course(event.course_code)
            self._courses.add((key, course))
            self._times.add((key, course, event.minute_of_week))
        self._by_meeting: dict[str, list[Unread]] = {}
        self._by_course: dict[str | None, list[Unread]] = {}
        for row in dict.fromkeys(unread):
            name = None if row.course is None else same_course(row.course)
            is_of_a_meeting = row.meeting and not row.maybe_merged
            if is_of_a_meeting:
                self._by_meeting.setdefault(row.meeting, []).append(row)
            if not is_of_a_meeting or self._has_a_new_link(row):
                self._by_course.setdefault(name, []).append(row)

    def _has_a_new_link(self, row: Unread) -> bool:
        """Whether its meeting had no class of its course, which may be in another one so far."""
        return row.course is not None and (row.meeting, same_course(row.course)) not in self._held

    def has_read(self, key: str, event: Event) -> bool:
        """Whether this course's class at this time of this meeting was read."""
        return (key, same_course(event.course_code), event.minute_of_week) in self._times

    def of(self, key: str, event: Event) -> Unread | None:
        """The first row that may hold this class of this meeting."""
        course = same_course(event.course_code)
        gone = (key, course) not in self._courses
        rows = (*self._of_meeting(key, course, gone=gone), *self._of_course(key, event, gone=gone))
        # A row of which nothing can be read may hold whatever no other row has.
        unknown = self._by_course.get(None, ()) if gone else ()
        return next(iter((*rows, *unknown)), None)

    def _of_meeting(self, key: str, course: str, *, gone: bool) -> Sequence[Unread]:
        """Rows of its meeting: of its course, and if no row has that, of whichever."""
        rows = self._by_meeting.get(key, ())
        own = [row for row in rows if row.course is not None and same_course(row.course) == course]
        return [*own, *(row for row in rows if gone or row.course is None)]

    def _of_course(self, key: str, event: Event, *, gone: bool) -> Sequence[Unread]:
        """Rows of its course that don't say which meeting is theirs, or name one that is new.

        Most rows without a link are for classes that nobody records: these say nothing of a
        meeting whose row is there, unless it is the one above, or the class is as they have it.
        """
        return [
            row
            for row in self._by_course.get(same_course(event.course_code), ())
            if gone or not row.maybe_merged or row.meeting == key or _is_one_of(event, row.events)
        ]


def _is_one_of(event: Event, events: Iterable[Event]) -> bool:
    """Whether it is one of a course's `events`, so that its row lacks nothing but the link."""
    return any(
        (one.minute_of_week, one.title, one.opencast_series_id)
        == (event.minute_of_week, event.title, event.opencast_series_id)
        for one in events
    )
