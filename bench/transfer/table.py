"""A table of results in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of cells below column names. The first `left` columns are text, all others numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 3
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """Return the title, the table with aligned columns, and the notes, in Markdown."""
        widths = [max(map(len, cells)) for cells in zip(self.columns, *self.rows, strict=True)]
        rules = [
            "-" * width if number < self.left else "-" * (width - 1) + ":"
            for number, width in enumerate(widths)
        ]
        lines = [self._line(cells, widths) for cells in (self.columns, rules, *self.rows)]
        return "\n\n".join([self.title, "\n".join(lines), *self.notes])

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = [
            cell.ljust(width) if number < self.left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"


def show(table: Table) -> None:
    """Print a table to standard output."""
    print(f"\n{table.markdown()}")
