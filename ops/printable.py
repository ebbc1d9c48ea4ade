"""Cells of tables: texts that strangers typed (a topic is any text), and time stamps."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of characters that are invisible, or control the terminal or text direction.
"""


def printable(text: str) -> str:
    r"""Return `text` on one line, with control characters as escapes (`\x1b`)."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == "\t":
        return "  "
    if unicodedata.category(character) in UNSEEN:
        return character.encode("unicode_escape", "surrogatepass").decode()
    return character


def moment(when: datetime) -> str:
    """Return a time stamp for a table, in UTC, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
