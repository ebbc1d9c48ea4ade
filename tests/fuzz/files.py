"""Targets: files with a schedule, and cells of a CSV file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ingester.errors import RequestError
from ingester.schedule.importer import import_parsed, import_sheets
from ingester.schedule.model import ReplacedSources
from ops.command import OpsError
from ops.csv_text import escaped, unescaped
from ops.schedule.files import read_csv, read_json
from tests.fuzz import functions, payloads
from tests.fuzz.fakes import Aws
from tests.fuzz.mutations import TEXTS, Mutator, encoded, filled
from tests.fuzz.target import Target, require

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings of a cell that a spreadsheet runs as a formula.

Source: https://owasp.org/www-community/attacks/CSV_Injection
"""


@cache
def folder() -> TemporaryDirectory[str]:
    """Return a folder for the files, which is deleted when this process ends."""
    return TemporaryDirectory(prefix="zip-fuzz-")


def written(name: str, content: bytes) -> Path:
    path = Path(folder().name) / name
    path.write_bytes(content)
    return path


def csv_of(rows: Any) -> bytes:
    """Return rows as a spreadsheet exports them."""
    out = io.StringIO()
    cells = [
        [filled(str(cell)) for cell in row] if isinstance(row, list) else [filled(str(row))]
        for row in (rows if isinstance(rows, list) else [rows])
    ]
    csv.writer(out).writerows(cells)
    return out.getvalue().encode("utf-8", "replace")


def make_csv(mutator: Mutator) -> Any:
    rows = mutator.value(payloads.SHEET)
    return mutator.raw(csv_of(rows)) if mutator.chance(0.5) else rows


def check_csv(given: Any) -> Iterator[str]:
    """Check that a CSV file is imported, or refused with a message for the operator.

    Yield the texts that must contain no secret.
    """
    path = written("a.csv", given if isinstance(given, bytes) else csv_of(given))
    aws = Aws()
    table = functions.schedule_update_of(aws, "", {}).schedule
    try:
        report = import_sheets(table, [read_csv(path)], ReplacedSources())
        yield from map(str, report.problems)
    except (OpsError, RequestError) as error:
        yield str(error)
    yield from aws.seen()


def make_json(mutator: Mutator) -> Any:
    row, header = payloads.schedule_row(), payloads.SHEET[0]
    columns = [dict(zip(header, cells, strict=True)) for cells in payloads.SHEET[1:]]
    scanned = {"zoom_series_id": {"S": "123"}, "events": {"L": [{"M": {"day": {"S": "W"}}}]}}
    found = mutator.one_of(([row], columns, {"Items": [scanned]}, {"a": row}))
    content = mutator.value(found)
    return mutator.raw(encoded(content)) if mutator.chance(0.2) else content


def check_json(given: Any) -> Iterator[str]:
    """Check that a JSON file is imported, or refused with a message for the operator.

    Yield the texts that must contain no secret.
    """
    aws = Aws()
    table = functions.schedule_update_of(aws, "", {}).schedule
    try:
        parsed = read_json(written("a.json", encoded(given)))
        import_parsed(table, [parsed], ReplacedSources(names=frozenset({parsed.source})))
        yield from map(str, parsed.problems)
    except (OpsError, RequestError) as error:
        yield str(error)
    yield from aws.seen()


def make_cell(mutator: Mutator) -> Any:
    text = mutator.one_of(("=1+1", "'=x", "''-1", "+a", "@b", "\tc", "d", "\uff0d1", *TEXTS))
    return mutator.text(text)


def check_cell(given: Any) -> Iterator[str]:
    """Check that a cell is unchanged when written and read, and that no spreadsheet runs it.

    Yield the texts that must contain no secret.
    """
    text = filled(given)
    cell = escaped(text)
    require(unescaped(cell) == text, "A cell doesn't read back the same")
    require(not cell.startswith(STARTS), "A cell that a spreadsheet runs")
    yield json.dumps(cell)


TARGETS = (
    Target("schedule-csv", 4, make_csv, check_csv),
    Target("schedule-json", 4, make_json, check_json),
    Target("csv-cell", 2, make_cell, check_cell),
)
