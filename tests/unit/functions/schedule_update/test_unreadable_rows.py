"""Scheduled classes that an update retains because it can't read their rows in the sheet."""

from __future__ import annotations

import pytest

from tests.google_web import HEADER, row, tabs
from tests.unit.functions.schedule_update.harness import SheetUser, with_tabs

ZOOM = "https://zoom.us/j/"


def classes(user: SheetUser) -> set[tuple[str, str, str, str]]:
    return {
        (key, event["course_code"], event["day"], event["time"])
        for key, events in user.stored().items()
        for event in events
    }


def many(number: int, **cells: str) -> list[list[str]]:
    return [row(f"C-{n}", link=f"{ZOOM}{81000000000 + n}", **cells) for n in range(number)]


@pytest.mark.parametrize(
    "broken",
    [
        {"start": "2:00 PM"},
        {"day": "X"},
        {"series": ""},
        {"link": "81000000002"},
        {"link": "Zoom: HIST E-2"},
        {"link": "", "course": "HIST  e-2"},
        {"start": "2 PM", "course": "HIST E-2, renamed"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "link", [f"{ZOOM}81000000001", f"{ZOOM}81000000002"], ids=["shared", "own"]
)
def test_schedule_update_retains_the_scheduled_class_of_an_unreadable_row_and_imports_other_rows(
    user: SheetUser, broken: dict[str, str], link: str
) -> None:
    def sheet(first: str, **cells: str) -> tuple[int, str]:
        other = row("HIST E-1", day="M", start=first, link=f"{ZOOM}81000000001")
        user.sheet(other, row(**({"course": "HIST E-2", "day": "W", "link": link} | cells)))
        return user.update()

    assert sheet("9:30")[0] == 200
    status, text = sheet("10:30", **broken)
    assert status == 200
    assert "1 row skipped. 1 event kept as before.\nFall row 3 (HIST" in text
    key = link.removeprefix(ZOOM)
    there = {("81000000001", "HIST E-1", "M", "10:30"), (key, "HIST E-2", "W", "9:30")}
    assert classes(user) == there
    assert "(nothing has changed). 1 row skipped. 1 event kept" in sheet("10:30", **broken)[1]
    assert sheet("10:30", day="F")[0] == 200
    mended = {("81000000001", "HIST E-1", "M", "10:30"), (key, "HIST E-2", "F", "9:30")}
    assert classes(user) == mended


def test_schedule_update_retains_scheduled_classes_of_merged_cells(user: SheetUser) -> None:
    user.sheet(row("A"), row("A", "section", start="11:00"), row("B", start="12:00"))
    assert user.update()[0] == 200
    before = user.stored()
    # The links of three rows are merged, and the courses of two rows.
    user.sheet(row("A"), row("", "section", start="11:00", link=""), row("B", "", "", "", "", ""))
    assert "4 events kept as before" in user.update()[1]
    assert sorted(user.stored()["86168921331"], key=str) == sorted(before["86168921331"], key=str)


def test_schedule_update_removes_a_scheduled_class_when_its_row_is_gone_or_has_no_link_below_a_gap(
    user: SheetUser,
) -> None:
    user.sheet(row("A"), row("B", link=f"{ZOOM}2222"), [], row("C", link=f"{ZOOM}3333"))
    assert user.update()[0] == 200
    user.sheet(row("A"), [], row("C", link=""))
    assert "kept" not in user.update()[1]
    assert {key for key, *_ in classes(user)} == {"86168921331"}


def test_schedule_update_retains_no_scheduled_class_for_a_row_that_never_had_a_link(
    user: SheetUser,
) -> None:
    link = f"{ZOOM}444"
    user.sheet(row("A", day="M", link=link), row("B"), row("A", "office hour", link=""))
    assert user.update()[0] == 200
    user.sheet(row("A", day="T", link=link), row("B"), row("A", "office hour", link=""))
    assert "kept" not in user.update()[1]
    assert {day for key, _, day, _ in classes(user) if key == "444"} == {"T"}


@pytest.mark.parametrize("is_first", [True, False])
def test_schedule_update_retains_a_scheduled_class_whose_row_lost_only_its_link(
    user: SheetUser, is_first: bool
) -> None:
    # The row above may be of the same meeting or of another meeting.
    def sheet(**cells: str) -> tuple[int, str]:
        rows = [row("HIST", **({"day": "M"} | cells)), row("HIST", day="W")]
        user.sheet(row("CSCI", day="T", link=f"{ZOOM}444"), *(rows if is_first else rows[::-1]))
        return user.update()

    assert sheet()[0] == 200
    before = classes(user)
    assert "1 row skipped. 1 event kept as before.\nFall row" in sheet(link="")[1]
    assert classes(user) == before


def test_schedule_update_retains_the_scheduled_class_of_a_row_with_a_new_link_and_a_bad_cell(
    user: SheetUser,
) -> None:
    user.sheet(row("A", day="M"), row("A", day="W"), row("B", link=f"{ZOOM}444"))
    assert user.update()[0] == 200
    before = user.stored()
    bad = row("A", day="M", start="9.30", link=f"{ZOOM}555")
    user.sheet(bad, row("A", day="W"), row("B", link=f"{ZOOM}444"))
    assert "1 row skipped. 1 event kept as before." in user.update()[1]
    assert sorted(user.stored()["86168921331"], key=str) == sorted(before["86168921331"], key=str)
    user.sheet(bad, row("B", link=f"{ZOOM}444"))
    assert "2 events kept as before" in user.update()[1]
    user.sheet(row("A", day="M", link=f"{ZOOM}555"), row("B", link=f"{ZOOM}444"))
    assert user.update()[0] == 200
    assert set(user.stored()) == {"555", "444"}


def test_schedule_update_removes_nothing_when_a_column_has_the_wrong_format(
    user: SheetUser,
) -> None:
    user.sheet(row("TEXT"), *many(400))
    assert user.update()[0] == 200
    before = user.stored()
    user.sheet(row("TEXT"), *many(400, start="9:30 AM"))
    status, text = user.update()
    assert (status, user.stored()) == (200, before)
    assert "(nothing has changed). 400 rows skipped. 800 events kept as before." in text


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (many(50, start="9:30 AM"), "Fall row 2 (C-0): start '9:30 AM' is not a time"),
        ([["#REF!"]], "Fall row 2: Course Code is '#REF!': wait, or correct the cell's formula"),
        ([["Loading..."]], "Fall row 2: Course Code is 'Loading...'"),
    ],
)
def test_schedule_update_is_refused_when_a_tab_with_scheduled_classes_has_no_usable_row(
    user: SheetUser, rows: list[list[str]], says: str
) -> None:
    with_tabs(user, "Fall,Spring")
    other = row(link=f"{ZOOM}5556667777")
    # A tab without scheduled classes in the table doesn't prevent the import of other tabs.
    user.google.answers(tabs([HEADER, *rows], [HEADER, other]))
    assert user.update()[0] == 200
    user.google.answers(tabs([HEADER, *many(50)], [HEADER, other]))
    assert user.update()[0] == 200
    before = user.stored()
    user.google.answers(tabs([HEADER, *rows], [HEADER, row(link=f"{ZOOM}5556667777", day="F")]))
    status, text = user.update()
    assert status == 422
    assert text.startswith(
        "Fall has classes in the schedule, and now none of its rows can be used. Nothing was "
        f"changed. {says}"
    )
    assert user.stored() == before
    # A tab with only its header is meant to be empty.
    user.google.answers(tabs([HEADER], [HEADER, other]))
    assert user.update()[0] == 200
    assert set(user.stored()) == {"5556667777"}


@pytest.mark.parametrize("cell", ["#REF!", "Loading...", "#¡REF!"])
@pytest.mark.parametrize("column", ["link", "day", "start", "series"])
def test_schedule_update_retains_the_scheduled_class_of_a_row_with_a_failed_formula(
    user: SheetUser, column: str, cell: str
) -> None:
    user.sheet(row("OK", link=f"{ZOOM}999"), row(day="M"))
    assert user.update()[0] == 200
    before = user.stored()
    user.sheet(row("OK", link=f"{ZOOM}999"), row(**{"day": "M"} | {column: cell}))
    status, text = user.update()
    assert status == 200
    assert f"is {cell!r}: wait, or correct the cell's formula" in text
    assert user.stored() == before


@pytest.mark.parametrize("cell", ["#REF!", "Loading..."])
def test_schedule_update_leaves_out_a_code_or_title_whose_formula_failed(
    user: SheetUser, cell: str
) -> None:
    user.sheet(row(cell, cell, "M"))
    status, text = user.update()
    assert (status, f"Course Code is {cell!r}: it was left out" in text) == (200, True)
    ((event,),) = user.stored().values()
    assert (event["title"], event.get("course_code")) == ("Lecture", None)


def test_schedule_update_names_a_row_whose_time_is_also_that_of_a_retained_scheduled_class(
    user: SheetUser,
) -> None:
    # A recording goes to only one series, which is the series of the readable row.
    user.sheet(row("A", day="M"), row("B", day="W", series="https://oc/#/2027"))
    assert user.update()[0] == 200
    user.sheet(row("A", day="MW"), row("B", start="9.30", series="https://oc/#/2027"))
    says = "Fall row 2 (A): W 9:30 is also that of series 2027, from sheet:Fall: this row counts"
    assert says in user.update()[1].splitlines()
