"""What commands print: tables and progress for people, plain lines for other programs.

`NO_COLOR` and `TERM` are honoured by rich itself (https://no-color.org).
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column, Table
from rich.text import Text

PLAIN_WIDTH = 10_000
"""Characters a line where nobody looks: nothing is ever folded or cut."""


class Screen(Console):
    """rich's console, but a reader that is gone is an error as it is everywhere in Python."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls this while it handles the BrokenPipeError


def console() -> Console:
    """Where a command's answer goes. In a pipe it is plain, each row of a table one line."""
    wide = None if sys.stdout.isatty() else PLAIN_WIDTH
    return Screen(width=wide, highlight=False, markup=False, emoji=False)


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
    # In ASCII: a stranger's text can hold what no encoding has (half of a surrogate pair).
    print(json.dumps(content, indent=2, default=str))


class Unheard(io.TextIOBase):
    """An output that takes what is written also when its reader is gone, as `| head` soon is."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._out.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._out.errors

    def fileno(self) -> int:
        return self._out.fileno()

    def isatty(self) -> bool:
        return self._out.isatty()

    def write(self, text: str) -> int:
        with self._unheard():
            self._out.write(text)
        return len(text)

    def flush(self) -> None:
        with self._unheard():
            self._out.flush()

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # A pipe without a reader, and a terminal that was closed.
            if error.errno not in {errno.EPIPE, errno.EIO}:
                raise
            let_go(self._out)


def let_go(out: TextIO) -> None:
    """From here on nobody hears what is written, nor is there an error about it.

    Not even Python's own when it flushes at its end:
    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def go_on_unheard() -> None:
    """Let this program do what it began to change to the end, whoever reads its output."""
    sys.stdout = Unheard(sys.stdout)


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
