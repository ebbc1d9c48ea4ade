"""Cells of CSV files that spreadsheets don't run as formulas.

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return
(https://owasp.org/www-community/attacks/CSV_Injection). Courses and topics are other people's text.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def escaped(cell: str) -> str:
    """Return a cell that shows `cell` as text, with an apostrophe in front if it needs one."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    """Return the text of a cell that `escaped` made."""
    return cell[1:] if _ESCAPED.match(cell) else cell
