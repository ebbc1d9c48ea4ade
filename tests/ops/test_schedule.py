"""Tests of the schedule's import from CSV files, and of the removal of a source."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ingester.schedule.importer import ImportReport, Sheet
from ingester.schedule.lock import ScheduleLock
from ingester.schedule.report import terminal_removal_lines
from ops.command import OpsError
from ops.schedule import commands as schedule
from ops.schedule.commands import remove_source, show
from ops.schedule.files import read_csv
from tests.cloud import Clock, Cloud, plain
from tests.google_web import HEADER as SHEET_HEADER
from tests.google_web import row as sheet_row

HEADER = ["Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series"]


def import_csv(table: Any, path: Path, **how: bool) -> ImportReport:
    """Import a CSV file as `invoke schedule.csv-import` does."""
    return schedule.import_csv(table, read_csv(path), **how)


def row(meeting: int = 86168921331, changes: Mapping[str, str] | None = None) -> list[str]:
    """Return a row of the sheet with valid cells, some of which `changes` may replace."""
    cells = {
        "Course Code": "HIST E-1010",
        "Type": "lecture",
        "Day": "MW",
        "Start": "9:30",
        "Meeting ID with Password": f"https://zoom.us/j/{meeting}?pwd=topsecret",
        "OC Series": "https://oc.example.edu/engage/ui/index.html#/2026/01/12345",
    }
    return list({**cells, **(changes or {})}.values())


def write(path: Path, rows: list[list[str]], *, encoding: str = "utf-8", end: str = "\n") -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def stored(aws: Cloud) -> dict[str, dict[str, Any]]:
    return {item["zoom_series_id"]: plain(item) for item in aws.schedule.scan()["Items"]}


def test_csv_import_writes_a_course_and_series_for_each_scheduled_class(
    aws: Cloud, tmp_path: Path
) -> None:
    other = row(
        changes={"Course Code": "CSCI E-7", "Day": "F", "OC Series": "https://oc/#/2026/01/777"}
    )
    import_csv(aws.schedule, write(tmp_path / "fall.csv", [HEADER, row(), other]))
    (meeting,) = stored(aws).values()
    assert meeting["events"] == [
        {
            "day": day,
            "time": "9:30",
            "title": "Lecture",
            "course_code": course,
            "opencast_series_id": series,
            "source": "csv:fall.csv",
        }
        for day, course, series in (
            ("M", "HIST E-1010", "20260112345"),
            ("W", "HIST E-1010", "20260112345"),
            ("F", "CSCI E-7", "202601777"),
        )
    ]
    # The row keeps `course_code` and `opencast_series_id` for compatibility (docs/switching.md).
    assert (meeting["course_code"], meeting["opencast_series_id"]) == ("CSCI E-7", "202601777")


@pytest.mark.parametrize(
    ("encoding", "end"), [("utf-8-sig", "\r\n"), ("utf-8", "\n"), ("utf-8-sig", "\n")]
)
def test_csv_import_accepts_bom_crlf_empty_lines_and_any_case_of_column_names(
    aws: Cloud, tmp_path: Path, encoding: str, end: str
) -> None:
    header = ["  course  CODE ", "Notes", *(name.upper() for name in HEADER[1:])]
    good = row(changes={"Course Code": "Ünïcode 数学"})
    rows = [[], header, [], ["", "", ""], [good[0], "a note", *good[1:]], []]
    report = import_csv(aws.schedule, write(tmp_path / "a.csv", rows, encoding=encoding, end=end))
    assert (report.meetings, report.classes, report.problems) == (1, 2, ())
    (meeting,) = stored(aws).values()
    assert meeting["course_code"] == "Ünïcode 数学"


def test_csv_import_names_bad_rows_and_imports_every_valid_scheduled_class(
    aws: Cloud, tmp_path: Path
) -> None:
    bad = row(changes={"Meeting ID with Password": "http://zoom.us/j/1?pwd=topsecret"})
    rows = [HEADER, row(1001), bad, row(changes={"Start": "25:00"}), row(1002, {"Day": "MX"})]
    report = import_csv(aws.schedule, write(tmp_path / "a.csv", rows))
    said = [str(problem) for problem in report.problems]
    assert [text.split(" (")[0] for text in said] == [f"a.csv row {n}" for n in (3, 4, 5)]
    for word, text in zip(("https://zoom.us", "25:00", "'MX'"), said, strict=True):
        assert word in text
    assert "topsecret" not in "".join(said)
    assert set(stored(aws)) == {"1001", "1002"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"Course Code,Type,Day,Start,OC Series\n", "Meeting ID with Password"),
        (b"Course Code;Type;Day;Start\n", "Meeting ID with Password"),
        (b"Course Code,\xff\xfe\n", "is not UTF-8"),
        (b'"Course Code,Type', "is not CSV"),
        ((",".join(HEADER) + "\n").encode(), "There is no row below the header"),
    ],
)
def test_csv_import_of_a_wrong_file_changes_nothing(
    aws: Cloud, tmp_path: Path, content: bytes, sentence: str
) -> None:
    import_csv(aws.schedule, write(tmp_path / "a.csv", [HEADER, row()]))
    before = stored(aws)
    bad = tmp_path / "a.csv"
    bad.write_bytes(content)
    with pytest.raises(OpsError, match=sentence) as error:
        import_csv(aws.schedule, bad)
    assert "\n" not in str(error.value)
    assert stored(aws) == before


def test_csv_import_explains_a_missing_file_and_a_folder(aws: Cloud, tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="There is no file"):
        import_csv(aws.schedule, tmp_path / "nowhere.csv")
    with pytest.raises(OpsError, match="can't be read"):
        import_csv(aws.schedule, tmp_path)


def test_csv_import_deletes_only_meetings_that_the_file_no_longer_has_unless_replace_all_is_set(
    aws: Cloud, tmp_path: Path
) -> None:
    first_system = {"zoom_series_id": "5", "opencast_series_id": "s", "course_code": "c"}
    aws.schedule.put_item(Item={**first_system, "events": []})
    import_csv(aws.schedule, write(tmp_path / "fall.csv", [HEADER, row(1001), row(1002)]))
    import_csv(aws.schedule, write(tmp_path / "spring.csv", [HEADER, row(1003)]))
    report = import_csv(aws.schedule, write(tmp_path / "fall.csv", [HEADER, row(1002)]))
    assert (report.plan.added, report.plan.changed, len(report.plan.delete)) == (0, 0, 1)
    assert set(stored(aws)) == {"5", "1002", "1003"}
    import_csv(aws.schedule, write(tmp_path / "all.csv", [HEADER, row(1004)]), replace_all=True)
    assert set(stored(aws)) == {"1004"}


def test_a_dry_run_of_csv_import_reports_changes_and_makes_none(
    aws: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = import_csv(
        aws.schedule,
        write(tmp_path / "a.csv", [HEADER, row(), row(changes={"Start": "x"})]),
        dry_run=True,
    )
    assert stored(aws) == {}
    show(report, dry_run=True)
    said = capsys.readouterr().out
    assert "1 would be added" in said
    assert "a.csv row 3 (HIST E-1010): start 'x' is not a time" in said


def said_of_import(
    aws: Cloud, path: Path, capsys: pytest.CaptureFixture[str], **how: bool
) -> list[str]:
    """Import a CSV file, and return the texts about scheduled classes that another source has."""
    capsys.readouterr()
    show(import_csv(aws.schedule, path, **how), dry_run=False)
    said = " ".join(capsys.readouterr().out.split())
    return re.findall(r"\S+ has \d+ of these events too", said)


def test_csv_import_names_the_source_that_has_the_same_scheduled_classes(
    aws: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other_series = {"OC Series": "https://oc/#/2026/01/777", "Day": "M"}
    rows = [HEADER, row(1001), row(1002), row(1003, other_series)]
    first_system = {"zoom_series_id": "1002", "opencast_series_id": "20260112345"}
    events = [{"day": "W", "time": "09:30", "title": "Lecture"}]
    aws.schedule.put_item(Item={**first_system, "course_code": "c", "events": events})
    first = write(tmp_path / "old.csv", [HEADER, row(1001), row(1003), row(1004)])
    assert said_of_import(aws, first, capsys) == []
    path = write(tmp_path / "new.csv", rows)
    expected = ["first-system has 1 of these events too", "csv:old.csv has 2 of these events too"]
    assert said_of_import(aws, path, capsys) == expected
    assert said_of_import(aws, path, capsys) == expected
    assert said_of_import(aws, path, capsys, replace_all=True) == []


@pytest.fixture
def table(aws: Cloud) -> Any:
    """Return a table with scheduled classes of two files, and a row of the first system."""
    for name, *rows in (
        ("a.csv", sheet_row("A", day="M"), sheet_row("B", link="https://zoom.us/j/222", day="T")),
        ("b.csv", sheet_row("C", day="F")),
    ):
        schedule.import_csv(aws.schedule, Sheet(name, f"csv:{name}", [SHEET_HEADER, *rows]))
    aws.schedule.put_item(Item={"zoom_series_id": "333", "opencast_series_id": "1"})
    return aws.schedule


def days_of_meetings(table: Any) -> dict[str, list[str]]:
    rows = [plain(item) for item in table.scan()["Items"]]
    return {item["zoom_series_id"]: [e["day"] for e in item.get("events", [])] for item in rows}


def test_removal_of_a_source_deletes_the_scheduled_classes_of_that_source_only(table: Any) -> None:
    before = days_of_meetings(table)
    dry = remove_source(table, "csv:a.csv", dry_run=True)
    assert days_of_meetings(table) == before
    assert terminal_removal_lines(dry, "csv:a.csv", dry_run=True) == [
        "From csv:a.csv: 1 meeting would be removed, 1 keeps classes from elsewhere.",
        "Would be changed, 1 in all:",
        "  86168921331: - A (20260112345) M 9:30 Lecture",
        "Would be removed, 1 in all:",
        "  222: B (20260112345) T 9:30 Lecture",
    ]
    done = remove_source(table, "csv:a.csv")
    assert terminal_removal_lines(done, "csv:a.csv", dry_run=False)[0].startswith(
        "From csv:a.csv: 1 meeting removed, 1 keeps"
    )
    assert days_of_meetings(table) == {"86168921331": ["F"], "333": []}
    remove_source(table, "first-system")
    assert set(days_of_meetings(table)) == {"86168921331"}


def test_removal_of_a_source_lists_the_sources_when_the_source_has_no_scheduled_class(
    table: Any,
) -> None:
    before = days_of_meetings(table)
    with pytest.raises(OpsError) as error:
        remove_source(table, "a.csv")
    assert str(error.value) == (
        "No class of the schedule is from a.csv, so nothing was changed. There are classes from "
        "first-system (1), csv:a.csv (2), csv:b.csv (1)."
    )
    assert days_of_meetings(table) == before


def test_removal_of_a_source_raises_an_error_when_the_schedule_is_empty(aws: Cloud) -> None:
    with pytest.raises(OpsError, match=r"nothing was changed\. It is empty"):
        remove_source(aws.schedule, "csv:a.csv")


def test_removal_of_a_source_raises_an_error_while_the_schedule_is_locked(
    table: Any, clock: Clock
) -> None:
    with ScheduleLock(table, clock, 10**9).held():
        with pytest.raises(OpsError, match="just being updated"):
            remove_source(table, "csv:a.csv")
        assert len(remove_source(table, "csv:a.csv", dry_run=True).plan.delete) == 1
