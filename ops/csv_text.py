"""Cells of CSV files that spreadsheets don't run as formulas.

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@` (also in full width), a tab or the end
of a line: https://owasp.org/www-community/attacks/CSV_Injection. Courses are other people's text.
"""

from __future__ import annotations

import re

_STARTS = r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(rf"'*{_STARTS}")
_ESCAPED = re.compile(rf"'+{_STARTS}")


def escaped(cell: str) -> str:
    """Return a cell that shows `cell` as text, with an apostrophe in front if it needs one."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    """Return the text of a cell that `escaped` made."""
    return cell[1:] if _ESCAPED.match(cell) else cell
