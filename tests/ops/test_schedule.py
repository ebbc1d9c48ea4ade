"""The import of the class schedule from CSV files as people have them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ingester.schedule.importer import ImportReport, import_sheets
from ingester.schedule.model import ReplacedSources, ScheduledMeeting
from ops.command import OpsError
from ops.schedule import commands as schedule
from ops.schedule.commands import show
from ops.schedule.files import read_csv
from tests.cloud import Cloud, plain

HEADER = ["Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series"]


def import_csv(table: Any, path: Path, **how: bool) -> ImportReport:
    """Import a file as the command does."""
    return schedule.import_csv(table, read_csv(path), **how)


def row(meeting: int = 86168921331, changes: Mapping[str, str] | None = None) -> list[str]:
    """Return a good row with some cells changed."""
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


def test_csv_import_writes_a_course_and_series_for_each_class(aws: Cloud, tmp_path: Path) -> None:
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
    # The first system reads these, if a site switches back to it.
    assert (meeting["course_code"], meeting["opencast_series_id"]) == ("CSCI E-7", "202601777")


@pytest.mark.parametrize(
    ("encoding", "end"), [("utf-8-sig", "\r\n"), ("utf-8", "\n"), ("utf-8-sig", "\n")]
)
def test_csv_import_accepts_bom_crlf_empty_lines_and_any_case(
    aws: Cloud, tmp_path: Path, encoding: str, end: str
) -> None:
    header = ["  course  CODE ", "Notes", *(name.upper() for name in HEADER[1:])]
    good = row(changes={"Course Code": "Ünïcode 数学"})
    rows = [[], header, [], ["", "", ""], [good[0], "a note", *good[1:]], []]
    report = import_csv(aws.schedule, write(tmp_path / "a.csv", rows, encoding=encoding, end=end))
    assert (report.meetings, report.classes, report.skipped) == (1, 2, ())
    (meeting,) = stored(aws).values()
    assert meeting["course_code"] == "Ünïcode 数学"


def test_csv_import_names_bad_rows_and_imports_the_others(aws: Cloud, tmp_path: Path) -> None:
    rows = [
        HEADER,
        row(1001),
        row(changes={"Meeting ID with Password": ""}),
        row(changes={"Meeting ID with Password": "http://zoom.us/j/1?pwd=topsecret"}),
        row(changes={"Start": "25:00"}),
        row(changes={"OC Series": "https://oc.example.edu/"}),
        row(1002, {"Day": "MX"}),
    ]
    report = import_csv(aws.schedule, write(tmp_path / "a.csv", rows))
    said = [str(problem) for problem in report.skipped]
    assert [text.split(":")[0] for text in said] == [f"a.csv row {n}" for n in (3, 4, 5, 6, 7)]
    assert [
        word in text
        for word, text in zip(
            ("no meeting link", "https://zoom.us", "25:00", "no Opencast series", "'X'"),
            said,
            strict=True,
        )
    ] == [True] * 5
    assert "topsecret" not in "".join(said)
    assert set(stored(aws)) == {"1001", "1002"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"Course Code,Type,Day,Start,OC Series\n", "Meeting ID with Password"),
        (b"Course Code;Type;Day;Start\n", "has no column"),
        (b"Course Code,\xff\xfe\n", "is not UTF-8"),
        (b'"Course Code,Type', "is not CSV"),
        ((",".join(HEADER) + "\n").encode(), "No row can be used"),
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


def test_csv_import_deletes_meetings_that_left_the_file_and_no_others(
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


def test_csv_import_dry_run_reports_and_changes_nothing(
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
    assert "a.csv row 3: start 'x' is not a time" in said


class Rows:
    """A fake of the schedule table."""

    def __init__(self) -> None:
        self.rows: dict[str, ScheduledMeeting] = {}

    def all(self) -> list[ScheduledMeeting]:
        return list(self.rows.values())

    def apply(self, put: Iterable[ScheduledMeeting], delete: Iterable[str]) -> None:
        self.rows.update({meeting.zoom_series_id: meeting for meeting in put})
        for zoom_series_id in delete:
            del self.rows[zoom_series_id]


def test_import_of_five_thousand_rows_is_idempotent(tmp_path: Path) -> None:
    rows = [
        row(10_000 + number % 2500, {"Start": f"{8 + number // 2500}:05"}) for number in range(5000)
    ]
    sheet = read_csv(write(tmp_path / "big.csv", [HEADER, *rows]))
    table = Rows()
    report = import_sheets(table, [sheet], ReplacedSources())
    assert (report.meetings, report.classes, len(table.rows)) == (2500, 10_000, 2500)
    again = import_sheets(table, [sheet], ReplacedSources())
    assert (again.plan.put, again.plan.delete, again.plan.unchanged) == ((), (), 2500)
