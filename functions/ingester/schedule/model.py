"""The class schedule: which course, and so which Opencast series, a recording belongs to.

One Zoom meeting can serve several courses, so a meeting has events and each event its own course
and series. Rows of the first system carry these once for the whole meeting; both are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

import msgspec

DAYS = "MTWRFSU"
"""Monday to Sunday, in the letters that course catalogs use."""

DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One weekly class: `day` a letter of DAYS, `time` local `H:MM`.

    `source` names the sheet or file that it came from ("" in rows of the first system).
    """

    day: str
    time: str
    title: str
    course_code: str = ""
    opencast_series_id: str = ""
    source: str = ""

    @property
    def minute_of_week(self) -> int | None:
        """Counted from Monday, 0:00; None if day or time can't be read (edited by hand, say)."""
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
    """A row of the schedule table. `course_code` and `opencast_series_id` are those of the event

    that was imported last: they are what the first system reads, should a site go back to it.
    """

    zoom_series_id: str
    opencast_series_id: str = ""
    course_code: str = ""
    events: tuple[Event, ...] = ()

    def series_of(self, event: Event) -> str:
        return event.opencast_series_id or self.opencast_series_id

    def course_of(self, event: Event) -> str:
        """A class with a source and without a course has none: the meeting's is another class's."""
        return event.course_code or ("" if event.source else self.course_code)


def same_course(course: str) -> str:
    """A course however it is typed."""
    return " ".join(course.casefold().split())


def match(
    meeting: ScheduledMeeting, start: datetime, zone: tzinfo, buffer_minutes: int
) -> Event | None:
    """The event that a recording starting at `start` (aware) belongs to, or None.

    An event matches when the local start lies less than `buffer_minutes` from it on the clock of
    the week, in whole minutes, so that 00:05 on Tuesday is near 23:50 on Monday. Of several, the
    nearest, and of these the first; an event that can't be read never matches.
    """
    local = start.astimezone(zone)
    minute = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute

    near: list[tuple[int, Event]] = []
    for event in meeting.events:
        if event.minute_of_week is not None:
            forward = (minute - event.minute_of_week) % WEEK_MINUTES
            distance = min(forward, WEEK_MINUTES - forward)
            if distance < buffer_minutes:
                near.append((distance, event))
    return min(near, key=lambda one: one[0])[1] if near else None


class ImportPlan(msgspec.Struct, frozen=True):
    """What an import would do to the table: rows to write, meetings to delete."""

    put: tuple[ScheduledMeeting, ...]
    delete: tuple[str, ...]
    added: int
    changed: int
    unchanged: int


def assemble(
    events: Iterable[tuple[str, Event]], others: Iterable[tuple[str, Event]] = ()
) -> dict[str, ScheduledMeeting]:
    """(zoom id, event) pairs as one row a meeting, repeated events once.

    `events` come before `others`, so that of two at the same time theirs is the recording, and the
    last of them gives the row its own course and series.
    """
    meetings: dict[str, dict[Event, None]] = {}
    own: dict[str, Event] = {}
    for pairs in (events, others):
        last: dict[str, Event] = {}
        for zoom_series_id, event in pairs:
            known = meetings.setdefault(zoom_series_id, {})
            if event not in known:
                known[event] = None
                last[zoom_series_id] = event
        own = last | own
    return {
        zoom_series_id: ScheduledMeeting(
            zoom_series_id=zoom_series_id,
            opencast_series_id=own[zoom_series_id].opencast_series_id,
            course_code=own[zoom_series_id].course_code,
            events=tuple(known),
        )
        for zoom_series_id, known in meetings.items()
    }


def plan_import(
    existing: Sequence[ScheduledMeeting],
    events: Sequence[tuple[str, Event]],
    sources: frozenset[str],
    *,
    staying: Sequence[tuple[str, Event]] = (),
    replace_all: bool = False,
) -> ImportPlan:
    """What has to change so that the table holds `events` in place of those from `sources`.

    Events of other sources stay, and so do those in `staying`, also within a meeting that both
    name, but behind those of `events`. Meetings that these sources don't concern stay as they
    are. `sources` holds "" when rows of the first system are to be replaced too.
    """
    before = {meeting.zoom_series_id: meeting for meeting in existing}
    concerned = {key for key, _ in (*events, *staying)} | {
        key for key, meeting in before.items() if replace_all or _sources_of(meeting) & sources
    }
    elsewhere = [] if replace_all else from_elsewhere(existing, sources)
    kept = [(key, event) for key, event in elsewhere if key in concerned]
    wanted = assemble(events, [*staying, *kept])
    put = tuple(row for key, row in wanted.items() if before.get(key) != row)
    return ImportPlan(
        put=put,
        delete=tuple(key for key in before if key in concerned and key not in wanted),
        added=sum(row.zoom_series_id not in before for row in put),
        changed=sum(row.zoom_series_id in before for row in put),
        unchanged=len(wanted) - len(put),
    )


def _sources_of(meeting: ScheduledMeeting) -> set[str]:
    """Where a meeting's events come from; a row without any is the first system's."""
    return {event.source for event in meeting.events} or {""}


def from_elsewhere(
    existing: Iterable[ScheduledMeeting], sources: frozenset[str]
) -> list[tuple[str, Event]]:
    """The events of other sources, with the meeting's course and series if they have none."""
    return [
        (
            meeting.zoom_series_id,
            msgspec.structs.replace(
                event,
                course_code=meeting.course_of(event),
                opencast_series_id=meeting.series_of(event),
            ),
        )
        for meeting in existing
        for event in meeting.events
        if event.source not in sources
    ]
