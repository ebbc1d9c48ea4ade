"""The schedule, which says to which course and Opencast series a recording belongs.

One Zoom meeting can serve several courses. So a meeting has scheduled classes, each of which has
its own course and series. This module also reads rows that the first system wrote, which have one
course and one series for the whole meeting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

import msgspec

DAYS = "MTWRFSU"
"""Letters of Monday to Sunday, as course catalogs use them."""

SHEET_SOURCE = "sheet:"
"""Beginning of the sources of the Google Sheet's scheduled classes; the name of the tab follows."""

DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES


class ScheduledClass(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One weekly class of the schedule.

    `day` is a letter of DAYS, and `time` is the local start, `H:MM` or `HH:MM`. `source` names the
    sheet or file that the scheduled class came from. In rows of the first system, `source` is "".
    """

    day: str
    time: str
    title: str
    course_code: str = ""
    opencast_series_id: str = ""
    source: str = ""

    @property
    def minute_of_week(self) -> int | None:
        """Minutes from Monday, 0:00, to the start; None if day or time can't be read."""
        if len(self.day) != 1 or self.day not in DAYS:
            return None
        try:
            hours, minutes = map(int, self.time.split(":"))
        except ValueError:
            return None
        if not (0 <= hours < 24 and 0 <= minutes < 60):
            return None
        return DAYS.index(self.day) * DAY_MINUTES + hours * 60 + minutes


class ScheduledMeeting(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the schedule table: a Zoom meeting and its scheduled classes.

    `course_code` and `opencast_series_id` are those of the class that was imported last. Both
    attributes are kept for compatibility with rows of the first system, whose classes have neither.
    """

    zoom_series_id: str
    opencast_series_id: str = ""
    course_code: str = ""
    events: tuple[ScheduledClass, ...] = ()

    def series_of(self, scheduled: ScheduledClass) -> str:
        """Return the Opencast series of one of the meeting's scheduled classes, "" for none."""
        return scheduled.opencast_series_id or self.opencast_series_id

    def course_of(self, scheduled: ScheduledClass) -> str:
        """Return the course of one of the meeting's scheduled classes, "" for none.

        A class with a source but without a course has no course, because the meeting's course is
        that of another class.
        """
        return scheduled.course_code or ("" if scheduled.source else self.course_code)

    def without_recordings(self) -> frozenset[ScheduledClass]:
        """Return the scheduled classes that get no recordings because of an earlier one in the row.

        The earlier class, which `match` returns, is at the same time and has another series.
        """
        first: dict[int, str] = {}
        return frozenset(
            scheduled
            for scheduled in self.events
            if (minute := scheduled.minute_of_week) is not None
            and first.setdefault(minute, self.series_of(scheduled)) != self.series_of(scheduled)
        )

    def complete(self, scheduled: ScheduledClass) -> ScheduledClass:
        """Return one of the meeting's scheduled classes with its course and series.

        See `course_of` and `series_of`.
        """
        return msgspec.structs.replace(
            scheduled,
            course_code=self.course_of(scheduled),
            opencast_series_id=self.series_of(scheduled),
        )


MeetingClass = tuple[str, ScheduledClass]
"""A scheduled class with the number of its Zoom meeting."""


class ReplacedSources(msgspec.Struct, frozen=True, kw_only=True):
    """The sources whose scheduled classes an import replaces.

    `names` are sources, and `prefixes` are beginnings of sources. `every` means all sources.
    """

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    every: bool = False

    def include(self, source: str) -> bool:
        """Return whether the import replaces the scheduled classes from `source`."""
        return self.every or source in self.names or source.startswith(self.prefixes)


class ImportPlan(msgspec.Struct, frozen=True):
    """The changes of an import to the table.

    Attributes:
        put: Rows to write.
        delete: Numbers of the meetings to delete.
        added: Number of new meetings.
        changed: Number of meetings that change.
        unchanged: Number of meetings that have replaced, retained or new scheduled classes, and
            whose rows stay the same.
    """

    put: tuple[ScheduledMeeting, ...]
    delete: tuple[str, ...]
    added: int
    changed: int
    unchanged: int


def normalized_course(course: str) -> str:
    """Return a course's name for comparisons, without differences of case and white space."""
    return " ".join(course.casefold().split())


def match(
    meeting: ScheduledMeeting, start: datetime, zone: tzinfo, buffer_minutes: int
) -> ScheduledClass | None:
    """Return the scheduled class that matches a recording's `start` (aware); None if none matches.

    A class matches if the recording starts less than `buffer_minutes` before or after the class, in
    whole minutes of local time. Midnight and the end of the week make no difference: 00:05 on
    Tuesday is 15 minutes after 23:50 on Monday. Of several such classes, the nearest matches. Of
    equally near classes, the first in the row matches. A class that can't be read never matches.

    Raises:
        OverflowError: `start` has no local time in Python's calendar.
    """
    local = start.astimezone(zone)
    minute = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute

    near: list[tuple[int, ScheduledClass]] = []
    for scheduled in meeting.events:
        if scheduled.minute_of_week is not None:
            forward = (minute - scheduled.minute_of_week) % WEEK_MINUTES
            distance = min(forward, WEEK_MINUTES - forward)
            if distance < buffer_minutes:
                near.append((distance, scheduled))
    return min(near, key=lambda candidate: candidate[0])[1] if near else None


def assemble(
    classes: Iterable[MeetingClass], others: Iterable[MeetingClass] = ()
) -> dict[str, ScheduledMeeting]:
    """Return, by meeting number, a row with the meeting's scheduled classes, each class once.

    In a row, the meeting's `classes` come before its `others`. So `match` prefers one of `classes`
    to one of `others` at the same time. The row's `course_code` and `opencast_series_id` are those
    of the row's last class from `classes`, or else of the row's last class.
    """
    meetings: dict[str, dict[ScheduledClass, None]] = {}
    last: dict[str, ScheduledClass] = {}
    for pairs in (classes, others):
        last_of_these: dict[str, ScheduledClass] = {}
        for zoom_series_id, scheduled in pairs:
            known = meetings.setdefault(zoom_series_id, {})
            if scheduled not in known:
                known[scheduled] = None
                last_of_these[zoom_series_id] = scheduled
        last = last_of_these | last
    return {
        zoom_series_id: ScheduledMeeting(
            zoom_series_id=zoom_series_id,
            opencast_series_id=last[zoom_series_id].opencast_series_id,
            course_code=last[zoom_series_id].course_code,
            events=tuple(known),
        )
        for zoom_series_id, known in meetings.items()
    }


def plan_import(
    existing: Sequence[ScheduledMeeting],
    classes: Sequence[MeetingClass],
    replaced: ReplacedSources,
    *,
    retained: Sequence[MeetingClass] = (),
) -> ImportPlan:
    """Plan the changes that replace the scheduled classes from `replaced` by `classes`.

    Classes of other sources and those in `retained` stay, and follow `classes` in a meeting's row.
    Meetings without a replaced, retained or new class keep their rows as they are. The exception is
    a row without any class, which is deleted if `replaced` includes the source "".
    """
    before = {meeting.zoom_series_id: meeting for meeting in existing}
    affected = {*dict(classes), *dict(retained), *_meetings_of(replaced, existing)}
    beside = [pair for pair in classes_beside(existing, replaced) if pair[0] in affected]
    after = assemble(classes, [*retained, *beside])
    emptied = affected - after.keys()
    put = tuple(row for key, row in after.items() if before.get(key) != row)
    added = sum(row.zoom_series_id not in before for row in put)
    return ImportPlan(
        put=put,
        delete=tuple(key for key in before if key in emptied),
        added=added,
        changed=len(put) - added,
        unchanged=len(after) - len(put),
    )


def _meetings_of(sources: ReplacedSources, existing: Iterable[ScheduledMeeting]) -> set[str]:
    """Return the numbers of the meetings that have a scheduled class from one of `sources`.

    A row without scheduled classes counts as a row of the source "", because only the first system
    wrote such rows.
    """
    return {
        meeting.zoom_series_id
        for meeting in existing
        if any(map(sources.include, {scheduled.source for scheduled in meeting.events} or {""}))
    }


def replaced_classes(
    existing: Iterable[ScheduledMeeting], replaced: ReplacedSources
) -> list[MeetingClass]:
    """Return the scheduled classes that an import replaces, complete with course and series."""
    return [
        (meeting.zoom_series_id, meeting.complete(scheduled))
        for meeting in existing
        for scheduled in meeting.events
        if replaced.include(scheduled.source)
    ]


def classes_beside(
    existing: Iterable[ScheduledMeeting], replaced: ReplacedSources
) -> list[MeetingClass]:
    """Return the scheduled classes that an import doesn't replace, with their course and series."""
    return [
        (meeting.zoom_series_id, meeting.complete(scheduled))
        for meeting in existing
        for scheduled in meeting.events
        if not replaced.include(scheduled.source)
    ]
