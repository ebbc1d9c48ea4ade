"""Escape cells of CSV files, so that spreadsheets don't run text as formulas.

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@` (also in full width), a tab or a line
break: https://owasp.org/www-community/attacks/CSV_Injection. The names of courses are untrusted
text.
"""

from __future__ import annotations

import re

_STARTS = r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(rf"'*{_STARTS}")
_ESCAPED = re.compile(rf"'+{_STARTS}")


def escaped(cell: str) -> str:
    """Return the cell, after an apostrophe if a spreadsheet would run the cell as a formula.

    A cell that already looks escaped gets a further apostrophe, which `unescaped` removes.
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    """Return the text that `escaped` turned into `cell`."""
    return cell[1:] if _ESCAPED.match(cell) else cell
