"""The parser of a sheet: rows of text, as coordinators type them, become scheduled classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingester.schedule.parsed import ParsedClass, ParsedSheet, SkippedRow
from ingester.schedule.sheet.cells import MEETING, CellProblem
from ingester.schedule.sheet.header import find_header
from ingester.schedule.sheet.row import Row, hints, read_row, reason, rows_below, unread


def parse(name: str, source: str, rows: Iterable[Sequence[str]]) -> ParsedSheet:
    """Read a sheet.

    `name` is the sheet's name for people; `source` is what its classes note as their source. The
    first row with all columns' names is the header. Columns are found by name, in any case and
    order; other columns and rows above the header are ignored. Rows count from 1.

    Raises:
        UnusableSheet: the sheet has no sound header, so nothing of it can be trusted.
    """
    every = list(rows)
    classes: list[ParsedClass] = []
    skipped: list[SkippedRow] = []
    for row in rows_below(find_header(name, every), every):
        try:
            meeting, found = read_row(row, source)
        except CellProblem as problem:
            skipped.append(_skipped(name, source, row, problem))
            continue
        skipped.extend(SkippedRow(name, row.number, hint, whole=False) for hint in hints(row))
        classes.extend(ParsedClass(row.number, meeting, scheduled) for scheduled in found)
    return ParsedSheet(name=name, source=source, classes=tuple(classes), skipped=tuple(skipped))


def _skipped(name: str, source: str, row: Row, problem: CellProblem) -> SkippedRow:
    return SkippedRow(
        name,
        row.number,
        reason(row, problem),
        unread=unread(row, source),
        unlinked=problem.column == MEETING and not row.cells[MEETING],
    )
