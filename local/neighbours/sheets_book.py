"""A spreadsheet as Google keeps it: tabs of cells, ranges in A1 notation, values as they are shown.

[developers.google.com/workspace/sheets/api/guides/concepts, …/reference/rest/v4/ValueRenderOption,
…/DateTimeRenderOption]
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import msgspec

Value = str | int | float | bool
ValueOption = Literal["FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"]
DateOption = Literal["SERIAL_NUMBER", "FORMATTED_STRING"]

_EPOCH = date(1899, 12, 30)
"""The day whose serial number is 0."""

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d+)?")
_END = re.compile(r"\$?([A-Za-z]{0,3})\$?([1-9]\d{0,6})?")
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cell with something in it: `shown` is how people see it. `moment`: a date or a time."""

    value: Value
    shown: str
    moment: bool = False


Typed = Value | Cell | None
"""What one puts into a cell: typed as by a person (`14:30` becomes a time), or a whole cell."""


class RangeProblem(Exception):
    """A range that isn't one. The text is Google's."""


@dataclass
class Tab:
    """A sheet of a spreadsheet: its cells from A1 on. `rows` and `columns` are the grid's size."""

    title: str
    sheet_id: int
    cells: list[list[Cell | None]] = field(default_factory=list)
    rows: int = 1000
    columns: int = 26

    def fill(self, content: Sequence[Sequence[Typed]], merges: Sequence[str] = ()) -> None:
        """Put these rows in the place of everything. In each of `merges` only the first stays.

        RangeProblem for a merge that is no range of cells.
        """
        self.cells = [[enter(typed) for typed in row] for row in content]
        self.rows = max(self.rows, len(self.cells))
        self.columns = max(self.columns, *(len(row) for row in self.cells), 0)
        for merge in merges:
            area = _corners(merge, self)
            for row in range(area.top, min(area.bottom, len(self.cells))):
                for column in range(area.left, min(area.right, len(self.cells[row]))):
                    if (row, column) != (area.top, area.left):
                        self.cells[row][column] = None


@dataclass
class Book:
    """A spreadsheet. `shared`: whether the service account may read it."""

    document: str
    title: str = "Class schedule"
    tabs: list[Tab] = field(default_factory=list)
    shared: bool = True

    def tab(self, title: str) -> Tab | None:
        """The tab of this name."""
        return next((tab for tab in self.tabs if tab.title == title), None)

    def put(
        self, title: str, content: Sequence[Sequence[Typed]], merges: Sequence[str] = ()
    ) -> None:
        """Replace a tab's content, or make the tab."""
        tab = self.tab(title)
        if tab is None:
            tab = Tab(title, 1000 + len(self.tabs))
            self.tabs.append(tab)
        tab.fill(content, merges)


@dataclass(frozen=True)
class Area:
    """Cells of a tab; `bottom` and `right` are the first beyond."""

    tab: Tab
    top: int
    left: int
    bottom: int
    right: int

    def __str__(self) -> str:
        first = f"{_letters(self.left)}{self.top + 1}"
        last = f"{_letters(self.right - 1)}{self.bottom}"
        name = self.tab.title
        if not _PLAIN_NAME.fullmatch(name) or _is_cells(name):
            name = "'" + name.replace("'", "''") + "'"
        return f"{name}!{first}" if first == last else f"{name}!{first}:{last}"

    def values(self, how: ValueOption, dates: DateOption, *, by_columns: bool) -> list[list[Value]]:
        """The values, without the empty cells at a row's end and the empty rows at the end."""
        rows = [
            [_render(cell, how, dates) for cell in row[self.left : self.right]]
            for row in self.tab.cells[self.top : self.bottom]
        ]
        if by_columns:
            width = max(map(len, rows), default=0)
            rows = [
                [row[column] if column < len(row) else "" for row in rows]
                for column in range(width)
            ]
        for row in rows:
            while row and row[-1] == "":
                row.pop()
        while rows and not rows[-1]:
            rows.pop()
        return rows


def find(text: str, book: Book) -> Area:
    """The cells that a range names. RangeProblem, in Google's words, if there are none.

    What looks like cells is cells, of the first tab, even if a tab has that name.
    """
    name, mark, cells = text.rpartition("!")
    if not mark and _is_cells(text) and book.tabs:
        return _corners(text, book.tabs[0])
    tab = book.tab(_unquoted(name if mark else text))
    if tab is None:
        raise RangeProblem(f"Unable to parse range: {text}")
    if not mark:
        return Area(tab, 0, 0, tab.rows, tab.columns)
    if not _is_cells(cells):
        raise RangeProblem(f"Unable to parse range: {text}")
    return _corners(cells, tab)


def enter(typed: Typed) -> Cell | None:
    """A cell as Google makes it of what a person types; `'` in front keeps it text."""
    if typed is None or typed == "":
        return None
    if isinstance(typed, Cell):
        return typed
    if isinstance(typed, bool):
        return Cell(typed, str(typed).upper())
    if not isinstance(typed, str):
        return Cell(typed, f"{typed:.15g}")
    if typed.startswith("'"):
        return Cell(typed[1:], typed[1:])
    if found := _TIME.fullmatch(typed):
        hours, minutes, seconds = (int(group or 0) for group in found.groups())
        return Cell((hours * 3600 + minutes * 60 + seconds) / 86_400, typed, moment=True)
    if found := _DATE.fullmatch(typed):
        month, day, year = map(int, found.groups())
        try:
            serial = (date(year, month, day) - _EPOCH).days
        except ValueError:
            return Cell(typed, typed)
        return Cell(serial, typed, moment=True)
    if _NUMBER.fullmatch(typed):
        number = float(typed)
        return enter(int(number) if number.is_integer() else number)
    return Cell(typed, typed)


def _render(cell: Cell | None, how: ValueOption, dates: DateOption) -> Value:
    if cell is None:
        return ""
    if how == "FORMATTED_VALUE" or (cell.moment and dates == "FORMATTED_STRING"):
        return cell.shown
    return cell.value


def _is_cells(text: str) -> bool:
    """Whether this is A1 notation of cells that a sheet can have: columns end at ZZZ."""
    first, colon, last = text.partition(":")
    ends = [_END.fullmatch(end) for end in ([first, last] if colon else [first])]
    if not all(end and end.group(0) for end in ends):
        return False
    parts = [(bool(end.group(1)), bool(end.group(2))) for end in ends if end]
    if not colon:
        return parts[0] == (True, True)
    (first_column, first_row), (last_column, last_row) = parts
    # A5:A and A1:5 are open at one side; A:5 says nothing.
    return (first_column and last_column) or (first_row and last_row)


def _corners(text: str, tab: Tab) -> Area:
    """The area of cells in A1 notation, as far as the grid goes."""
    if not _is_cells(text):
        raise RangeProblem(f"Unable to parse range: {text}")
    first, colon, last = text.partition(":")
    column, row = _end(first)
    last_column, last_row = _end(last) if colon else (column, row)
    if last_column and column > last_column:
        column, last_column = last_column, column
    if last_row and row > last_row:
        row, last_row = last_row, row
    area = Area(
        tab,
        top=(row or 1) - 1,
        left=(column or 1) - 1,
        bottom=min(last_row or tab.rows, tab.rows),
        right=min(last_column or tab.columns, tab.columns),
    )
    if area.top >= tab.rows or area.left >= tab.columns:
        raise RangeProblem(
            f"Range ({tab.title}!{text}) exceeds grid limits. Max rows: {tab.rows}, "
            f"max columns: {tab.columns}"
        )
    return area


def _end(text: str) -> tuple[int, int]:
    """A corner's column and row from 1; 0 where it names none."""
    found = _END.fullmatch(text)
    letters, digits = found.groups() if found else ("", "")
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - 64
    return column, int(digits or 0)


def _letters(column: int) -> str:
    """A column's letters, counted from 0."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _unquoted(name: str) -> str:
    if len(name) > 1 and name.startswith("'") and name.endswith("'"):
        return name[1:-1].replace("''", "'")
    return name
