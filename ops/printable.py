"""What tables hold: texts of strangers (a topic is whatever its host typed), and moments."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories that show nothing, or steer the terminal or the direction of the text."""


def printable(text: str) -> str:
    r"""`text` on one line, with what steers a terminal shown as an escape (`\x1b`)."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == "\t":
        return "  "
    if unicodedata.category(character) in UNSEEN:
        return character.encode("unicode_escape", "surrogatepass").decode()
    return character


def moment(when: datetime) -> str:
    """A moment in a table, in UTC, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
