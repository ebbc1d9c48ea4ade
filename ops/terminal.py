"""Output of commands: tables, blocks and progress for people, plain lines for programs.

`show` prints a table, or a block for each row if the terminal is too narrow for the table. `say`
prints a sentence, whose lines end between words on a terminal. `working` shows that a slow
step is in progress. rich itself honours `NO_COLOR` and `TERM` (https://no-color.org).
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from ops.printable import printable_lines

PLAIN_WIDTH = 10_000
"""Width of a line in a pipe, in characters, so that no line is folded or cut."""

BLOCKS_BELOW = 110
"""Minimum width in characters of a terminal for tables whose cells have several lines."""

PLAIN_WORDS = re.compile(r"\S+\s*|^\s+")
WORDS_AND_COMMANDS = re.compile(r"[^\s`]*`[^`\n]+`\S*\s*|\S+\s*|^\s+")
"""Patterns for one word and the following space. For WORDS_AND_COMMANDS, a command in backticks and
the characters that touch the backticks are one word."""

LONGEST_NAME = 20
"""Maximum length in characters of a cell with spaces that stays on one line."""

FAILED_STYLE = "bold red"
"""Style of a failure in a table or block."""

ERROR_STYLE = "red"
"""Style of the error with which a command ends, and of a sentence about a failure."""

LEAST_ROOM = 30
"""Minimum width in characters of the second of two cells beside each other."""

NOTHING = {"", "-"}
"""The texts of cells without content."""

SILENT_SECONDS = 1.5
"""Seconds before a slow step's first line, without a terminal."""

REPEAT_SECONDS = 10.0
"""Seconds between a slow step's next lines, without a terminal."""


class PipeAwareConsole(Console):
    """A console of rich that raises BrokenPipeError for a closed pipe, as `print` does."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls this while it handles the BrokenPipeError


def console() -> Console:
    """Return the console for a command's answer. In a pipe, each row of a table is one line."""
    wide = None if sys.stdout.isatty() else PLAIN_WIDTH
    return PipeAwareConsole(width=wide, highlight=False, markup=False, emoji=False)


def has_colours() -> bool:
    """Return whether stdout is a terminal that is to show colours (`NO_COLOR`, `TERM`)."""
    shown = console()
    return shown.is_terminal and shown.color_system is not None and not shown.no_color


def table(title: str, columns: Sequence[str | Column]) -> Table:
    """Return a table for `console`, with lines on a terminal and without lines elsewhere."""
    lines = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    # A cut name or address is useless, so a narrow terminal gets folded cells.
    whole = (
        Column(column, overflow="fold") if isinstance(column, str) else column for column in columns
    )
    return Table(*whole, title=title, title_justify="left", title_style="bold", box=lines)


def show(
    title: str,
    columns: Sequence[str | Column],
    rows: Iterable[Sequence[str | Text]],
    narrow: Callable[[], None] | None = None,
) -> None:
    """Print a table, or a block of lines for each row if the terminal is too narrow.

    A table that is too wide is printed without the columns that have no content, if the other
    columns fit; the first column stays. Control characters are escaped. Square brackets aren't
    markup.

    Args:
        title: Title above the table.
        columns: Headers of the columns.
        rows: Cells of each row.
        narrow: A function that prints the rows on a terminal that is too narrow, in place of the
            blocks.
    """
    title = printable_lines(title)
    cells = [tuple(_cell(cell) for cell in row) for row in rows]
    made = _filled_table(title, columns, cells)
    shown = console()
    if not sys.stdout.isatty() or has_room(shown, made, cells):
        shown.print(made)
        return
    names = [str(column.header) for column in made.columns]
    filled = [0, *(number for number in range(1, len(names)) if _has_content(cells, number))]
    if len(filled) < len(names):
        fewer = [tuple(row[number] for number in filled) for row in cells]
        made = _filled_table(title, [columns[number] for number in filled], fewer)
        if has_room(shown, made, fewer):
            shown.print(made)
            return
    if narrow:
        narrow()
    else:
        show_blocks(shown, title, names, cells)


def _has_content(rows: Iterable[Sequence[Text]], column: int) -> bool:
    return any(row[column].plain.strip() not in NOTHING for row in rows)


def _filled_table(
    title: str, columns: Sequence[str | Column], rows: Sequence[Sequence[Text]]
) -> Table:
    made = table(title, columns)
    for row in rows:
        made.add_row(*row)
    for number, column in enumerate(made.columns):
        # rich narrows columns even within words, so only columns with sentences may wrap.
        column.no_wrap = all(is_name(row[number].plain) for row in rows)
    return made


def _cell(content: str | Text) -> Text:
    if isinstance(content, str):
        return Text(printable_lines(content))
    shown = printable_lines(content.plain)
    return content if shown == content.plain else Text(shown, style=content.style)


def is_name(text: str) -> bool:
    """Return whether a cell has to stay on one line, like a name, a number or a time."""
    return len(text) <= LONGEST_NAME or " " not in text


def has_room(shown: Console, made: Table, cells: Iterable[Iterable[Text]]) -> bool:
    """Return whether a table fits into the terminal.

    On a terminal of at least `BLOCKS_BELOW` characters, cells may take several lines if no word is
    broken.
    """
    everything = shown.options.update(width=PLAIN_WIDTH)
    if shown.measure(made, options=everything).maximum <= shown.width:
        return True
    if shown.width < BLOCKS_BELOW:
        return False
    lines = shown.render_lines(made, pad=False)
    printed = "\n".join("".join(segment.text for segment in line) for line in lines)
    return all(word in printed for row in cells for cell in row for word in cell.plain.split())


def show_blocks(
    shown: Console, title: str, names: Sequence[str], rows: Sequence[Sequence[Text]]
) -> None:
    """Print a title and a block for each row: the first cell, and the other cells with names.

    Other cells without content are left out. If a row has only two cells, the second cell's name is
    left out. If the terminal has room, the two cells are printed beside each other, even if the
    second cell has no content.
    """
    shown.print(Text(title, style="bold"))
    only = len(names) == 2
    if only and (label := _label_width(shown.width, rows)):
        for first, second in rows:
            head = Text.assemble("  ", first, " " * (label - cell_len(first.plain)))
            for line in wrapped(second, shown.width - label - 2) or [Text()]:
                shown.print(Text.assemble(head, line), soft_wrap=True)
                head = Text(" " * (label + 2))
        shown.print()
        return
    label = 0 if only else max(len(name) for name in names[1:]) + 2
    for first, *others in rows:
        if not only:
            shown.print()
        shown.print(first, soft_wrap=True)
        for name, cell in zip(names[1:], others, strict=True):
            if cell.plain.strip() in NOTHING:
                continue
            head = Text("  " + ("" if only else name).ljust(label), style="dim")
            for line in wrapped(cell, max(shown.width - len(head), 1)):
                shown.print(Text.assemble(head, line), soft_wrap=True)
                head = Text(" " * len(head))
    shown.print()


def _label_width(width: int, rows: Sequence[Sequence[Text]]) -> int:
    """Return the width of the first of two columns, or 0 if a line has no room for both columns."""
    label = max((cell_len(first.plain) for first, _ in rows), default=0) + 2
    words = (word for _, second in rows for word in second.plain.split())
    needed = max(LEAST_ROOM, *(cell_len(word) for word in words), 0)
    return label if label + 2 + needed <= width else 0


def wrapped(text: Text, width: int) -> list[Text]:
    """Return a text's lines, wrapped between words to `width` characters.

    A word that is longer than `width` stays whole. A command in backticks stays whole if the
    command fits `width` together with the backticks and the characters that touch the backticks.
    """
    # rich's own `wrap` breaks long words.
    words = (
        piece
        for found in WORDS_AND_COMMANDS.finditer(text.plain)
        for piece in (
            [found[0]] if cell_len(found[0].strip()) <= width else PLAIN_WORDS.findall(found[0])
        )
    )
    ends, end, used = [], 0, 0
    for word in words:
        if used and used + cell_len(word.rstrip()) > width:
            ends.append(end)
            used = 0
        used += cell_len(word)
        end += len(word)
        if "\n" in word:
            ends.append(end)
            used = 0
    lines = list(text.divide(ends)) if text.plain else []
    for line in lines:
        line.rstrip()
    return lines


def fitted(text: str, out: TextIO) -> str:
    """Return a text wrapped to the width of `out`, or unwrapped if `out` isn't a terminal.

    Continuations of an indented line are indented further. Control characters are escaped, because
    the text may quote untrusted text.
    """
    text = printable_lines(text)
    if not out.isatty():
        return text
    width = PipeAwareConsole(file=out).width
    lines = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        further = f"{indent}  " if indent else ""
        room = max(width - len(further), 1)
        first, *others = wrapped(Text(line.strip()), room) or [Text()]
        lines += [indent + first.plain, *(further + each.plain for each in others)]
    return "\n".join(lines)


def fitted_error(text: str, out: TextIO) -> str:
    """Return an error's text wrapped to the width of `out`, in red if `out` shows colours."""
    shown = PipeAwareConsole(file=out, highlight=False, markup=False, emoji=False)
    text = fitted(text, out)
    if not text or not shown.is_terminal:
        return text
    with shown.capture() as captured:
        shown.print(Text(text, style=ERROR_STYLE), soft_wrap=True, end="")
    return captured.get()


def say(text: str, *, failed: bool = False) -> None:
    """Print a sentence of a command's answer, in red if the sentence tells of a failure."""
    shown = Text(fitted(text, sys.stdout), style=ERROR_STYLE if failed else "")
    console().print(shown, soft_wrap=True)


def marked(text: str, *, failed: bool) -> str | Text:
    """Return the content of a cell, marked if the content tells of a failure."""
    return Text(text, style=FAILED_STYLE) if failed else text


def show_json(content: object) -> None:
    """Print JSON for another program."""
    # The JSON is ASCII, because a topic may contain half of a surrogate pair, which can't be
    # encoded.
    print(json.dumps(content, indent=2, default=str))


class DiscardingOutput(io.TextIOBase):
    """An output that discards all text once its reader is gone."""

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
            # EPIPE means a pipe without a reader, and EIO a closed terminal.
            if error.errno not in {errno.EPIPE, errno.EIO}:
                raise
            discard_output(self._out)


def discard_output(out: TextIO) -> None:
    """Discard all further output without an error, including Python's own flush at exit.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def survive_closed_output() -> None:
    """Let the program complete a change even if the reader of the program's output goes away."""
    sys.stdout = DiscardingOutput(sys.stdout)


class Activity:
    """A step of a command in progress.

    Args:
        print_line: A function that prints a line; on a terminal, above the line that shows the
            step.
        change: A function that replaces the text of the line that shows the step.
        out: The stream on which the lines are shown.
    """

    def __init__(
        self, print_line: Callable[[str], None], change: Callable[[str], None], out: TextIO
    ) -> None:
        self._print_line = print_line
        self._out = out
        self.change = change

    def say(self, line: str) -> None:
        """Print a line about the step on stderr."""
        self._print_line(fitted(line, self._out))

    def answer(self, line: str) -> None:
        """Print a line of a command's answer on stderr if stdout is a terminal, else on stdout."""
        if sys.stdout.isatty():
            self.say(line)
        else:
            say(line)


@contextmanager
def working(text: str) -> Iterator[Activity]:
    """Show on stderr that a step is in progress while the block runs, and yield an `Activity`.

    A terminal gets a moving line, which disappears at the end. Other output gets a plain line after
    `SILENT_SECONDS` and every `REPEAT_SECONDS`. The block may only print with the `Activity`.
    """
    line = moving_line(text) if has_moving_lines() else _repeated_line(text, sys.stderr)
    with _showing_work(), line as activity:
        yield activity


_shown_work = [0]
"""The number of blocks of `working` and `progress` that run."""


@contextmanager
def _showing_work() -> Iterator[None]:
    _shown_work[0] += 1
    try:
        yield
    finally:
        _shown_work[0] -= 1


def is_showing_work() -> bool:
    """Return whether a block of `working` or `progress` runs."""
    return bool(_shown_work[0])


def has_moving_lines() -> bool:
    """Return whether stderr is a terminal that can show a moving line."""
    out = Console(stderr=True)
    return out.is_terminal and not out.is_dumb_terminal


@contextmanager
def moving_line(text: str) -> Iterator[Activity]:
    """Show `text` with a spinner on stderr while the block runs; yield the `Activity`."""
    out = Console(stderr=True, highlight=False, markup=False, emoji=False)
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(*columns, console=out, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(text, total=None)
        yield Activity(
            lambda line: bar.console.print(line, soft_wrap=True),
            lambda new: bar.update(task, description=new),
            sys.stderr,
        )


@contextmanager
def _repeated_line(text: str, out: TextIO) -> Iterator[Activity]:
    """Print the text with the elapsed seconds while the block runs, and yield an `Activity`.

    For the times of the lines, see `working`.
    """
    began, ended = time.monotonic(), threading.Event()
    shown = [text]

    def change(new: str) -> None:
        shown[0] = new

    def print_line(line: str) -> None:
        # If nobody reads stderr any more, the step must continue.
        with suppress(OSError):
            print(line, file=out, flush=True)

    def repeat() -> None:
        seconds = SILENT_SECONDS
        while not ended.wait(seconds):
            print_line(f"{shown[0]} … {time.monotonic() - began:.0f} s")
            seconds = REPEAT_SECONDS

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield Activity(print_line, change, out)
    finally:
        ended.set()
        thread.join()


@contextmanager
def progress() -> Iterator[Progress]:
    """Show a progress bar on stderr while the block runs, and yield the bar.

    If stderr isn't a terminal, nothing is shown.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with _showing_work(), bar:
        yield bar
