"""The parser of sheets that coordinators type."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingester.errors import BadRequest
from ingester.schedule.model import ScheduledClass
from ingester.schedule.parsed import ParsedSheet
from ingester.schedule.sheet.cells import COLUMNS
from ingester.schedule.sheet.parser import parse

HEADER = ["Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series"]
LINK = "https://harvard.zoom.us/j/95846636714?pwd=S3cretPass"
SERIES = "https://matterhorn.example.edu/engage/ui/index.html#/2021/01/12345"
GOOD = {
    "Course Code": "HIST E-10",
    "Type": " lecture ",
    "Day": "MW",
    "Start": "9:30",
    "Meeting ID with Password": LINK,
    "OC Series": SERIES,
}

LETTERS = "write only letters of M T W R F S U (R is Thursday, U is Sunday)"
RANGE = "write each day of a range, such as M T W R F"


def row(**changes: str) -> list[str]:
    named = GOOD | {name.replace("_", " "): value for name, value in changes.items()}
    return [named[name] for name in HEADER]


def read(*rows: list[str], header: list[str] | None = None) -> ParsedSheet:
    return parse("Fall", "sheet/Fall", [header or HEADER, *rows])


def skipped(*rows: list[str]) -> list[str]:
    return [str(problem) for problem in read(*rows).problems]


def test_sheet_parser_makes_one_scheduled_class_for_each_day_of_a_row() -> None:
    assert read(row()).pairs == tuple(
        (
            "95846636714",
            ScheduledClass(
                day=day,
                time="9:30",
                title="Lecture",
                course_code="HIST E-10",
                opencast_series_id="20210112345",
                source="sheet/Fall",
            ),
        )
        for day in "MW"
    )


@pytest.mark.parametrize(
    ("cell", "what"),
    [(LINK, "is a link"), ("x" * 50_000, "is longer than 200 characters")],
)
def test_sheet_parser_leaves_out_a_course_or_type_that_is_not_a_name(cell: str, what: str) -> None:
    # Otherwise, Slack, mails and the page would show the passcode in a link.
    found = read(row(Course_Code=cell, Type=cell, Day="M"))
    [(meeting, scheduled)] = found.pairs
    assert (meeting, scheduled.course_code, scheduled.title) == ("95846636714", "", "Lecture")
    assert [str(problem) for problem in found.problems] == [
        f"Fall row 2: Course Code {what}: it was left out",
        f"Fall row 2: Type {what}: it was left out",
    ]
    assert not any(problem.all_skipped for problem in found.problems)
    assert "S3cret" not in repr(found)


@pytest.mark.parametrize(
    ("cell", "days"),
    [("M", "M"), ("MTWRFSU", "MTWRFSU"), ("M, W,F", "MWF"), ("t r", "TR"), ("MM", "M")],
)
def test_sheet_parser_reads_days_with_or_without_spaces_and_commas(cell: str, days: str) -> None:
    sheet = read(row(Day=cell))
    assert "".join(scheduled.day for _, scheduled in sheet.pairs) == days
    assert sheet.problems == ()


@pytest.mark.parametrize(
    ("column", "cell", "days", "says"),
    [
        ("Day", "Tu", "TU", ["day 'Tu' is read as Tuesday and Sunday: write T for Tuesday alone"]),
        (
            "Day",
            "M, Su",
            "MSU",
            ["day 'M, Su' is read as Monday, Saturday and Sunday: write U for Sunday alone"],
        ),
        ("Day", "TTh", "T", ["day 'TTh' is read as Tuesday: write R for Thursday"]),
        (
            "Day",
            "SuTh",
            "SUT",
            [
                (
                    "day 'SuTh' is read as Saturday, Sunday and Tuesday: write R for Thursday, "
                    "U for Sunday alone"
                )
            ],
        ),
        ("Day", "Fr", "FR", ["day 'Fr' is read as Friday and Thursday: write F for Friday alone"]),
        ("Day", "TU", "TU", []),
        ("Day", "Tuesday", "T", []),
        ("Day", "thurs, SAT", "RS", []),
        ("Day", "Mondays Wednesdays", "MW", []),
        ("Day", "Wed/Fri", "WF", [f"day 'Wed/Fri' is read as Wednesday and Friday: {LETTERS}"]),
        ("Day", "<M>,T", "MT", [f"day '(M),T' is read as Monday and Tuesday: {LETTERS}"]),
        ("Day", "Montag", "MT", [f"day 'Montag' is read as Monday and Tuesday: {LETTERS}"]),
        *(
            ("Day", cell, "MF", [f"day '{cell}' is read as Monday and Friday: {RANGE}"])
            for cell in ("M-F", "Mon – Fri")  # noqa: RUF001  # people type this dash
        ),
        (
            "Day",
            "Tuesdy",
            "TUS",
            [
                "day 'Tuesdy' is read as Tuesday, Sunday and Saturday: write T for Tuesday alone",
            ],
        ),
        ("Start", "1:30", "MW", ["start '1:30' is at night: write 13:30 for the afternoon"]),
        ("Start", "05:59", "MW", ["start '05:59' is at night: write 17:59 for the afternoon"]),
        ("Start", "6:00", "MW", []),
        ("Type", "", "MW", []),
    ],
)
def test_sheet_parser_adds_a_hint_only_when_a_cell_that_it_reads_is_misleading(
    column: str, cell: str, days: str, says: list[str]
) -> None:
    sheet = read(row(Day="F"), row(**{column: cell}))
    assert "".join(scheduled.day for _, scheduled in sheet.pairs) == f"F{days}"
    assert [str(problem) for problem in sheet.problems] == [
        f"Fall row 3 (HIST E-10): {text}" for text in says
    ]
    assert not any(problem.all_skipped for problem in sheet.problems)


def test_sheet_parser_reads_a_link_with_another_link_in_its_query() -> None:
    for other in ("https://example.edu", "https://zoom.us/j/222222"):
        link = f"https://zoom.us/j/95846636714?pwd=x&next={other}"
        classes = read(row(Meeting_ID_with_Password=link)).pairs
        assert {key for key, _ in classes} == {"95846636714"}


@pytest.mark.parametrize(
    ("cell", "title"), [("section", "Section"), ("FINAL EXAM", "Final Exam"), ("", "Lecture")]
)
def test_sheet_parser_makes_the_title_from_the_type(cell: str, title: str) -> None:
    assert {scheduled.title for _, scheduled in read(row(Type=cell)).pairs} == {title}


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("Meeting_ID_with_Password", "", "no meeting link"),
        ("Meeting_ID_with_Password", "http://zoom.us/j/95846636714", "meeting link is not like"),
        ("Meeting_ID_with_Password", "https://zoom.us/my/name", "meeting link is not like"),
        ("Meeting_ID_with_Password", "95846636714", "meeting link is not like"),
        ("Meeting_ID_with_Password", "https://zoom.us/j/0123456789", "meeting link is not like"),
        *(
            ("Meeting_ID_with_Password", cell, "two meeting links in one cell")
            for cell in (
                f"{LINK}\nhttps://zoom.us/j/222222?pwd=S3cretPass",
                f"{LINK} (old: https://zoom.us/j/222222)",
                "https://zoom.us/j/111111https://zoom.us/j/222222",
                f"{LINK},https://zoom.us/j/222222?pwd=S3cretPass",
                f"{LINK};https://zoom.us/wc/join/222222",
                f"{LINK}|https://zoom.us/w/222222",
                f"{LINK}https://zoom.us/j/222222",
                "https://example.edu/111111,https://example.edu/222222",
            )
        ),
        # Some mail filters replace a link with a link of their own that contains the original.
        *(
            ("Meeting_ID_with_Password", cell, "meeting link is not like")
            for cell in (
                "https://urldefense.com/v3/__https://zoom.us/j/95846636714__;x",
                f"https://urldefense.com/v3/__{LINK}__;!!x",
            )
        ),
        ("Meeting_ID_with_Password", "https://[zoom/j/95846636714", "link is broken"),
        ("Start", "", "Start is empty"),
        ("Start", "25:00", "start '25:00' is not a time"),
        ("Start", "9:30 AM", "start '9:30 AM' is not a time"),
        ("Start", "9.30", "start '9.30' is not a time"),
        ("Start", "٩:30", "is not a time"),
        ("OC_Series", "", "no Opencast series"),
        ("OC_Series", "https://matterhorn.example.edu/index.html", "no Opencast series"),
        ("OC_Series", "https://[x#/2021/01/1", "no Opencast series"),
        ("OC_Series", "see mail #12345", "no Opencast series, but something else after a #"),
        ("OC_Series", "#12345", "no Opencast series, but something else"),
        ("OC_Series", "https://admin/#!/series?series=abc", "no Opencast series, but"),
        ("OC_Series", "https://o/#/2026/01/1\nhttps://o/#/2026/01/2", "no Opencast series, but"),
        ("OC_Series", "20260199996", "no Opencast series, but an id alone: paste the link"),
        (
            "OC_Series",
            "4c05b4f5-7e5c-4d64-a9fc-1aa4bd8d3c4d",
            "no Opencast series, but an id alone: paste the link to the series",
        ),
        ("OC_Series", "#REF!", "OC Series is '#REF!': wait"),
        ("Day", "#NV", "Day is '#NV': wait"),
        ("Day", "", "Day is empty"),
        ("Day", ",", "day ',' holds none of M T W R F S U"),
        ("Day", "XYZ", "day 'XYZ' holds none of"),
    ],
)
def test_sheet_parser_skips_a_row_with_a_wrong_cell_and_names_sheet_and_row(
    column: str, cell: str, says: str
) -> None:
    sheet = read(row(), row(**{column: cell}), row(Course_Code="after"))
    assert len(sheet.pairs) == 4
    (problem,) = sheet.problems
    assert str(problem).startswith("Fall row 3 (HIST E-10): ")
    assert says in str(problem)


@pytest.mark.parametrize(
    ("source", "cell", "hint"),
    [
        ("csv:a.csv", "9.30", ", but a number: write 9:30"),
        ("csv:a.csv", "9,30", ", but a number: write 9:30"),
        ("csv:a.csv", "0.5625", ", but a number: write it like 14:05"),
        ("json:a.json", "930", ", but a number: write it like 14:05"),
        ("sheet:Fall", "9.30", ", but a number: give the column the format of a time"),
        ("csv:a.csv", "13:30:00", ", but with seconds: write 13:30"),
        ("sheet:Fall", "13:30:00", ", but with seconds: give the column the format hh:mm"),
        ("sheet:Fall", "5:30 PM", ", but in 12-hour form: write 17:30 for 5:30 PM"),
        ("sheet:Fall", "12 a.m.", ", but in 12-hour form: write 0:00 for 12 a.m."),
        ("sheet:Fall", "13 PM", ", but in 12-hour form: write 14:05 for 2:05 PM"),
        ("sheet:Fall", "Noon", ": write 12:00"),
        ("sheet:Fall", "9h30", ": write 9:30"),
        ("sheet:Fall", "9h", ": write it like 14:05, from 0:00 to 23:59"),
        ("sheet:Fall", "25:30", ": write it like 14:05, from 0:00 to 23:59"),
    ],
)
def test_sheet_parser_says_what_to_write_in_place_of_a_wrong_start(
    source: str, cell: str, hint: str
) -> None:
    (problem,) = parse("Fall", source, [HEADER, row(Start=cell)]).problems
    assert problem.reason == f"start {cell!r} is not a time like 9:30 or 14:05{hint}"


def test_sheet_parser_names_the_course_of_a_row_in_one_short_line() -> None:
    (problem,) = read(row(Course_Code=f"<b>\n{'x' * 100}", Start="x")).problems
    assert str(problem).startswith(f"Fall row 2 ((b) {'x' * 55}…): start 'x'")
    (problem,) = read(row(Course_Code="", Start="x")).problems
    assert str(problem).startswith("Fall row 2: start 'x'")


def test_sheet_parser_skips_only_the_letters_that_stand_for_no_day() -> None:
    sheet = read(row(Day="MXW"))
    assert [scheduled.day for _, scheduled in sheet.pairs] == ["M", "W"]
    assert [str(problem) for problem in sheet.problems] == [
        f"Fall row 2 (HIST E-10): day 'MXW' is read as Monday and Wednesday: {LETTERS}"
    ]


def test_sheet_parser_counts_rows_as_the_sheet_shows_them() -> None:
    sheet = parse("Fall", "s", [["", " "], HEADER, [], row(Start="x"), ["", ""], row(Start="y")])
    assert [problem.row for problem in sheet.problems] == [4, 6]


def test_sheet_parser_reads_missing_cells_of_a_short_row_as_empty() -> None:
    assert skipped(["HIST", "Lecture"]) == ["Fall row 2 (HIST): no meeting link"]


@pytest.mark.parametrize("name", HEADER)
def test_sheet_parser_refuses_a_sheet_without_one_of_the_columns(name: str) -> None:
    header = [column for column in HEADER if column != name]
    with pytest.raises(BadRequest, match=f"Fall has no column {name}"):
        read(row(), header=header)


def test_sheet_parser_refuses_an_empty_sheet() -> None:
    with pytest.raises(BadRequest, match="Fall is empty"):
        parse("Fall", "s", [["", ""], []])


@pytest.mark.parametrize(
    "header",
    [
        [name.upper() for name in HEADER],
        [f"  {name.lower()} " for name in HEADER],
        [name.replace(" ", "\n ") for name in HEADER],
        [f"\ufeff{HEADER[0]}", *HEADER[1:]],
    ],
)
def test_sheet_parser_finds_columns_in_any_case_and_spacing(header: list[str]) -> None:
    assert len(read(row(), header=header).pairs) == 2


def test_sheet_parser_skips_other_columns_and_accepts_any_order_of_columns() -> None:
    header = ["Notes", *reversed(HEADER)]
    assert read(["x", *reversed(row())], header=header).pairs == read(row()).pairs


@pytest.mark.parametrize("link", [LINK, f"{LINK}#x", "Passcode: S3cretPass", "?pwd=S3cretPass"])
@pytest.mark.parametrize("column", [name.replace(" ", "_") for name in HEADER])
def test_sheet_parser_names_no_passcode_in_its_problems(column: str, link: str) -> None:
    said = " ".join(skipped(row(**{column: link, "OC_Series": ""}), row(**{column: link})))
    assert "S3cretPass" not in said
    assert "95846636714" not in said or column == "Meeting_ID_with_Password"
    if column in ("Start", "Day"):
        assert "row 3" in said
        assert "'R'" not in said, "not letter by letter either"


cells = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [*GOOD.values(), "https://[", "MTW", "9:99", "#/", "\ufeff", "//", "#REF!", "a # b"]
    ),
)
rows = st.lists(st.lists(cells, max_size=7), max_size=4)


@settings(max_examples=100)
@given(st.booleans(), rows)
def test_sheet_parser_raises_only_bad_request_whatever_the_cells(
    with_header: bool, foreign: list[list[str]]
) -> None:
    try:
        sheet = parse("Fall", "s", [list(COLUMNS), *foreign] if with_header else foreign)
    except BadRequest:
        assert not with_header
        return
    for number, scheduled in sheet.pairs:
        assert number.isascii()
        assert number.isdigit()
        assert scheduled.minute_of_week is not None
        assert re.fullmatch(r"[\w.:-]+", scheduled.opencast_series_id)
