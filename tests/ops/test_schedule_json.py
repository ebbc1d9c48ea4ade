"""Tests of the import of scheduled classes from every supported form of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from ingester.schedule.importer import ImportReport
from ingester.schedule.model import DAYS, ScheduledClass
from ingester.schedule.report import terminal_lines
from ops.command import OpsError
from ops.schedule.commands import import_classes
from ops.schedule.files import parse_json, read_json
from tests.cloud import Cloud, plain

SHEET = {
    "course CODE": "HIST E-1010",
    "Type": "section",
    "DAY": "MW",
    "Start": "9:30",
    "Meeting ID with Password": "https://zoom.us/j/86168921331?pwd=topsecret",
    "OC Series": "https://oc/engage/ui/index.html#/2026/01/12345",
    "Notes": ["whatever"],
}
FIRST_SYSTEM = {
    "zoom_series_id": "86168921331",
    "opencast_series_id": "20260112345",
    "course_code": "HIST E-1010",
    "events": [
        {"day": "M", "time": "9:30", "title": "Section"},
        {"day": "W", "time": "9:30", "title": "Section"},
    ],
}


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def load(aws: Cloud, path: Path, **options: bool) -> ImportReport:
    return import_classes(aws.schedule, read_json(path), **options)


def stored(aws: Cloud) -> dict[str, Any]:
    return {item["zoom_series_id"]: plain(item) for item in aws.schedule.scan()["Items"]}


def typed(row: dict[str, Any]) -> dict[str, Any]:
    return {key: TypeSerializer().serialize(value) for key, value in row.items()}


EVENTS = [
    {
        "day": day,
        "time": "9:30",
        "title": "Section",
        "course_code": "HIST E-1010",
        "opencast_series_id": "20260112345",
        "source": "json:fall.json",
    }
    for day in "MW"
]


@pytest.mark.parametrize(
    "content",
    [
        [SHEET],
        [FIRST_SYSTEM],
        [{**FIRST_SYSTEM, "zoom_series_id": 86168921331}],
        {"86168921331": FIRST_SYSTEM},
        {"Items": [FIRST_SYSTEM], "Count": 1},
        {"Items": [typed(FIRST_SYSTEM)], "Count": 1, "ScannedCount": 1},
        [typed(FIRST_SYSTEM)],
        [
            {
                "zoom_series_id": "86168921331",
                "events": [{**event, "source": "csv:old.csv"} for event in EVENTS],
            }
        ],
    ],
    ids=["sheet", "first", "number", "by meeting", "items", "scan", "typed", "ours"],
)
def test_json_import_writes_the_same_rows_for_every_form(
    aws: Cloud, tmp_path: Path, content: object
) -> None:
    report = load(aws, write(tmp_path / "fall.json", content))
    assert report.problems == ()
    assert stored(aws) == {
        "86168921331": {
            "zoom_series_id": "86168921331",
            "opencast_series_id": "20260112345",
            "course_code": "HIST E-1010",
            "events": EVENTS,
        }
    }


def test_json_import_replaces_the_scheduled_classes_of_the_same_file(
    aws: Cloud, tmp_path: Path
) -> None:
    rows = [{**FIRST_SYSTEM, "zoom_series_id": number} for number in ("1001", "1002")]
    load(aws, write(tmp_path / "a.json", rows))
    load(aws, write(tmp_path / "b.json", [{**FIRST_SYSTEM, "zoom_series_id": "1003"}]))
    dry = load(aws, write(tmp_path / "a.json", rows[:1]), dry_run=True)
    assert dry.plan.delete == ("1002",)
    assert set(stored(aws)) == {"1001", "1002", "1003"}
    load(aws, tmp_path / "a.json")
    assert set(stored(aws)) == {"1001", "1003"}
    load(aws, tmp_path / "a.json", replace_all=True)
    assert set(stored(aws)) == {"1001"}


def test_json_import_names_rows_and_scheduled_classes_that_cannot_be_used(
    aws: Cloud, tmp_path: Path
) -> None:
    rows = [
        FIRST_SYSTEM,
        {**FIRST_SYSTEM, "zoom_series_id": "abc"},
        {**FIRST_SYSTEM, "zoom_series_id": "2002", "events": []},
        {
            "zoom_series_id": "2003",
            "events": [
                {"day": "X", "time": "9:30"},
                {"day": "M", "time": "25:00"},
                {"day": "M", "time": "9:30"},
                "nothing",
            ],
        },
    ]
    report = load(aws, write(tmp_path / "a.json", rows))
    assert [str(problem) for problem in report.problems] == [
        "a.json row 2 (HIST E-1010): zoom_series_id is no meeting's number",
        "a.json row 3: meeting 2002 has no events",
        "a.json row 4: meeting 2003, event 1: day 'X' is none of M T W R F S U",
        "a.json row 4: meeting 2003, event 2: time '25:00' is not a time like 9:30 or 14:05",
        "a.json row 4: meeting 2003, event 3: no Opencast series",
        "a.json row 4: meeting 2003, event 4: day '' is none of M T W R F S U",
    ]
    parsed = parse_json("b.json", [SHEET, {**SHEET, "Start": "x"}])
    assert [str(problem) for problem in parsed.problems] == [
        (
            "b.json row 2 (HIST E-1010): start 'x' is not a time like 9:30 or 14:05: write it like "
            "14:05, from 0:00 to 23:59"
        )
    ]


def test_json_import_keeps_a_scheduled_class_when_its_row_cannot_be_read(
    aws: Cloud, tmp_path: Path
) -> None:
    rows = [{**FIRST_SYSTEM, "zoom_series_id": number} for number in ("1001", "1002", "1003")]
    load(aws, write(tmp_path / "a.json", rows))
    before = stored(aws)
    broken = [
        rows[0],
        {**rows[1], "events": [{"day": "M", "time": "9:30"}, {"day": "W", "time": "half past"}]},
        {**rows[2], "events": "nonsense"},
    ]
    report = load(aws, write(tmp_path / "a.json", broken))
    assert {(kept.meeting, kept.scheduled.day) for kept in report.retained} == {
        ("1002", "W"),
        ("1003", "M"),
        ("1003", "W"),
    }
    assert {key: row["events"][0]["day"] for key, row in stored(aws).items()}.keys() == set(before)
    assert "Kept as before, 2 in all:" in terminal_lines(report, dry_run=False)
    assert str(report.problems[-1]) == "a.json row 3: meeting 1003: its events can't be read"
    # An empty list is valid for a meeting without scheduled classes.
    load(aws, write(tmp_path / "a.json", [rows[0], {**rows[1], "events": []}]))
    assert set(stored(aws)) == {"1001"}
    # The scheduled class of the unreadable row isn't replaced, but gets b.json as its source.
    columns = [SHEET, {**SHEET, "Meeting ID with Password": "https://zoom.us/j/1001", "Start": "9"}]
    load(aws, write(tmp_path / "b.json", columns), replace_all=True)
    assert {event["source"] for event in stored(aws)["1001"]["events"]} == {"json:b.json"}


def of_courses(number: str, *courses: str | None, **changes: Any) -> dict[str, Any]:
    """Return a row of this system's table with one scheduled class for each course.

    None makes a scheduled class without a course.
    """
    events: list[object] = []
    for course, day in zip(courses, DAYS, strict=False):
        event = {**EVENTS[0], "day": day}
        if course is None:
            del event["course_code"]
        else:
            event["course_code"] = course
        events.append(event)
    return {"zoom_series_id": number, "events": events, **changes}


@pytest.mark.parametrize(
    ("courses", "changes"),
    [
        (("11111", "22222"), {"course_code": "11111"}),
        (("11111",), {}),
        ((None, "22222"), {"course_code": "22222"}),
        (("11111", "22222"), {"events": "nonsense"}),
        (("11111", "22222"), {"events": ["nonsense"]}),
        (("11111",), {"events": [{"day": "M", "time": "9:30"}]}),
    ],
    ids=["two courses", "no row's course", "no course", "text", "list of texts", "lost course"],
)
def test_json_import_keeps_every_scheduled_class_of_a_row_with_an_unreadable_meeting(
    aws: Cloud, tmp_path: Path, courses: tuple[str | None, ...], changes: dict[str, object]
) -> None:
    good = of_courses("1001", "33333")
    load(aws, write(tmp_path / "a.json", [good, of_courses("12345", *courses)]))
    before = stored(aws)
    broken = of_courses("12345 (old)", *courses, **changes)
    report = load(aws, write(tmp_path / "a.json", [good, broken]))
    assert {kept.scheduled.course_code for kept in report.retained} == {
        course or "" for course in courses
    }
    assert stored(aws) == before
    assert "1 row skipped." in terminal_lines(report, dry_run=False)[0]


def test_json_import_removes_a_meeting_whose_row_has_a_wrong_number_and_no_scheduled_classes(
    aws: Cloud, tmp_path: Path
) -> None:
    rows = [of_courses("1001", "33333"), of_courses("12345", "11111")]
    load(aws, write(tmp_path / "a.json", rows))
    broken = of_courses("abc", course_code="11111")
    report = load(aws, write(tmp_path / "a.json", [rows[0], broken]))
    assert set(stored(aws)) == {"1001"}
    assert [str(problem) for problem in report.problems] == [
        "a.json row 2: zoom_series_id is no meeting's number"
    ]


def test_json_import_keeps_an_unreadable_scheduled_class_whose_course_is_not_known(
    aws: Cloud, tmp_path: Path
) -> None:
    row = of_courses("12345", "11111", "11111")
    load(aws, write(tmp_path / "a.json", [row]))
    before = stored(aws)
    load(aws, write(tmp_path / "a.json", [{**row, "events": [row["events"][0], "nonsense"]}]))
    assert stored(aws) == before


def test_json_import_keeps_a_moved_scheduled_class_when_its_new_row_cannot_be_read(
    aws: Cloud, tmp_path: Path
) -> None:
    load(aws, write(tmp_path / "a.json", [of_courses("1001", "33333"), of_courses("1002", None)]))
    moved = of_courses("1003", None)
    moved["events"] = [{"day": "X", "time": "9:30"}]
    report = load(aws, write(tmp_path / "a.json", [of_courses("1001", "33333"), moved]))
    assert [kept.meeting for kept in report.retained] == ["1002"]
    assert set(stored(aws)) == {"1001", "1002"}


def test_parsed_scheduled_class_with_a_source_has_no_course_when_only_its_row_has_one() -> None:
    row = of_courses("12345", None, "22222", course_code="22222")
    parsed = parse_json("a.json", [row, {**FIRST_SYSTEM, "course_code": "11111"}])
    assert [scheduled.course_code for _, scheduled in parsed.pairs] == ["", "22222", *["11111"] * 2]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('[{"a": 1},\n {"b" 2}]', r"is not JSON: line 2, column 7: Expecting ':' delimiter"),
        ("", "is not JSON: line 1, column 1"),
        ("[" * 100_000, "nested too deeply|is not JSON"),
        ("12", "holds a number: it has to be a list"),
        ([FIRST_SYSTEM, 5], "entry 2 is no object, but a number"),
        ([FIRST_SYSTEM, SHEET], "mixes rows .* entry 2 is the first"),
        ([{**SHEET, "Day": ["M"]}], "entry 1: Day is a list, and has to be a text"),
        ([{"Course Code": "x"}], "has no column Type, Day"),
        ([], "has no column"),
        ([{**FIRST_SYSTEM, "events": []}], "No row can be used, so nothing was changed"),
    ],
)
def test_json_import_of_a_wrong_file_changes_nothing(
    aws: Cloud, tmp_path: Path, content: object, sentence: str
) -> None:
    load(aws, write(tmp_path / "a.json", [FIRST_SYSTEM]))
    before = stored(aws)
    with pytest.raises(OpsError, match=sentence) as error:
        load(aws, write(tmp_path / "a.json", content), replace_all=True)
    assert "\n" not in str(error.value)
    assert stored(aws) == before


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
row = st.fixed_dictionaries({}, optional=dict.fromkeys(FIRST_SYSTEM, anything))
sheet_row = st.fixed_dictionaries({}, optional=dict.fromkeys(SHEET, anything))


@given(anything | st.lists(row) | st.lists(sheet_row) | st.dictionaries(st.text(), row))
def test_json_import_reads_any_content_or_refuses_the_content_in_one_line(content: Any) -> None:
    try:
        parsed = parse_json("a.json", content)
    except OpsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        return
    for _, event in parsed.pairs:
        assert isinstance(event, ScheduledClass)
        assert event.day in DAYS
        assert event.minute_of_week is not None
