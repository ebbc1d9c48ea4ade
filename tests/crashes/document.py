"""The tables in docs/reliability.md: one for each killed function, each between HTML comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.crashes.calls import Call
from tests.crashes.proxy import Moment
from tests.crashes.sweep import Result

PATH = Path(__file__).parents[2] / "docs" / "reliability.md"
END = "<!-- end -->"
HEAD = "| call | killed before it | killed after it |\n| --- | --- | --- |"
GOOD = re.compile(r"once, after (1 delivery|\d deliveries)")
"""Pattern of a cell's text for a recording that is in Opencast once and whole."""


class NoPlace(Exception):
    """The error for a document that has no place for a function's table."""


def table(results: Iterable[Result]) -> str:
    """Return a table with a row for each call, in the order of the results."""
    rows: dict[Call, dict[Moment, str]] = {}
    for result in results:
        rows.setdefault(result.aim.call, {})[result.aim.moment] = cell(result)
    lines = [
        f"| {call} | {cells.get(Moment.BEFORE, '')} | {cells.get(Moment.AFTER, '')} |"
        for call, cells in rows.items()
    ]
    return "\n".join([HEAD, *lines])


def cell(result: Result) -> str:
    """Return the text of the table's cell for a result."""
    if result.problem:
        return f"**{result.problem.replace('|', '/')}**"
    deliveries = "1 delivery" if result.deliveries == 1 else f"{result.deliveries} deliveries"
    return f"once, after {deliveries}"


def with_table(text: str, function: str, rendered: str) -> str:
    """Return the document `text` with `rendered` as the table of the function.

    Raises:
        NoPlace: The document lacks the comments around the function's table.
    """
    part = re.compile(rf"({re.escape(_begin(function))}\n).*?({re.escape(END)})", re.DOTALL)
    found, count = part.subn(lambda match: f"{match[1]}\n{rendered}\n\n{match[2]}", text)
    if not count:
        raise NoPlace(f"{PATH.name} has no `{_begin(function)}` with `{END}` after it.")
    return found


def cells_in(text: str) -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """Return the pairs of cells (killed before, killed after) by function and call."""
    parts = re.findall(rf"<!-- crashes: (\S+) -->\n(.*?){re.escape(END)}", text, re.DOTALL)
    return {function: _rows(part) for function, part in parts}


def _begin(function: str) -> str:
    return f"<!-- crashes: {function} -->"


def _rows(part: str) -> dict[str, tuple[str, str]]:
    found = {}
    for line in part.strip().splitlines()[2:]:
        call, before, after = (text.strip() for text in line.strip("|").split("|"))
        found[call] = (before, after)
    return found
