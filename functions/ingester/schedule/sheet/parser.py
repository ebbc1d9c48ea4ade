"""The parser of a sheet: rows of text, as coordinators type them, become scheduled classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from ingester.errors import UnusableSheet
from ingester.schedule.parsed import ParsedClass, ParsedSheet, SkippedRow
from ingester.schedule.sheet.cells import LONGEST_CELL, MEETING, CellProblem, encodable
from ingester.schedule.sheet.header import find_header
from ingester.schedule.sheet.row import Row, hints, read_row, reason, rows_below, unread

MOST_ROWS = 20_000
MOST_COLUMNS = 200


def parse(name: str, source: str, rows: Iterable[Sequence[str]]) -> ParsedSheet:
    """Read a sheet.

    `name` is the sheet's name for people; `source` is what its classes note as their source. The
    first row with all columns' names is the header. Columns are found by name, in any case and
    order; other columns and rows above the header are ignored. Rows count from 1. `skipped` of the
    result also has the hints about rows that are imported (`all_skipped` is False there).

    Raises:
        UnusableSheet: the sheet has no sound header, so nothing of it can be trusted; or more than
            `MOST_ROWS` rows.
    """
    every = _limited(name, rows)
    classes: list[ParsedClass] = []
    skipped: list[SkippedRow] = []
    for row in rows_below(find_header(name, every), every):
        try:
            meeting, found = read_row(row, source)
        except CellProblem as problem:
            skipped.append(_skipped(name, source, row, problem))
            continue
        skipped.extend(SkippedRow(name, row.number, hint, all_skipped=False) for hint in hints(row))
        classes.extend(ParsedClass(row.number, meeting, scheduled) for scheduled in found)
    return ParsedSheet(name=name, source=source, classes=tuple(classes), skipped=tuple(skipped))


def _limited(name: str, rows: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the rows with no more columns and characters than anything here has to match.

    A cell that is too long keeps one character beyond the limit, by which `check_lengths` knows it.
    """
    limited = [
        tuple(encodable(cell[: LONGEST_CELL + 1]) for cell in cells[:MOST_COLUMNS])
        for cells in islice(rows, MOST_ROWS + 1)
    ]
    if len(limited) > MOST_ROWS:
        raise UnusableSheet(f"{name} has more than {MOST_ROWS} rows; nothing was changed.")
    return limited


def _skipped(name: str, source: str, row: Row, problem: CellProblem) -> SkippedRow:
    return SkippedRow(
        name,
        row.number,
        reason(row, problem),
        unread=unread(row, source),
        unlinked=problem.column == MEETING and not row.cells[MEETING],
    )
