"""Attacks by people who edit the Google Sheet or write texts that get into its cells."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingester.schedule.table import IMPORT_LOCK
from ops.schedule.export import save_schedule
from tests.attacks.probes import STAGE, Answer, Probe
from tests.attacks.target import Target
from tests.e2e.spreadsheet import HEADER, Spreadsheet, row

pytestmark = pytest.mark.usefixtures("no_error_mail")

MOST_SECONDS = 15.0
"""Longest allowed time of an update in seconds. API Gateway gives up after 29 s:
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

REPEATS = 6
"""Number of copies of a hostile row in the sheet."""

OTHER = "https://zoom.us/j/81000000002"


def hostile(**changes: Any) -> list[Any]:
    """Return a row with changed cells. The row's link is OTHER unless `link` is given."""
    return row(changes.pop("link", OTHER), **changes)


HONEST = row("https://zoom.us/j/81000000001")
HOSTILE: Mapping[str, Sequence[Any]] = {
    "a start of 50,000 digits": hostile(start="'" + "9" * 50_000),
    "a start of 50,000 colons": hostile(start="'" + "9:" * 25_000),
    "a start of 50,000 blanks": hostile(start="'9" + " " * 50_000 + "x"),
    "a link of 50,000 slashes": hostile(link="https://zoom.us/j/" + "/" * 50_000),
    "a link of 50,000 digits": hostile(link="https://zoom.us/j/" + "8" * 50_000),
    "a link of JavaScript": hostile(link="javascript:alert(1)"),
    "a link that climbs": hostile(link="https://zoom.us/j/../../81"),
    "a course of 50,000 letters": hostile(course="x" * 50_000),
    "a course with a passcode": hostile(course=f"HIST {OTHER}?pwd=hidden99"),
    "a day of 50,000 letters": hostile(day="M" * 50_000),
    "a day of a script": hostile(day="<script>alert(1)</script>"),
    "a series that climbs": [*hostile()[:5], "../../admin"],
    "a series of 3,000 letters": [*hostile()[:5], "https://evil.example/" + "x" * 3000],
    "control characters": hostile(course="\x00\x1b[31m\x7f", day="M\x00"),
    "10,000 columns": [*hostile(), *["<script>"] * 10_000],
}
"""Hostile rows by name. An update of the schedule has to clean or skip each row."""


def update(target: Target) -> Answer:
    """Request an update of the schedule, and return the answer."""
    return target.send(Probe(path=f"{STAGE}/schedule_update"))


@pytest.fixture(scope="module")
def sheet(target: Target) -> Spreadsheet:
    """Update the schedule from a sheet with one honest row, and return the sheet."""
    target.driver.table("schedule").delete_item(Key={"zoom_series_id": IMPORT_LOCK})
    sheet = Spreadsheet(target.driver)
    sheet.fill([HEADER, HONEST], [HEADER])
    assert update(target).status == 200
    assert set(sheet.scheduled()) == {"81000000001"}
    return sheet


@pytest.mark.parametrize("name", HOSTILE)
def test_schedule_update_takes_only_clean_values_when_rows_are_hostile(
    name: str, target: Target, sheet: Spreadsheet
) -> None:
    sheet.fill([HEADER, HONEST, *[HOSTILE[name]] * REPEATS], [HEADER])
    began = time.monotonic()
    answer = update(target)
    assert time.monotonic() - began < MOST_SECONDS
    assert answer.status == 200
    assert answer.body.startswith("Success: ")
    assert len(answer.body) < 5000
    scheduled = sheet.scheduled()
    assert set(scheduled) <= {"81000000001", "81000000002"}
    assert [(found["day"], found["time"]) for found in scheduled["81000000001"]] == [
        ("M", "9:30"),
        ("W", "9:30"),
    ]
    texts = [str(value) for found in scheduled.get("81000000002", ()) for value in found.values()]
    for text in [answer.body, *texts]:
        assert "hidden99" not in text
        assert "<script>" not in text
    assert max(map(len, texts), default=0) <= 200


FORMULAS = (
    '=HYPERLINK("evil")',
    "+1+cmd|' /C calc'!A1",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
)


def test_saved_schedule_contains_no_formula(
    target: Target, sheet: Spreadsheet, tmp_path: Path
) -> None:
    rows = [row(course=f"'{text}", day=day) for text, day in zip(FORMULAS, "MTWRF", strict=True)]
    sheet.fill([HEADER, *rows], [HEADER])
    assert update(target).status == 200
    courses = {found["course_code"] for found in sheet.scheduled()["81000000001"]}
    assert courses == {text.strip() for text in FORMULAS}
    path = tmp_path / "schedule.csv"
    assert save_schedule(target.driver.table("schedule"), path)
    with path.open(encoding="utf-8", newline="") as file:
        saved = [cell for line in csv.reader(file) for cell in line]
    assert [cell for cell in saved if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert f"'{FORMULAS[0]}" in saved


def test_schedule_update_changes_nothing_when_a_sheet_has_20_001_rows(
    target: Target, sheet: Spreadsheet
) -> None:
    before = sheet.scheduled()
    sheet.fill([HEADER, *[["x"]] * 20_001], [HEADER])
    assert update(target).status == 422
    assert sheet.scheduled() == before
