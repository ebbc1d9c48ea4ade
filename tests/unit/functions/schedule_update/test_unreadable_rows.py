"""A class whose row can't be read now stays as it was: its lecture isn't lost."""

from __future__ import annotations

import pytest

from tests.google_web import HEADER, row, tabs
from tests.unit.functions.schedule_update.harness import Desk, with_tabs

ZOOM = "https://zoom.us/j/"


def classes(desk: Desk) -> set[tuple[str, str, str, str]]:
    return {
        (key, event["course_code"], event["day"], event["time"])
        for key, events in desk.stored().items()
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
def test_unreadable_row_keeps_its_class_and_the_readable_rows_are_imported(
    desk: Desk, broken: dict[str, str], link: str
) -> None:
    def sheet(first: str, **cells: str) -> tuple[int, str]:
        one = row("HIST E-1", day="M", start=first, link=f"{ZOOM}81000000001")
        desk.sheet(one, row(**({"course": "HIST E-2", "day": "W", "link": link} | cells)))
        return desk.press()

    assert sheet("9:30")[0] == 200
    status, text = sheet("10:30", **broken)
    assert status == 200
    assert "1 row skipped. 1 event kept as before.\nFall row 3: " in text
    key = link.removeprefix(ZOOM)
    there = {("81000000001", "HIST E-1", "M", "10:30"), (key, "HIST E-2", "W", "9:30")}
    assert classes(desk) == there
    assert "(nothing has changed). 1 row skipped. 1 event kept" in sheet("10:30", **broken)[1]
    assert sheet("10:30", day="F")[0] == 200
    mended = {("81000000001", "HIST E-1", "M", "10:30"), (key, "HIST E-2", "F", "9:30")}
    assert classes(desk) == mended


def test_of_one_course_what_was_read_takes_its_place(desk: Desk) -> None:
    """A lecture moves to another series; the section's row of the same course can't be read."""
    desk.sheet(row(day="M"), row(kind="section", day="W"))
    assert desk.press()[0] == 200
    desk.sheet(row(day="M", series="https://oc/#/2027"), row(kind="section", start="2 PM"))
    assert desk.press()[0] == 200
    assert [
        (event["day"], event["opencast_series_id"])
        for event in sorted(desk.stored()["86168921331"], key=lambda one: str(one["day"]))
    ] == [("M", "2027"), ("W", "20260112345")]


def test_merged_cells_take_no_class_away(desk: Desk) -> None:
    desk.sheet(row("A"), row("A", "section", start="11:00"), row("B", start="12:00"))
    assert desk.press()[0] == 200
    before = desk.stored()
    # Links of three rows, and the course of two.
    desk.sheet(row("A"), row("", "section", start="11:00", link=""), row("B", "", "", "", "", ""))
    assert "4 events kept as before" in desk.press()[1]
    assert sorted(desk.stored()["86168921331"], key=str) == sorted(before["86168921331"], key=str)


def test_a_row_that_lost_its_link_or_is_gone_leaves(desk: Desk) -> None:
    desk.sheet(row("A"), row("B", link=f"{ZOOM}2222"), [], row("C", link=f"{ZOOM}3333"))
    assert desk.press()[0] == 200
    desk.sheet(row("A"), [], row("C", link=""))
    assert "kept" not in desk.press()[1]
    assert {key for key, *_ in classes(desk)} == {"86168921331"}


def test_a_row_that_was_never_recorded_keeps_no_other_of_its_course(desk: Desk) -> None:
    link = f"{ZOOM}444"
    desk.sheet(row("A", day="M", link=link), row("B"), row("A", "office hour", link=""))
    assert desk.press()[0] == 200
    desk.sheet(row("A", day="T", link=link), row("B"), row("A", "office hour", link=""))
    assert "kept" not in desk.press()[1]
    assert {day for key, _, day, _ in classes(desk) if key == "444"} == {"T"}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_class_whose_link_alone_was_deleted_stays_beside_others_of_its_course(
    desk: Desk, is_first: bool
) -> None:
    """Whichever stands above it, a row of its own meeting or of another."""

    def sheet(**cells: str) -> tuple[int, str]:
        rows = [row("HIST", **({"day": "M"} | cells)), row("HIST", day="W")]
        desk.sheet(row("CSCI", day="T", link=f"{ZOOM}444"), *(rows if is_first else rows[::-1]))
        return desk.press()

    assert sheet()[0] == 200
    before = classes(desk)
    assert "1 row skipped. 1 event kept as before.\nFall row" in sheet(link="")[1]
    assert classes(desk) == before


def test_a_row_with_a_new_link_and_a_bad_cell_keeps_its_class(desk: Desk) -> None:
    desk.sheet(row("A", day="M"), row("A", day="W"), row("B", link=f"{ZOOM}444"))
    assert desk.press()[0] == 200
    before = desk.stored()
    bad = row("A", day="M", start="9.30", link=f"{ZOOM}555")
    desk.sheet(bad, row("A", day="W"), row("B", link=f"{ZOOM}444"))
    assert "1 row skipped. 1 event kept as before." in desk.press()[1]
    assert sorted(desk.stored()["86168921331"], key=str) == sorted(before["86168921331"], key=str)
    desk.sheet(bad, row("B", link=f"{ZOOM}444"))
    assert "2 events kept as before" in desk.press()[1]
    # Mended, it takes their place.
    desk.sheet(row("A", day="M", link=f"{ZOOM}555"), row("B", link=f"{ZOOM}444"))
    assert desk.press()[0] == 200
    assert set(desk.stored()) == {"555", "444"}


def test_a_bad_row_of_a_meeting_that_has_its_course_keeps_none_of_another(desk: Desk) -> None:
    desk.sheet(row("A", day="M"), row("A", day="W", link=f"{ZOOM}444"), row("B", day="F"))
    assert desk.press()[0] == 200
    desk.sheet(row("A", day="W", start="9.30", link=f"{ZOOM}444"), row("B", day="F"))
    assert "1 event kept as before" in desk.press()[1]
    assert {(key, day) for key, _, day, _ in classes(desk)} == {("86168921331", "F"), ("444", "W")}


def test_a_row_of_which_nothing_can_be_read_keeps_what_no_other_row_has(desk: Desk) -> None:
    desk.sheet(row("A"), row("B", link=f"{ZOOM}2222"))
    assert desk.press()[0] == 200
    desk.sheet(row("A", day="F"), row(f"{ZOOM}2222?pwd=topsecret", link="B"))
    assert "2 events kept as before" in desk.press()[1]
    assert {(key, day) for key, _, day, _ in classes(desk)} == {
        ("86168921331", "F"),
        ("2222", "M"),
        ("2222", "W"),
    }


def test_a_column_in_the_wrong_format_removes_nothing(desk: Desk) -> None:
    desk.sheet(row("TEXT"), *many(400))
    assert desk.press()[0] == 200
    before = desk.stored()
    desk.sheet(row("TEXT"), *many(400, start="9:30 AM"))
    status, text = desk.press()
    assert (status, desk.stored()) == (200, before)
    assert "(nothing has changed). 400 rows skipped. 800 events kept as before." in text


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (many(50, start="9:30 AM"), "Fall row 2: start '9:30 AM' is not a time"),
        ([["#REF!"]], "Fall row 2: Course Code is '#REF!': wait, or mend the cell's formula"),
        ([["Loading..."]], "Fall row 2: Course Code is 'Loading...'"),
    ],
)
def test_a_tab_without_a_usable_row_spoils_all(
    desk: Desk, rows: list[list[str]], says: str
) -> None:
    with_tabs(desk, "Fall,Spring")
    other = row(link=f"{ZOOM}5556667777")
    # As long as nothing is there from it, others aren't kept from the schedule.
    desk.google.answers(tabs([HEADER, *rows], [HEADER, other]))
    assert desk.press()[0] == 200
    desk.google.answers(tabs([HEADER, *many(50)], [HEADER, other]))
    assert desk.press()[0] == 200
    before = desk.stored()
    desk.google.answers(tabs([HEADER, *rows], [HEADER, row(link=f"{ZOOM}5556667777", day="F")]))
    status, text = desk.press()
    assert status == 422
    assert text.startswith(
        "Fall has classes in the schedule, and now none of its rows can be used. Nothing was "
        f"changed. {says}"
    )
    assert desk.stored() == before
    # With nothing but its header it is meant so.
    desk.google.answers(tabs([HEADER], [HEADER, other]))
    assert desk.press()[0] == 200
    assert set(desk.stored()) == {"5556667777"}


@pytest.mark.parametrize("cell", ["#REF!", "#N/A", "#NAME?", "#DIV/0!", "Loading...", "#¡REF!"])
@pytest.mark.parametrize("column", ["link", "day", "start", "series"])
def test_what_a_formula_shows_is_no_value(desk: Desk, column: str, cell: str) -> None:
    desk.sheet(row("OK", link=f"{ZOOM}999"), row(day="M"))
    assert desk.press()[0] == 200
    before = desk.stored()
    desk.sheet(row("OK", link=f"{ZOOM}999"), row(**{"day": "M"} | {column: cell}))
    status, text = desk.press()
    assert status == 200
    assert f"is {cell!r}: wait, or mend the cell's formula" in text
    assert desk.stored() == before


@pytest.mark.parametrize("cell", ["#REF!", "Loading..."])
def test_a_name_that_a_formula_lacks_is_left_out_and_the_class_taken(desk: Desk, cell: str) -> None:
    desk.sheet(row(cell, cell, "M"))
    status, text = desk.press()
    assert (status, f"Course Code is {cell!r}: it was left out" in text) == (200, True)
    ((event,),) = desk.stored().values()
    assert (event["title"], event.get("course_code")) == ("Lecture", None)


def test_a_row_at_a_kept_class_s_time_is_told(desk: Desk) -> None:
    """A recording can go to one of the two series only: the row's, as long as the other is bad."""
    desk.sheet(row("A", day="M"), row("B", day="W", series="https://oc/#/2027"))
    assert desk.press()[0] == 200
    desk.sheet(row("A", day="MW"), row("B", start="9.30", series="https://oc/#/2027"))
    says = "Fall row 2: W 9:30 is also that of series 2027, from sheet:Fall: this row counts"
    assert says in desk.press()[1].splitlines()


def test_rows_of_the_first_system_stay_too(desk: Desk) -> None:
    desk.aws.schedule.put_item(
        Item={
            "zoom_series_id": "111",
            "course_code": "A",
            "opencast_series_id": "2026",
            "events": [{"day": "M", "time": "9:00", "title": "Lecture"}],
        }
    )
    desk.sheet(row("A", start="9", link=f"{ZOOM}111"), row("B"))
    assert desk.press()[0] == 200
    assert desk.stored()["111"] == [
        {
            "day": "M",
            "time": "9:00",
            "title": "Lecture",
            "course_code": "A",
            "opencast_series_id": "2026",
            "source": "sheet:Fall",
        }
    ]
