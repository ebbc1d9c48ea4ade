"""Output of commands: tables and progress for people, plain lines for programs.

rich itself honours `NO_COLOR` and `TERM` (https://no-color.org).
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
"""Width of a line in a pipe, in characters: nothing is folded or cut."""


class PipeAwareConsole(Console):
    """rich's console, which raises BrokenPipeError for a closed pipe as the rest of Python does."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls this while it handles the BrokenPipeError


def console() -> Console:
    """Return the console for a command's answer. In a pipe, each row of a table is one line."""
    wide = None if sys.stdout.isatty() else PLAIN_WIDTH
    return PipeAwareConsole(width=wide, highlight=False, markup=False, emoji=False)


def table(title: str, columns: Sequence[str | Column]) -> Table:
    """Return a table for `console`: with lines on a terminal, otherwise columns alone."""
    lines = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    # Fold cells in a narrow terminal: a cut name or address is useless.
    whole = (
        Column(column, overflow="fold") if isinstance(column, str) else column for column in columns
    )
    return Table(*whole, title=title, title_justify="left", title_style="bold", box=lines)


def show(title: str, columns: Sequence[str | Column], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table. Cells are printed as they are; square brackets are no markup."""
    made = table(title, columns)
    for row in rows:
        made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    console().print(made)


def say(text: str) -> None:
    """Print a line of a command's answer."""
    console().print(text, soft_wrap=True)


def show_json(content: object) -> None:
    """Print JSON for another program."""
    # In ASCII: a topic can hold half of a surrogate pair, which no encoding has.
    print(json.dumps(content, indent=2, default=str))


class DiscardingOutput(io.TextIOBase):
    """An output that discards what is written once its reader is gone."""

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
        with self._discarding():
            self._out.write(text)
        return len(text)

    def flush(self) -> None:
        with self._discarding():
            self._out.flush()

    @contextmanager
    def _discarding(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # A pipe without a reader, and a closed terminal.
            if error.errno not in {errno.EPIPE, errno.EIO}:
                raise
            discard_output(self._out)


def discard_output(out: TextIO) -> None:
    """Discard all further output without an error, also Python's own flush at exit.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def survive_closed_output() -> None:
    """Make the program finish its change even if the reader of its output goes away."""
    sys.stdout = DiscardingOutput(sys.stdout)


def progress() -> Progress:
    """Return a progress bar on stderr; it shows nothing unless stderr is a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
