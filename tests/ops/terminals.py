"""Terminals of tests: one for output in this process, and a pseudo-terminal for a program."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ops.code.package import ROOT


class TerminalText(io.StringIO):
    """Collected output that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def plain(printed: str) -> str:
    """Return output without bold type, colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", printed)


def terminal_of(shell: pytest.MonkeyPatch, columns: int, *, colour: bool = False) -> TerminalText:
    """Make standard output a terminal with so many columns, and return what collects it."""
    shell.setenv("COLUMNS", str(columns))
    shell.setenv("TERM", "xterm-256color")
    shell.delenv("NO_COLOR", raising=False)
    if not colour:
        shell.setenv("NO_COLOR", "1")
    out = TerminalText()
    shell.setattr(sys, "stdout", out)
    return out


def run_on_terminal(
    program: Sequence[str],
    environment: dict[str, str],
    on_output: Callable[[str], None],
    folder: Path = ROOT,
) -> tuple[int, str]:
    """Run a program on a pseudo-terminal. Return its exit code and its whole output.

    `on_output` gets the output so far whenever there is more.
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
            # Linux says EIO when the last process on the terminal has ended.
            break
        if not more:
            break
        printed += more
        on_output(printed.decode("utf-8", "replace"))
    os.close(ours)
    return running.wait(), printed.decode("utf-8", "replace")
