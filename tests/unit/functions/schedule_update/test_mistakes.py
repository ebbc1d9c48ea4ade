"""Answers of schedule-update about mistakes in a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.google_web import HEADER, row, tabs
from tests.unit.functions.schedule_update.harness import (
    SENTENCES,
    SheetUser,
    with_tabs,
)

ROW_2 = "Fall row 2 (HIST E-1010)"

MISTAKES: list[tuple[str, list[Sequence[str]], int, str]] = [
    (
        "a renamed column",
        [[*HEADER[:5], "Opencast Series"], row()],
        422,
        "Fall has no column OC Series. Row 1 also has 'Opencast Series'. One row, above all",
    ),
    ("an empty tab", [], 422, "Fall is empty: it needs a row with the columns' names."),
    (
        "a column twice",
        [[*HEADER, "start"], row()],
        422,
        "Fall row 1 names the column Start twice. Rename one",
    ),
    (
        "a header sorted among the rows",
        [row(), HEADER, row()],
        422,
        "Fall row 1 stands above the columns' names, which are in row 2: was the header sorted",
    ),
    (
        "no header",
        [["only", "notes"]],
        422,
        "Fall has no column Course Code, Type, Day, Start, Meeting ID with Password, OC Series.",
    ),
    ("only a header", [HEADER], 422, "No row can be used, so nothing was changed."),
    (
        "a time as a number",
        [HEADER, row(start="0.5625")],
        422,
        (
            f"{ROW_2}: start '0.5625' is not a time like 9:30 or 14:05, but a number: give the "
            "column the format of a time"
        ),
    ),
    (
        "a date and time as a serial number",
        [HEADER, row(start="46023.5625")],
        422,
        f"{ROW_2}: start '46023.5625' is not a time like 9:30 or 14:05, but a number",
    ),
    (
        "a date",
        [HEADER, row(start="9/1/2026 13:30")],
        422,
        f"{ROW_2}: start '9/1/2026 13:30' is not a time like 9:30 or 14:05, but a date",
    ),
    (
        "a time with AM or PM",
        [HEADER, row(start="1:30 PM")],
        422,
        (
            "Fall row 2 (HIST E-1010): start '1:30 PM' is not a time like 9:30 or 14:05, but in "
            "12-hour form: write 13:30 for 1:30 PM"
        ),
    ),
    (
        "a time with seconds",
        [HEADER, row(start="13:30:00")],
        422,
        f"{ROW_2}: start '13:30:00' is not a time like 9:30 or 14:05, but with seconds",
    ),
    (
        "a meeting's number as a number",
        [HEADER, row(link="86,168,921,331"), row(link="8.6E+10")],
        422,
        (
            f"{ROW_2}: the meeting link is not like https://zoom.us/j/1234567890, but a number "
            "alone: paste the whole link; Fall row 3 (HIST E-1010): the meeting link is not like"
        ),
    ),
    (
        "merged cells",
        [HEADER, row(), row(start=""), row(series="")],
        200,
        (
            "Fall row 3 (HIST E-1010): Start is empty (merged cells? Each row needs its own)\n"
            "Fall row 4 (HIST E-1010): no Opencast series (merged cells? Each row needs its own)"
        ),
    ),
    *(
        (
            f"{cell} as a day",
            [HEADER, row(day=cell)],
            200,
            f"Fall row 2 (HIST E-1010): day '{cell}' is {what}",
        )
        for cell, what in (
            ("Tu", "read as Tuesday and Sunday: write T for Tuesday alone"),
            ("Su", "read as Saturday and Sunday: write U for Sunday alone"),
            ("Th", "read as Tuesday: write R for Thursday"),
            ("M-F", "read as Monday and Friday: write each day of a range, such as M T W R F"),
        )
    ),
    (
        "an afternoon's class in 12-hour form",
        [HEADER, row(start="1:30")],
        200,
        "Fall row 2 (HIST E-1010): start '1:30' is at night: write 13:30 for the afternoon",
    ),
    (
        "two links in a cell",
        [HEADER, row(link="https://zoom.us/j/111\nhttps://zoom.us/j/222")],
        422,
        "Fall row 2 (HIST E-1010): two meeting links in one cell",
    ),
    (
        "a formula that has failed",
        [HEADER, row(series="#REF!")],
        422,
        "Fall row 2 (HIST E-1010): OC Series is '#REF!': wait, or correct the cell's formula",
    ),
    (
        "a name that is too long",
        [HEADER, row("x" * 201)],
        200,
        "Fall row 2: Course Code is longer than 200 characters: it was left out",
    ),
    (
        "a row that was copied with its link",
        [HEADER, row(), row(series="https://oc/#/2027")],
        200,
        (
            "Fall row 3 (HIST E-1010): M 9:30, W 9:30 is Fall row 2's already, for another series: "
            "that one counts, and this class gets no recordings"
        ),
    ),
    (
        "a merged course code",
        [HEADER, row(), row("", start="11:00"), row("", start="12:00")],
        200,
        "(1 new). 2 rows incomplete.\nFall row 3: no Course Code (merged cells?",
    ),
    (
        "a row twice",
        [HEADER, row(), row("hist e-1010", start="09:30", day="F, W, M")],
        200,
        (
            "Fall row 3 (hist e-1010): W 09:30, M 09:30 is the same class as row 2: if only one of "
            "the rows changes, both times are in force"
        ),
    ),
    (
        "an empty day",
        [HEADER, row(day="")],
        422,
        "Fall row 2 (HIST E-1010): Day is empty",
    ),
    (
        "a title above the header",
        [["Schedule, Fall 2026"], [], HEADER, row(day="X")],
        422,
        "Fall row 4 (HIST E-1010): day 'X' holds none of M T W R F S U",
    ),
]


@pytest.mark.parametrize(
    ("cells", "status", "says"),
    [mistake[1:] for mistake in MISTAKES],
    ids=[mistake[0] for mistake in MISTAKES],
)
def test_schedule_update_names_the_mistake_of_a_sheet_in_the_answer(
    user: SheetUser, cells: list[Sequence[str]], status: int, says: str
) -> None:
    other = {"day": "M", "time": "9:00", "title": "L", "source": "csv:extra.csv"}
    before = {"zoom_series_id": "222", "events": [other]}
    user.aws.schedule.put_item(Item=before)
    user.google.answers(tabs(cells))
    answered = user.update()
    assert answered[0] == status
    assert says in answered[1]
    if not says.startswith("No row"):
        assert any(sentence.search(says) for sentence in SENTENCES), (
            "the reason isn't in the handbook"
        )
    if status != 200:
        assert user.stored() == {"222": [other]}, "the table must be unchanged"


def test_schedule_update_changes_nothing_when_one_tab_is_unusable(user: SheetUser) -> None:
    with_tabs(user, "Fall,Spring")
    user.google.answers(tabs([HEADER, row()], []))
    status, text = user.update()
    assert (status, text.split(":")[0]) == (422, "Spring is empty")
    assert user.stored() == {}


def test_schedule_update_imports_thousands_of_rows(user: SheetUser) -> None:
    rows = [
        row(link=f"https://zoom.us/j/{900000000 + number % 400}", start=f"{8 + number % 12}:00")
        for number in range(5000)
    ]
    user.sheet(*rows)
    status, text = user.update()
    assert status == 200
    assert text.startswith("Success: 400 meetings with 2,400 events (400 new).")
    assert len(user.stored()) == 400


def test_schedule_update_writes_nothing_when_a_meeting_is_too_large_for_a_row_of_the_table(
    user: SheetUser,
) -> None:
    many = [row(f"COURSE {n}" + "x" * 180, link="https://zoom.us/j/999") for n in range(700)]
    user.sheet(row(), *many)
    status, text = user.update()
    assert status == 422
    assert text.startswith("Meeting 999 would have 1,400 classes")
    assert user.stored() == {}


cells = st.one_of(
    st.text(max_size=12),
    st.sampled_from([*row(), "https://[", "MTW", "9:99", "#/", "\ufeff", "//", "0.5", *HEADER]),
    st.none(),
    st.floats(allow_nan=False),
    st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(with_header=st.booleans(), foreign=st.lists(st.lists(cells, max_size=8), max_size=6))
def test_schedule_update_succeeds_or_refuses_the_sheet_with_422_whatever_its_cells(
    user: SheetUser, with_header: bool, foreign: list[list[Any]]
) -> None:
    user.google.answers(tabs([list(HEADER), *foreign] if with_header else foreign))
    status, text = user.update()
    assert status in {200, 422}
    assert len(text) > 10
