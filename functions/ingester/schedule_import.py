"""A schedule's import: every sheet is read and checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from ingester.errors import NothingToImport
from ingester.rules.schedule import Event, ImportPlan, ScheduledMeeting, plan_import
from ingester.rules.schedule_rows import Skipped, parse

CSV_SOURCE = "csv:"
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
    """What an import did, or would do."""

    plan: ImportPlan
    meetings: int
    events: int
    skipped: tuple[Skipped, ...]


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
    events: list[tuple[str, Event]] = []
    skipped: list[Skipped] = []
    for sheet in sheets:
        parsed = parse(sheet.name, sheet.source, sheet.rows)
        events += parsed.events
        skipped += parsed.skipped
    if not events:
        raise NothingToImport(
            "No row can be used, so nothing was changed. "
            + "; ".join(str(one) for one in skipped[:10])
        )
    sources = frozenset(sheet.source for sheet in sheets) | also_replacing
    plan = plan_import(table.all(), events, sources, replace_all=replace_all)
    if not dry_run:
        table.apply(plan.put, plan.delete)
    return ImportReport(
        plan=plan,
        meetings=len({zoom_series_id for zoom_series_id, _ in events}),
        events=len(events),
        skipped=tuple(skipped),
    )
