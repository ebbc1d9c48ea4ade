"""A fake terminal for output in this process."""

from __future__ import annotations

import io
import re
import sys

import pytest


class TerminalText(io.StringIO):
    """An output that collects text, and whose `isatty` is true."""

    def isatty(self) -> bool:
        return True


def plain(printed: str) -> str:
    """Return printed text without the escape sequences of colours, bold type and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", printed)


def terminal_of(shell: pytest.MonkeyPatch, columns: int, *, colour: bool = False) -> TerminalText:
    """Replace standard output with a fake terminal, and return the terminal."""
    shell.setenv("COLUMNS", str(columns))
    shell.setenv("TERM", "xterm-256color")
    shell.delenv("NO_COLOR", raising=False)
    if not colour:
        shell.setenv("NO_COLOR", "1")
    out = TerminalText()
    shell.setattr(sys, "stdout", out)
    return out
