"""A terminal for output in this process."""

from __future__ import annotations

import io
import re
import sys

import pytest


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
