"""A schedule's import: every source is read and checked before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import msgspec

from ingester.errors import NothingToImport, UnusableSheet
from ingester.schedule.conflicts import clashes
from ingester.schedule.model import ImportPlan, ScheduledMeeting, from_elsewhere, plan_import
from ingester.schedule.retained import Kept, still_there
from ingester.schedule.sheet_parser import ParsedSheet, Skipped, parse

CSV_SOURCE = "csv:"
JSON_SOURCE = "json:"
OPENCAST_SOURCE = "oc:"
SHEET_SOURCE = "sheet:"
FIRST_SYSTEM = ""
"""The source of rows that don't say where they came from: the first system's, from the sheet."""

LARGEST_ROW = 380_000
"""Bytes of a meeting as JSON: a bit less than what DynamoDB takes as one item (400 KB)."""

NAMED = 10
"""How many of the rows that can't be used an error names."""


class Table(Protocol):
    """What is needed of the schedule table."""

    def all(self) -> list[ScheduledMeeting]: ...

    def apply(self, put: Iterable[ScheduledMeeting], delete: Iterable[str]) -> None: ...


class Sheet(msgspec.Struct, frozen=True):
    """A sheet's rows as text. `name` is for people, `source` is what its events remember."""

    name: str
    source: str
    rows: Sequence[Sequence[str]]


class ImportReport(msgspec.Struct, frozen=True):
    """What an import did, or would do.

    `meetings` and `events` count what was read; `kept` are the classes that stay as they were,
    because rows that may be theirs can't be read. `before` is the whole table as it was.
    """

    plan: ImportPlan
    meetings: int
    events: int
    skipped: tuple[Skipped, ...]
    kept: tuple[Kept, ...] = ()
    before: tuple[ScheduledMeeting, ...] = ()


def import_sheets(
    table: Table,
    sheets: Sequence[Sheet],
    *,
    also_replacing: frozenset[str] = frozenset(),
    kinds: tuple[str, ...] = (),
    replace_all: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """Replaces in the table what came from these sheets (and from `also_replacing`).

    `kinds` are what sources begin with that are replaced too, such as SHEET_SOURCE. All or
    nothing: UnusableSheet for a sheet without its columns, or whose rows have all become unusable,
    NothingToImport when no row is usable; then nothing was written. `dry_run` writes nothing
    either.
    """
    parsed = [parse(sheet.name, sheet.source, sheet.rows) for sheet in sheets]
    return import_parsed(
        table,
        parsed,
        frozenset(sheet.source for sheet in sheets) | also_replacing,
        kinds=kinds,
        replace_all=replace_all,
        dry_run=dry_run,
    )


def import_parsed(
    table: Table,
    parsed: Sequence[ParsedSheet],
    sources: frozenset[str],
    *,
    kinds: tuple[str, ...] = (),
    replace_all: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """The same for what has been read already. `sources` are those that it takes the place of.

    A class whose row is there but can't be read stays as it was.
    """
    events = [event for one in parsed for event in one.events]
    skipped = tuple(skip for one in parsed for skip in one.skipped)
    if not events:
        raise NothingToImport(f"No row can be used, so nothing was changed. {_named(skipped)}")
    before = table.all()
    there = {event.source for meeting in before for event in meeting.events}
    _check_tabs(parsed, there)
    sources |= {source for source in there if source.startswith(kinds)}
    kept = still_there(
        before,
        events,
        (skip.unread for skip in skipped if skip.unread),
        None if replace_all else sources,
    )
    stay = [(one.meeting, one.event) for one in kept]
    plan = plan_import(before, events, sources, staying=stay, replace_all=replace_all)
    beside = [] if replace_all else from_elsewhere(before, sources)
    skipped = (*skipped, *clashes(parsed, [*stay, *beside]))
    _check_sizes(plan)
    if not dry_run:
        table.apply(plan.put, plan.delete)
    return ImportReport(
        plan=plan,
        meetings=len({zoom_series_id for zoom_series_id, _ in events}),
        events=len(set(events)),
        skipped=skipped,
        kept=tuple(kept),
        before=tuple(before),
    )


def _named(skipped: Sequence[Skipped]) -> str:
    """The first of what was skipped, in an error."""
    more = len(skipped) - NAMED
    first = "; ".join(str(one) for one in skipped[:NAMED])
    return first + (f"; and {more} more" if more > 0 else "")


def _check_tabs(parsed: Sequence[ParsedSheet], there: Collection[str]) -> None:
    """UnusableSheet for one that the table has classes from, and whose rows all can't be used.

    Somebody changed a column's format, or the formula that fills it has failed: it isn't empty.
    """
    for one in parsed:
        if not one.events and one.skipped and one.source in there:
            raise UnusableSheet(
                f"{one.name} has classes in the schedule, and now none of its rows can be used. "
                f"Nothing was changed. {_named(one.skipped)}"
            )


def _check_sizes(plan: ImportPlan) -> None:
    """UnusableSheet if DynamoDB would refuse a row, which it would do after others are written."""
    for meeting in plan.put:
        if len(msgspec.json.encode(meeting)) > LARGEST_ROW:
            raise UnusableSheet(
                f"Meeting {meeting.zoom_series_id} would have {len(meeting.events):,} classes, "
                "and more text than its row in the schedule's table holds. Are rows repeated by "
                "mistake, or is a cell far too long? Nothing was changed."
            )
