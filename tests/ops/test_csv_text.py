"""Tests that CSV files contain no formula and are read back unchanged."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.csv_text import escaped, unescaped
from ops.schedule.export import save_schedule
from ops.schedule.files import read_csv
from tests.cloud import Cloud

FORMULAS = [
    '=HYPERLINK("https://evil.example","x")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "'=1",
]


@given(st.text(alphabet=st.sampled_from("'=+-@\t\rab ")) | st.text())
def test_an_escaped_cell_is_no_formula_and_unescaping_restores_the_cell(cell: str) -> None:
    assert not escaped(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unescaped(escaped(cell)) == cell


@pytest.mark.parametrize("course", FORMULAS)
def test_a_saved_schedule_contains_no_formula_and_is_unchanged_when_read_again(
    aws: Cloud, tmp_path: Path, course: str
) -> None:
    scheduled = {"day": "M", "time": "9:30", "title": "Lecture", "course_code": course}
    aws.schedule.put_item(
        Item={
            "zoom_series_id": "86168921331",
            "course_code": course,
            "opencast_series_id": "20260112345",
            "events": [{**scheduled, "opencast_series_id": "20260112345"}],
        }
    )
    path = tmp_path / "schedule.csv"
    assert save_schedule(aws.schedule, path) == 1
    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    header, row = read_csv(path).rows
    assert row[header.index("Course Code")] == course
