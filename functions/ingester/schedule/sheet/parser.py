"""Parse a sheet's rows of text, as coordinators type them, into scheduled classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from ingester.errors import UnusableSheet
from ingester.schedule.parsed import ParsedClass, ParsedSheet, RowProblem
from ingester.schedule.sheet.cells import (
    COURSE_CODE,
    LONGEST_CELL,
    MEETING,
    CellProblem,
    course_label,
)
from ingester.schedule.sheet.header import find_header
from ingester.schedule.sheet.row import Row, hints, read_row, reason, rows_below, unread
from ingester.texts import encodable

MAX_ROWS = 20_000
MAX_COLUMNS = 200


def parse(name: str, source: str, rows: Iterable[Sequence[str]]) -> ParsedSheet:
    """Parse a sheet into scheduled classes and rows that can't be used.

    `name` is the sheet's name for people. `source` is the source of the classes. The first row
    with all columns' names is the header. Columns are found by name, in any case and order. Other
    columns and the rows above the header are left out. Rows count from 1. The result's `problems`
    also has the hints about imported rows, whose `all_skipped` is False.

    Raises:
        UnusableSheet: The sheet has no sound header, so its rows can't be trusted; or it has more
            than `MAX_ROWS` rows.
    """
    every = _limited(name, rows)
    classes: list[ParsedClass] = []
    problems: list[RowProblem] = []
    for row in rows_below(find_header(name, every), every):
        try:
            meeting, found = read_row(row, source)
        except CellProblem as problem:
            problems.append(_skipped(name, source, row, problem))
            continue
        course = course_label(row.cells[COURSE_CODE])
        problems.extend(
            RowProblem(name, row.number, hint, all_skipped=False, course=course)
            for hint in hints(row)
        )
        classes.extend(ParsedClass(row.number, meeting, scheduled) for scheduled in found)
    return ParsedSheet(name=name, source=source, classes=tuple(classes), problems=tuple(problems))


def _limited(name: str, rows: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the rows with at most `MAX_COLUMNS` cells of limited length.

    A cell that is too long keeps one character more than the limit, so that `check_lengths` finds
    the cell.

    Raises:
        UnusableSheet: The sheet has more than `MAX_ROWS` rows.
    """
    limited = [
        tuple(encodable(cell[: LONGEST_CELL + 1]) for cell in cells[:MAX_COLUMNS])
        for cells in islice(rows, MAX_ROWS + 1)
    ]
    if len(limited) > MAX_ROWS:
        raise UnusableSheet(f"{name} has more than {MAX_ROWS} rows; nothing was changed.")
    return limited


def _skipped(name: str, source: str, row: Row, problem: CellProblem) -> RowProblem:
    return RowProblem(
        name,
        row.number,
        reason(row, problem),
        unread=unread(row, source),
        unlinked=problem.column == MEETING and not row.cells[MEETING],
        course=course_label(row.cells[COURSE_CODE]),
    )
