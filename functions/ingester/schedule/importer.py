"""The import of a schedule: every source is read and checked before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from ingester.errors import NothingToImport, UnusableSheet
from ingester.schedule.conflicts import conflicts, copies, repeats
from ingester.schedule.model import (
    SHEET_SOURCE,
    ImportPlan,
    ReplacedSources,
    ScheduledMeeting,
    classes_beside,
    plan_import,
)
from ingester.schedule.parsed import ParsedSheet, RowProblem
from ingester.schedule.retained import RetainedClass, retained_classes
from ingester.schedule.sheet.parser import parse

CSV_SOURCE = "csv:"
JSON_SOURCE = "json:"
OPENCAST_SOURCE = "oc:"
FIRST_SYSTEM = ""
"""Source of the rows that the first system wrote, which don't name a source."""

GOOGLE_SHEET_SOURCES = ReplacedSources(names=frozenset({FIRST_SYSTEM}), prefixes=(SHEET_SOURCE,))
"""Sources of the Google Sheet's scheduled classes: its tabs, even renamed, and the first system."""

LARGEST_ROW = 380_000
"""Maximum number of bytes of a meeting as JSON, a bit less than DynamoDB's limit of 400 KB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

MAX_NAMED = 10
"""Maximum number of problems that an error names."""


class Table(Protocol):
    """The methods of the schedule's table that an import needs."""

    def all(self) -> list[ScheduledMeeting]: ...

    def apply(self, put: Iterable[ScheduledMeeting], delete: Iterable[str]) -> None: ...


class Sheet(msgspec.Struct, frozen=True):
    """A sheet's rows of text.

    `name` is the sheet's name for people. `source` is the source that the sheet's scheduled classes
    get.
    """

    name: str
    source: str
    rows: Sequence[Sequence[str]]


class ImportReport(msgspec.Struct, frozen=True):
    """Result of an import, or of a dry run.

    `meetings` and `classes` are the numbers of meetings and scheduled classes that were read.
    `retained` are the scheduled classes that stay in the table, because rows that may hold these
    classes can't be read. `before` is the whole table before the import. `repeats` are the numbers
    of scheduled classes that other sources have too, by source.
    """

    plan: ImportPlan
    meetings: int
    classes: int
    problems: tuple[RowProblem, ...]
    retained: tuple[RetainedClass, ...] = ()
    before: tuple[ScheduledMeeting, ...] = ()
    repeats: Mapping[str, int] = {}


def import_sheets(
    table: Table,
    sheets: Sequence[Sheet],
    also_replaced: ReplacedSources,
    *,
    dry_run: bool = False,
) -> ImportReport:
    """Replace the scheduled classes of the sheets' sources and `also_replaced` by the sheets' own.

    A scheduled class stays in the table if an unreadable row of a sheet may hold the class. A dry
    run writes nothing. An import that raises one of the errors below writes nothing either. Return
    the report.

    Raises:
        UnusableSheet: A sheet has no sound header or too many rows, all of its rows have become
            unusable, or a meeting is too large for a row of the table.
        NothingToImport: No row can be used.
        ScheduleUnreadable: A row of the table can't be parsed.
    """
    names = also_replaced.names | {sheet.source for sheet in sheets}
    return import_parsed(
        table,
        [parse(sheet.name, sheet.source, sheet.rows) for sheet in sheets],
        msgspec.structs.replace(also_replaced, names=names),
        dry_run=dry_run,
    )


def import_parsed(
    table: Table,
    sheets: Sequence[ParsedSheet],
    replaced: ReplacedSources,
    *,
    dry_run: bool = False,
) -> ImportReport:
    """Replace the scheduled classes of the sources `replaced` by those of `sheets`.

    A scheduled class stays in the table if an unreadable row of a sheet may hold the class. A dry
    run writes nothing. Return the report.

    Raises:
        UnusableSheet: All rows of a sheet have become unusable, or a meeting is too large for a row
            of the table.
        NothingToImport: No row can be used.
        ScheduleUnreadable: A row of the table can't be parsed.
    """
    read = [pair for sheet in sheets for pair in sheet.pairs]
    problems = [row for sheet in sheets for row in sheet.problems]
    if not read:
        why = _first(problems) or "There is no row below the header."
        raise NothingToImport(f"No row can be used, so nothing was changed. {why}")
    before = table.all()
    _check_sheets(sheets, before)
    unread = filter(None, (row.unread for row in problems))
    retained = retained_classes(before, read, unread, replaced)
    staying = [kept.pair for kept in retained]
    plan = plan_import(before, read, replaced, retained=staying)
    beside = classes_beside(before, replaced)
    conflicting = conflicts(sheets, [*staying, *beside])
    _check_sizes(plan)
    if not dry_run:
        table.apply(plan.put, plan.delete)
    return ImportReport(
        plan=plan,
        meetings=len(dict(read)),
        classes=len(set(read)),
        problems=(*problems, *conflicting, *copies(sheets)),
        retained=tuple(retained),
        before=tuple(before),
        repeats=repeats(read, beside),
    )


def _first(problems: Sequence[RowProblem]) -> str:
    """Describe the first problems, and count the others; "" if there is none."""
    more = len(problems) - MAX_NAMED
    first = "; ".join(map(str, problems[:MAX_NAMED]))
    return first + (f"; and {more} more" if more > 0 else "")


def _check_sheets(sheets: Iterable[ParsedSheet], table: Collection[ScheduledMeeting]) -> None:
    """Raise UnusableSheet if a sheet with scheduled classes in the table has only unusable rows.

    The usual cause is a column with another format, or a failed formula. An empty sheet is allowed.
    """
    in_table = {scheduled.source for meeting in table for scheduled in meeting.events}
    for sheet in sheets:
        if not sheet.classes and sheet.problems and sheet.source in in_table:
            raise UnusableSheet(
                f"{sheet.name} has classes in the schedule, and now none of its rows can be used. "
                f"Nothing was changed. {_first(sheet.problems)}"
            )


def _check_sizes(plan: ImportPlan) -> None:
    """Raise UnusableSheet if a meeting is larger than `LARGEST_ROW`.

    Without this check, other rows would be written before DynamoDB refuses the meeting's row.
    """
    for meeting in plan.put:
        if len(msgspec.json.encode(meeting)) > LARGEST_ROW:
            raise UnusableSheet(
                f"Meeting {meeting.zoom_series_id} would have {len(meeting.events):,} classes, "
                "and more text than its row in the schedule's table holds. Are rows repeated by "
                "mistake, or is a cell far too long? Nothing was changed."
            )
