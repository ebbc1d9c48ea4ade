"""Format the cells of tables: untrusted text, such as a topic, and timestamps."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

CONTROL_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of characters that are invisible, or control terminal or text direction."""


def printable(text: str) -> str:
    r"""Return `text` on one line, with control characters as escapes (`\x1b`), tabs as spaces."""
    return "".join(_escaped(character) for character in text)


def printable_lines(text: str) -> str:
    """Return `text` with `printable` applied to each line. Drop a line break at the end."""
    return "\n".join(printable(line) for line in text.splitlines())


def _escaped(character: str) -> str:
    if character == "\t":
        return "  "
    if unicodedata.category(character) in CONTROL_CATEGORIES:
        return character.encode("unicode_escape", "surrogatepass").decode()
    return character


def table_time(when: datetime) -> str:
    """Return a timestamp for a table, in UTC, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
