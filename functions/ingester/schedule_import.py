"""A schedule's import: every source is read and checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from ingester.errors import NothingToImport
from ingester.rules.schedule import ImportPlan, ScheduledMeeting, plan_import
from ingester.rules.schedule_rows import ParsedSheet, Skipped, parse

CSV_SOURCE = "csv:"
JSON_SOURCE = "json:"
OPENCAST_SOURCE = "oc:"
FIRST_SYSTEM = ""
"""The source of rows that don't say where they came from: the first system's, from the sheet."""


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
    """What an import did, or would do. `before` is the whole table as it was."""

    plan: ImportPlan
    meetings: int
    events: int
    skipped: tuple[Skipped, ...]
    before: tuple[ScheduledMeeting, ...] = ()


def import_sheets(
    table: Table,
    sheets: Sequence[Sheet],
    *,
    also_replacing: frozenset[str] = frozenset(),
    replace_all: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """Replaces in the table what came from these sheets (and from `also_replacing`).

    All or nothing: BadRequest for a sheet without its columns, NothingToImport when no row is
    usable; then nothing was written. `dry_run` writes nothing either.
    """
    parsed = [parse(sheet.name, sheet.source, sheet.rows) for sheet in sheets]
    return import_parsed(
        table,
        parsed,
        frozenset(sheet.source for sheet in sheets) | also_replacing,
        replace_all=replace_all,
        dry_run=dry_run,
    )


def import_parsed(
    table: Table,
    parsed: Sequence[ParsedSheet],
    sources: frozenset[str],
    *,
    replace_all: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """The same for what has been read already. `sources` are those that it takes the place of."""
    events = [event for one in parsed for event in one.events]
    skipped = tuple(skip for one in parsed for skip in one.skipped)
    if not events:
        raise NothingToImport(
            "No row can be used, so nothing was changed. "
            + "; ".join(str(one) for one in skipped[:10])
        )
    before = table.all()
    plan = plan_import(before, events, sources, replace_all=replace_all)
    if not dry_run:
        table.apply(plan.put, plan.delete)
    return ImportReport(
        plan=plan,
        meetings=len({zoom_series_id for zoom_series_id, _ in events}),
        events=len(events),
        skipped=skipped,
        before=tuple(before),
    )
