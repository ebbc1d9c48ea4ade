"""What commands print: tables and progress for people, plain lines for other programs.

`NO_COLOR` and `TERM` are honoured by rich itself (https://no-color.org).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column, Table
from rich.text import Text

PLAIN_WIDTH = 10_000
"""Characters a line where nobody looks: nothing is ever folded or cut."""


def console() -> Console:
    """Where a command's answer goes. In a pipe it is plain, each row of a table one line."""
    wide = None if sys.stdout.isatty() else PLAIN_WIDTH
    return Console(width=wide, highlight=False, markup=False, emoji=False)


def table(title: str, columns: Sequence[str | Column]) -> Table:
    """A table for `console`: with lines on a terminal, else columns alone."""
    lines = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    # Folded where a terminal is too narrow: half a name or an address is of no use to anybody.
    whole = (Column(one, overflow="fold") if isinstance(one, str) else one for one in columns)
    return Table(*whole, title=title, title_justify="left", title_style="bold", box=lines)


def show(title: str, columns: Sequence[str | Column], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table. Cells are printed as they are; square brackets mean nothing in them."""
    made = table(title, columns)
    for row in rows:
        made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    console().print(made)


def say(text: str) -> None:
    """Print a line of a command's answer."""
    console().print(text, soft_wrap=True)


def show_json(content: object) -> None:
    """Print what another program reads."""
    print(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def progress() -> Progress:
    """A bar on stderr for work in many steps; nothing where nobody looks."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
