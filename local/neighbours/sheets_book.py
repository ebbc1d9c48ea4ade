"""The Google stand-in's spreadsheet in memory, whose cells hold displayed text.

https://developers.google.com/workspace/sheets/api/guides/concepts
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

Typed = str | int | float | bool | None
"""A value as a person types it. A text that begins with `'` stays text, without the `'`."""

ROWS, COLUMNS = 1000, 26
"""Number of rows and columns of a tab, unless the content is larger."""

_NUMBER = re.compile(r"-?\d{1,15}(\.\d+)?")
_MERGE = re.compile(r"([A-Z])([1-9]\d*):([A-Z])([1-9]\d*)")
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_LIKE_CELLS = re.compile(r"[A-Z]{1,3}\d+|[A-Z]{0,3}\d*:[A-Z]{0,3}\d*", re.ASCII | re.IGNORECASE)


class RangeProblem(Exception):
    """Error for a range that can't be read. The text is Google's."""


@dataclass
class Spreadsheet:
    """A spreadsheet. `tabs` holds the rows of each tab by title."""

    document: str
    tabs: dict[str, list[list[str]]] = field(default_factory=dict)

    def put(self, title: str, rows: Sequence[Sequence[Typed]], merges: Sequence[str] = ()) -> None:
        """Replace a tab's content, or add the tab.

        `merges` are ranges of merged cells, such as `A2:A4`. Only a range's first cell keeps a
        value.

        Raises:
            ValueError: An element of `merges` isn't a range.
        """
        cells = [[shown(typed) for typed in row] for row in rows]
        for merge in merges:
            found = _MERGE.fullmatch(merge)
            if not found:
                raise ValueError(f"{merge} is no range of cells like A2:A4")
            left, right = (ord(found[group]) - ord("A") for group in (1, 3))
            top, bottom = int(found[2]) - 1, int(found[4]) - 1
            for row in range(top, min(bottom + 1, len(cells))):
                for column in range(left, min(right + 1, len(cells[row]))):
                    if (row, column) != (top, left):
                        cells[row][column] = ""
        self.tabs[title] = cells

    def rename(self, title: str, to: str) -> None:
        """Give a tab another title.

        Raises:
            KeyError: No tab has the title `title`.
        """
        if title not in self.tabs:
            raise KeyError(f"no tab {title}")
        self.tabs[to] = self.tabs.pop(title)

    def read(self, text: str) -> tuple[str, list[list[str]]]:
        """Return the range (`Fall!A1:Z1000`) and the rows of the tab that `text` names.

        Empty cells at the end of a row and empty rows at the end are left out. A tab's title that
        looks like a cell's name has to be in quotes, because otherwise Google returns the cell.

        Raises:
            RangeProblem: `text` names no tab, or a title that needs quotes has none.
        """
        quoted = len(text) > 1 and text.startswith("'") and text.endswith("'")
        title = text[1:-1].replace("''", "'") if quoted else text
        if title not in self.tabs or (not quoted and _LIKE_CELLS.fullmatch(title)):
            raise RangeProblem(f"Unable to parse range: {text}")
        rows = [_without_end(row) for row in self.tabs[title]]
        while rows and not rows[-1]:
            rows.pop()
        height = max(ROWS, len(self.tabs[title]))
        width = max(COLUMNS, *map(len, self.tabs[title]), 0)
        name = title if _PLAIN_NAME.fullmatch(title) and not _LIKE_CELLS.fullmatch(title) else ""
        name = name or "'" + title.replace("'", "''") + "'"
        return f"{name}!A1:{_letters(width)}{height}", rows


def shown(typed: Typed) -> str:
    """Return the text that Google shows for a typed value."""
    if isinstance(typed, bool):
        return str(typed).upper()
    if isinstance(typed, int | float):
        return f"{typed:.15g}"
    if typed and _NUMBER.fullmatch(typed):
        return f"{float(typed):.15g}"
    return (typed or "").removeprefix("'")


def _without_end(row: list[str]) -> list[str]:
    length = max((number for number, cell in enumerate(row, 1) if cell), default=0)
    return row[:length]


def _letters(column: int) -> str:
    """Return the letters of the column with this number: 1 is A, and 27 is AA."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
