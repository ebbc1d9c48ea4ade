"""Tables: for a terminal with rich, elsewhere and on request as Markdown."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

LEFT = 3
"""Columns that hold words; those behind them hold figures."""


@dataclass(frozen=True)
class Table:
    """Rows of cells below a heading."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = LEFT
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """As a part of a document."""
        rules = ["---" if number < self.left else "---:" for number in range(len(self.columns))]
        lines = [self.columns, rules, *self.rows]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return "\n\n".join([self.title, table, *self.notes])


def show(table: Table, *, markdown: bool) -> None:
    """Prints a table to standard output."""
    if markdown or not sys.stdout.isatty():
        print(f"\n{table.markdown()}")
        return
    rich = RichTable(title=table.title, title_justify="left")
    for number, column in enumerate(table.columns):
        rich.add_column(column, justify="left" if number < table.left else "right")
    for row in table.rows:
        rich.add_row(*row)
    console = Console()
    console.print(rich)
    for note in table.notes:
        console.print(note, markup=False, highlight=False)
