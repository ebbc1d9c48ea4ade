"""Run a program on a pseudo-terminal, and draw the terminal's screen as an SVG."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

TOKENS = re.compile(r"\x1b\[(?P<number>[0-9;?]*)(?P<name>[a-zA-Z])|(?P<move>[\r\n])|[^\x1b\r\n]+")
FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def run_on_terminal(
    program: Sequence[str],
    environment: Mapping[str, str],
    on_output: Callable[[str], None],
    folder: Path,
) -> tuple[int, str]:
    """Run a program in `folder` on a pseudo-terminal. Return the exit code and the whole output.

    After each read `on_output` is called with the whole output so far.
    """
    ours, its = pty.openpty()
    running = subprocess.Popen(
        program, cwd=folder, env=environment, stdin=its, stdout=its, stderr=its, close_fds=True
    )
    os.close(its)
    printed = b""
    while True:
        select.select([ours], [], [])
        try:
            more = os.read(ours, 65536)
        except OSError:
            # Linux returns EIO once the last process on the terminal has ended.
            break
        if not more:
            break
        printed += more
        on_output(printed.decode("utf-8", "replace"))
    os.close(ours)
    return running.wait(), printed.decode("utf-8", "replace")


def screen(printed: str) -> list[str]:
    """Return the lines, with colour codes, that a terminal shows at the end of the output.

    Empty lines at the end are left out.

    The function supports only the control codes of rich's progress: cursor up, carriage return and
    erase line.
    """
    lines, row, is_at_begin = [""], 0, True
    for token in TOKENS.finditer(printed):
        name, number = token["name"], token["number"]
        if token["move"] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif name == "A":
            row = max(row - int(number or 1), 0)
        elif name == "K":
            lines[row] = ""
        elif name == "m" or (not name and not token["move"]):
            lines[row] = ("" if is_at_begin and name != "m" else lines[row]) + token[0]
        is_at_begin = token["move"] is not None or (is_at_begin and name not in {"m", None})
    while lines and not lines[-1].strip():
        del lines[-1]
    return lines


def picture(lines: Sequence[str], title: str, columns: int) -> str:
    """Return an SVG of a terminal with `lines`. The SVG loads no fonts from other servers."""
    console = Console(
        record=True, width=columns, file=io.StringIO(), force_terminal=True, highlight=False
    )
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    return FONT_FACES.sub("", console.export_svg(title=title, theme=MONOKAI, unique_id="demo"))
