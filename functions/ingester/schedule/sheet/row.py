"""Read the scheduled classes of a sheet's row, or the readable fields of an unusable row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ingester.schedule.model import SHEET_SOURCE, ScheduledClass
from ingester.schedule.retained import UnreadRow
from ingester.schedule.sheet import cells as cell
from ingester.schedule.sheet.cells import (
    COLUMNS,
    COURSE_CODE,
    DAY,
    LABELS,
    MEETING,
    SERIES,
    START,
    TYPE,
    CellProblem,
)
from ingester.schedule.sheet.header import Header, any_text

DEFAULT_TITLE = "Lecture"
_MERGED = " (merged cells? Each row needs its own)"


class Row(msgspec.Struct, frozen=True):
    """A row below the header.

    `number` counts from 1, as in the sheet. `cells` are the stripped cells of COLUMNS, and
    `every_cell` has all cells of the row. `above` has, for each column, the nearest text in the
    rows above, up to an empty row.
    """

    number: int
    cells: Mapping[str, str]
    every_cell: Sequence[str]
    above: Mapping[str, str]

    def maybe_merged(self, column: str) -> bool:
        """Return whether a cell is empty although a cell above has text, as in merged cells."""
        return not self.cells[column] and bool(self.above.get(column))


def rows_below(header: Header, rows: Sequence[Sequence[str]]) -> Iterator[Row]:
    """Yield the rows below the header that aren't blank."""
    above: dict[str, str] = {}
    for number, every_cell in enumerate(rows[header.row :], start=header.row + 1):
        if not any_text(every_cell):
            above = {}
            continue
        cells = {
            name: every_cell[index].strip() if index < len(every_cell) else ""
            for name, index in header.columns.items()
        }
        yield Row(number, cells, every_cell, above)
        above = {name: cells[name] or above.get(name, "") for name in COLUMNS}


def read_row(row: Row, source: str) -> tuple[str, list[ScheduledClass]]:
    """Return the number of the row's meeting, and a scheduled class for each of the row's days.

    `source` is the source of the scheduled classes.

    Raises:
        CellProblem: A cell that the row needs can't be read.
    """
    cell.check_lengths(row.cells)
    cell.check_formulas(row.cells)
    meeting = cell.meeting_of(row.cells[MEETING])
    return meeting, _classes(row.cells, source)


def _classes(cells: Mapping[str, str], source: str) -> list[ScheduledClass]:
    days, _ = cell.days_of(cells[DAY])
    start = cell.start_of(cells[START], has_formats=source.startswith(SHEET_SOURCE))
    series = cell.series_of(cells[SERIES])
    if not days:
        raise cell.no_day(cells[DAY])
    return [
        ScheduledClass(
            day=day,
            time=start,
            title=cell.name_of(cells[TYPE]).title() or DEFAULT_TITLE,
            course_code=cell.name_of(cells[COURSE_CODE]),
            opencast_series_id=series,
            source=source,
        )
        for day in days
    ]


def hints(row: Row) -> Iterator[str]:
    """Yield hints about fields that a usable row lacks, or that may be mistakes."""
    yield from cell.hints(row.cells)
    for name in COLUMNS:
        # A row needs no type: without a type, its scheduled class is a lecture.
        if row.maybe_merged(name) and name != TYPE:
            yield f"no {LABELS[name]}{_MERGED}"


def reason(row: Row, problem: CellProblem) -> str:
    """Return the reason why a row can't be used, for people."""
    return f"{problem}{_MERGED if row.maybe_merged(problem.column) else ''}"


def unread(row: Row, source: str) -> UnreadRow | None:
    """Return the readable fields of an unusable row; None if the row holds no scheduled class.

    A row without a meeting link holds no class that is recorded. The exceptions are a row that may
    share the link of a row above, and a row with a failed formula. `source` is the source of the
    row's scheduled classes.
    """
    course = row.cells[COURSE_CODE] or row.above.get(COURSE_CODE, "")
    if row.cells[MEETING]:
        meeting = _meeting_or_empty(row.cells[MEETING])
        return UnreadRow(source=source, meeting=meeting, course=_course_or_none(course))
    if row.above.get(MEETING):
        shares_course = course == row.above.get(COURSE_CODE, "")
        return UnreadRow(
            source=source,
            meeting=_meeting_or_empty(row.above[MEETING]) if shares_course else "",
            course=_course_or_none(course),
            maybe_merged=True,
            classes=_classes_or_none({**row.cells, COURSE_CODE: course}, source),
        )
    if _has_failed_formula(row):
        own = row.cells[COURSE_CODE]
        return UnreadRow(source=source, course=_course_or_none(own) if own else None)
    return None


def _has_failed_formula(row: Row) -> bool:
    """Return whether a cell of COLUMNS, or any cell if COLUMNS are empty, has a failed formula."""
    ours = [text for text in row.cells.values() if text]
    return any(cell.is_failed_formula(text.strip()) for text in ours or row.every_cell)


def _course_or_none(text: str) -> str | None:
    return None if cell.name_problem(text) else text


def _classes_or_none(cells: Mapping[str, str], source: str) -> tuple[ScheduledClass, ...]:
    """Return the scheduled classes of a row that lacks only its meeting link; () for other rows."""
    try:
        return tuple(_classes(cells, source))
    except CellProblem:
        return ()


def _meeting_or_empty(link: str) -> str:
    try:
        return cell.meeting_of(link)
    except CellProblem:
        return ""
