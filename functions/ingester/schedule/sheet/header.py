"""The header of a sheet: the row that holds the columns' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ingester.errors import UnusableSheet
from ingester.schedule.sheet.cells import COLUMNS, LABELS, shown

MAX_OTHERS = 5
"""Maximum number of a row's `others` that an error names."""


class Header(msgspec.Struct, frozen=True):
    """Number of the header's row, from 1, and the index of each of COLUMNS in the row, from 0."""

    row: int
    columns: Mapping[str, int]


class _Candidate(msgspec.Struct, frozen=True):
    """A row that may be the header, and the normalized names in the row's cells."""

    row: int
    cells: Sequence[str]
    names: Sequence[str]

    @property
    def missing(self) -> list[str]:
        """The columns that the row doesn't name."""
        return [name for name in COLUMNS if name not in self.names]

    @property
    def others(self) -> list[str]:
        """The texts that aren't columns' names, for messages; [] if the row names no column."""
        if len(self.missing) == len(COLUMNS):
            return []
        return [
            shown(cell.strip())
            for cell, name in zip(self.cells, self.names, strict=True)
            if name and name not in COLUMNS
        ]


def find_header(sheet: str, rows: Sequence[Sequence[str]]) -> Header:
    """Return the header: the first row that names all columns, in any case and order.

    `sheet` is the sheet's name for people.

    Raises:
        UnusableSheet: No row names all columns; the header names a column twice; or rows of the
            schedule are above the header.
    """
    candidates: list[_Candidate] = []
    for number, cells in enumerate(rows, start=1):
        if any_text(cells):
            candidate = _candidate(number, cells)
            if not candidate.missing:
                _check_columns(sheet, candidate)
                _check_rows_above(sheet, number, rows)
                return Header(number, {name: candidate.names.index(name) for name in COLUMNS})
            candidates.append(candidate)
    raise _no_header(sheet, candidates)


def any_text(cells: Sequence[str]) -> bool:
    """Return whether a row has a cell that isn't blank."""
    return any(cell.strip() for cell in cells)


def _candidate(number: int, cells: Sequence[str]) -> _Candidate:
    # Some spreadsheet programs put a byte order mark before the first column's name in a CSV.
    names = [" ".join(cell.lstrip("\ufeff").lower().split()) for cell in cells]
    return _Candidate(number, cells, names)


def _no_header(sheet: str, candidates: Sequence[_Candidate]) -> UnusableSheet:
    """Return the error for a sheet without a header.

    The error is about the row that lacks the fewest names, or says that the sheet is empty.
    """
    if not candidates:
        return UnusableSheet(
            f"{sheet} is empty: it needs a row with the columns' names. Nothing was changed."
        )
    nearest = min(candidates, key=lambda candidate: len(candidate.missing))
    others = ", ".join(nearest.others[:MAX_OTHERS])
    seen = f" Row {nearest.row} also has {others}." if others else ""
    return UnusableSheet(
        f"{sheet} has no column {', '.join(LABELS[name] for name in nearest.missing)}.{seen} "
        "One row, above all others, must hold the columns' names; nothing was changed."
    )


def _check_columns(sheet: str, header: _Candidate) -> None:
    """Raise UnusableSheet if the header names a column twice."""
    for name in COLUMNS:
        if header.names.count(name) > 1:
            raise UnusableSheet(
                f"{sheet} row {header.row} names the column {LABELS[name]} twice. Rename one "
                "of them; nothing was changed."
            )


def _check_rows_above(sheet: str, header: int, rows: Sequence[Sequence[str]]) -> None:
    """Raise UnusableSheet if rows of the schedule are above the header's row."""
    for number, cells in enumerate(rows[: header - 1], start=1):
        if any("https://" in cell for cell in cells):
            raise UnusableSheet(
                f"{sheet} row {number} stands above the columns' names, which are in row {header}: "
                "was the header sorted with the rows? Move it to the top; nothing was changed."
            )
