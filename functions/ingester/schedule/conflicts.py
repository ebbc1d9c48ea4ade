"""Classes of one meeting at the same time, for different series: a recording can have but one."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ingester.schedule.model import Event
from ingester.schedule.sheet_parser import ParsedSheet, Skipped


class _Holder(msgspec.Struct, frozen=True):
    """Who has a time of a meeting: a row of a sheet, or what is in the table from elsewhere."""

    place: str
    series: str
    row: tuple[str, int] | None = None


def clashes(parsed: Iterable[ParsedSheet], others: Iterable[tuple[str, Event]]) -> list[Skipped]:
    """The rows that want a time for a series, and another row or an earlier import for another.

    `others` are the classes that stay beside those of `parsed`, as (zoom id, event). Of rows the
    first has the time, and any row before what is there from elsewhere, as `plan_import` has it.
    """
    holders: dict[tuple[str, int | None], _Holder] = {}
    found: dict[tuple[str, int, str], list[str]] = {}
    for sheet in parsed:
        for row, (key, event) in zip(sheet.rows, sheet.events, strict=False):
            place = f"{sheet.name} row {row}"
            mine = _Holder(place, event.opencast_series_id, (sheet.name, row))
            first = holders.setdefault((key, event.minute_of_week), mine)
            if first.series != mine.series:
                text = f"is {first.place}'s already, for another series: that one counts"
                found.setdefault((sheet.name, row, text), []).append(_time(event))
    for key, event in others:
        holder = holders.get((key, event.minute_of_week))
        if holder and holder.row and holder.series != event.opencast_series_id:
            where = event.source or "the first system's sheet"
            text = (
                f"is also that of series {event.opencast_series_id}, from {where}: this row counts"
            )
            found.setdefault((*holder.row, text), []).append(_time(event))
    return [
        Skipped(name, row, f"{', '.join(dict.fromkeys(times))} {text}", whole=False)
        for (name, row, text), times in found.items()
    ]


def _time(event: Event) -> str:
    return f"{event.day} {event.time}"
