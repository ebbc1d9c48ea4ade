"""What an import of the schedule did or would do, in lines that name each meeting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from ingester.rules.schedule import Event, ScheduledMeeting, assemble
from ingester.schedule_import import FIRST_SYSTEM, ImportReport

MOST = 20
"""Lines of one kind; of more only the number is told."""

Class = tuple[str, str, str, str, str]
"""Course, series, day, time, title: what of an event matters to people."""


def lines(report: ImportReport, *, dry_run: bool) -> list[str]:
    """The numbers, then what is added, changed, removed, kept and skipped."""
    plan = report.plan
    before = {meeting.zoom_series_id: meeting for meeting in report.before}
    would = "would be " if dry_run else ""
    head = (
        f"{count(report.meetings, 'meeting')} with {count(report.events, 'event')}: "
        f"{plan.added} {would}added, {plan.changed} {would}changed, {plan.unchanged} unchanged, "
        f"{len(plan.delete)} {would}removed."
    )
    added = [described(row) for row in plan.put if row.zoom_series_id not in before]
    changed = [
        change(before[row.zoom_series_id], row) for row in plan.put if row.zoom_series_id in before
    ]
    removed = [described(before[key]) for key in plan.delete if key in before]
    return [
        head,
        *section("Would be added" if dry_run else "Added", added),
        *section("Would be changed" if dry_run else "Changed", changed),
        *section("Would be removed" if dry_run else "Removed", removed),
        *section("Kept as before", _kept(report)),
        *section("Skipped", [str(one) for one in report.skipped]),
    ]


def _kept(report: ImportReport) -> list[str]:
    """The classes whose rows can't be read, by their meetings."""
    return [described(meeting) for meeting in assemble(report.kept).values()]


def section(title: str, entries: Sequence[str]) -> list[str]:
    """A heading with the number, and the first entries; nothing if there are none."""
    if not entries:
        return []
    rest = len(entries) - MOST
    more = [f"  … and {rest} more"] if rest > 0 else []
    return [f"{title}, {len(entries)} in all:", *(f"  {one}" for one in entries[:MOST]), *more]


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


def count(number: int, thing: str) -> str:
    """`1 meeting`, `2 meetings`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


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
    found = dict.fromkeys(event.source for event in meeting.events) or {FIRST_SYSTEM: None}
    return ", ".join(source or "the first system's sheet" for source in found)
