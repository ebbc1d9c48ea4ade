"""Conflicts and repeats of the schedule: classes of one meeting at the same time.

Classes for different series conflict, because a recording goes to one series only. A class for the
same series from another source is a repeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from ingester.schedule.model import MeetingClass, ScheduledClass
from ingester.schedule.parsed import ParsedSheet, SkippedRow
from ingester.schedule.wording import source_name

_Slot = tuple[str, int | None]
"""A meeting's number and a minute of the week. Only one class counts in a slot."""


class _Holder(msgspec.Struct, frozen=True):
    """The row whose class wins a slot."""

    sheet: str
    row: int
    series: str


class _Conflicts:
    """The conflicts found so far, in order. Times of one row with the same reason are grouped."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, int, str], list[str]] = {}

    def add(self, sheet: str, row: int, scheduled: ScheduledClass, reason: str) -> None:
        """Add the time of a row's class that conflicts with another class."""
        times = self._times.setdefault((sheet, row, reason), [])
        times.append(f"{scheduled.day} {scheduled.time}")

    def rows(self) -> list[SkippedRow]:
        """Return an entry for each conflicting row and each reason, with all conflicting times."""
        return [
            SkippedRow(sheet, row, f"{', '.join(dict.fromkeys(times))} {reason}", all_skipped=False)
            for (sheet, row, reason), times in self._times.items()
        ]


def conflicts(sheets: Iterable[ParsedSheet], others: Iterable[MeetingClass]) -> list[SkippedRow]:
    """Return the rows whose class has the meeting and time of another class, but another series.

    `others` are the classes that stay in the table in addition to those of `sheets`. The first of
    two rows wins, and a row wins over `others`. `plan_import` puts the classes in this order.
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
            own = _Holder(sheet.name, parsed.row, scheduled.opencast_series_id)
            first = holders.setdefault(slot, own)
            if first.series != own.series:
                place = f"{first.sheet} row {first.row}"
                reason = f"is {place}'s already, for another series: that one counts"
                found.add(own.sheet, own.row, scheduled, reason)
    return holders


def _add_conflicts_with_others(
    found: _Conflicts, holders: dict[_Slot, _Holder], others: Iterable[MeetingClass]
) -> None:
    """Add the conflicts between rows and classes that stay in the table to `found`."""
    for meeting, scheduled in others:
        holder = holders.get((meeting, scheduled.minute_of_week))
        if holder and holder.series != scheduled.opencast_series_id:
            reason = (
                f"is also that of series {scheduled.opencast_series_id}, from "
                f"{source_name(scheduled.source)}: this row counts"
            )
            found.add(holder.sheet, holder.row, scheduled, reason)


def repeats(classes: Iterable[MeetingClass], others: Iterable[MeetingClass]) -> dict[str, int]:
    """Return, by source, the number of `others` that repeat one of `classes`.

    `others` are the classes that stay in the table in addition to `classes`.
    """
    imported = {_identity(pair) for pair in classes}
    return Counter(pair[1].source for pair in others if _identity(pair) in imported)


def _identity(pair: MeetingClass) -> tuple[_Slot, str]:
    meeting, scheduled = pair
    return (meeting, scheduled.minute_of_week), scheduled.opencast_series_id
