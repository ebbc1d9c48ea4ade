"""Conflicts, repeats and copies in the schedule: scheduled classes of a meeting at the same time.

Scheduled classes for different series conflict, because a recording goes to one series only. A
scheduled class for the same series from another source is a repeat. A row with the scheduled class,
course and title of an earlier row is a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from ingester.schedule.model import MeetingClass, ScheduledClass, normalized_course
from ingester.schedule.parsed import ParsedClass, ParsedSheet, RowProblem
from ingester.schedule.sheet.cells import course_label
from ingester.schedule.wording import NO_RECORDINGS, source_name

_Slot = tuple[str, int | None]
"""A meeting's number and a minute of the week, None if the minute can't be read. Only one scheduled
class counts in a slot."""


class _Holder(msgspec.Struct, frozen=True):
    """The row of a scheduled class, with the class's series and course."""

    sheet: str
    row: int
    series: str
    course: str


class _Conflicts:
    """Conflicts or copies, in order. Times of one row with the same reason are grouped."""

    def __init__(self) -> None:
        self._times: dict[tuple[_Holder, str], list[str]] = {}

    def add(self, own: _Holder, scheduled: ScheduledClass, reason: str) -> None:
        """Add the time of a row's scheduled class that conflicts with another class or is a copy.

        `reason` is the text that follows the times in the row's problem.
        """
        times = self._times.setdefault((own, reason), [])
        times.append(f"{scheduled.day} {scheduled.time}")

    def rows(self) -> list[RowProblem]:
        """Return an entry for each row and each of its reasons, with all times."""
        return [
            RowProblem(
                own.sheet,
                own.row,
                f"{', '.join(dict.fromkeys(times))} {reason}",
                all_skipped=False,
                course=course_label(own.course),
            )
            for (own, reason), times in self._times.items()
        ]


def conflicts(sheets: Iterable[ParsedSheet], others: Iterable[MeetingClass]) -> list[RowProblem]:
    """Return the rows with scheduled classes that conflict with others, and the reasons.

    The first of two conflicting rows wins, and the second one is returned. `others` are the classes
    that stay in the table in addition to those of `sheets`. A row wins over `others`, and is
    returned as well. `plan_import` puts the classes in this order.
    """
    found = _Conflicts()
    holders = _add_conflicts_of_rows(found, sheets)
    _add_conflicts_with_others(found, holders, others)
    return found.rows()


def _add_conflicts_of_rows(
    found: _Conflicts, sheets: Iterable[ParsedSheet]
) -> dict[_Slot, _Holder]:
    """Add the conflicts between rows to `found`. Return the row that wins each slot."""
    holders: dict[_Slot, _Holder] = {}
    for sheet in sheets:
        for parsed in sheet.classes:
            scheduled = parsed.scheduled
            slot = parsed.meeting, scheduled.minute_of_week
            own = _holder(sheet, parsed)
            first = holders.setdefault(slot, own)
            if first.series != own.series:
                place = f"{first.sheet} row {first.row}"
                reason = (
                    f"is {place}'s already, for another series: that one counts, and this class "
                    f"{NO_RECORDINGS}"
                )
                found.add(own, scheduled, reason)
    return holders


def _add_conflicts_with_others(
    found: _Conflicts, holders: dict[_Slot, _Holder], others: Iterable[MeetingClass]
) -> None:
    """Add the conflicts between rows and scheduled classes that stay in the table to `found`."""
    for meeting, scheduled in others:
        holder = holders.get((meeting, scheduled.minute_of_week))
        if holder and holder.series != scheduled.opencast_series_id:
            reason = (
                f"is also that of series {scheduled.opencast_series_id}, from "
                f"{source_name(scheduled.source)}: this row counts"
            )
            found.add(holder, scheduled, reason)


def copies(sheets: Iterable[ParsedSheet]) -> list[RowProblem]:
    """Return the rows that copy the scheduled class, course and title of an earlier row."""
    found = _Conflicts()
    rows: dict[tuple[_Slot, str, str, str], _Holder] = {}
    for sheet in sheets:
        for parsed in sheet.classes:
            scheduled, own = parsed.scheduled, _holder(sheet, parsed)
            slot, series = _identity((parsed.meeting, scheduled))
            course = normalized_course(scheduled.course_code)
            first = rows.setdefault((slot, series, course, scheduled.title), own)
            if (first.sheet, first.row) != (own.sheet, own.row):
                tab = "" if first.sheet == own.sheet else f"{first.sheet} "
                reason = (
                    f"is the same class as {tab}row {first.row}: if only one of the rows changes, "
                    "both times are in force"
                )
                found.add(own, scheduled, reason)
    return found.rows()


def _holder(sheet: ParsedSheet, parsed: ParsedClass) -> _Holder:
    scheduled = parsed.scheduled
    return _Holder(sheet.name, parsed.row, scheduled.opencast_series_id, scheduled.course_code)


def repeats(classes: Iterable[MeetingClass], others: Iterable[MeetingClass]) -> dict[str, int]:
    """Return, by source, the number of `others` that repeat one of `classes`.

    `others` are the scheduled classes that stay in the table in addition to `classes`.
    """
    imported = {_identity(pair) for pair in classes}
    return Counter(pair[1].source for pair in others if _identity(pair) in imported)


def _identity(pair: MeetingClass) -> tuple[_Slot, str]:
    meeting, scheduled = pair
    return (meeting, scheduled.minute_of_week), scheduled.opencast_series_id
