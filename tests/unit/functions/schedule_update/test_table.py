"""What an update does to the table, and what it says of that."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from ingester.schedule.table import IMPORT_LOCK
from local.neighbours.https_server import Answer, Request
from tests.google_web import HEADER, row, tabs
from tests.hooks import failing, recorded
from tests.unit.functions.schedule_update.harness import (
    Desk,
    with_tabs,
)


def test_update_writes_the_sheet_into_the_table(desk: Desk) -> None:
    desk.sheet(row(), row("CSCI E-7", "section", "F", "14:05", "https://zoom.us/j/5556667777"))
    assert desk.press() == (200, "Success: 2 meetings with 3 events (2 new).")
    stored = desk.stored()
    assert set(stored) == {"86168921331", "5556667777"}
    assert stored["5556667777"] == [
        {
            "day": "F",
            "time": "14:05",
            "title": "Section",
            "course_code": "CSCI E-7",
            "opencast_series_id": "20260112345",
            "source": "sheet:Fall",
        }
    ]
    assert desk.press() == (200, "Success: 2 meetings with 3 events (nothing has changed).")


def test_meeting_is_removed_when_it_has_left_the_sheet(desk: Desk) -> None:
    desk.sheet(row(), row(link="https://zoom.us/j/5556667777"))
    desk.press()
    desk.sheet(row(day="M"))
    assert desk.press() == (
        200,
        (
            "Success: 1 meeting with 1 event (1 changed, 1 removed).\n"
            "Removed: 5556667777: HIST E-1010 (20260112345) M 9:30 Lecture, W 9:30 Lecture\n"
            "Removed: 86168921331: HIST E-1010 (20260112345) W 9:30 Lecture"
        ),
    )
    assert list(desk.stored()) == ["86168921331"]


def test_a_new_link_removes_no_class(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.sheet(row(), row("B", link="https://zoom.us/j/5556667777"))
    desk.press()
    desk.sheet(row(link="https://zoom.us/j/5557778888"), row("B", link="https://zoom.us/j/444"))
    caplog.set_level("INFO")
    assert desk.press() == (200, "Success: 2 meetings with 4 events (2 new, 2 replaced).")
    (moved,) = (vars(one)["rows"] for one in caplog.records if "classes move" in one.msg)
    classes = "(20260112345) M 9:30 Lecture, W 9:30 Lecture"
    assert sorted(moved) == [
        f"5556667777: B {classes}, now in 444",
        f"86168921331: HIST E-1010 {classes}, now in 5557778888",
    ]


def test_a_course_that_another_pushed_out_of_its_time_is_told(desk: Desk) -> None:
    desk.sheet(row("A", day="M"), row("B", day="W", series="https://oc/#/2027"))
    desk.press()
    desk.sheet(row("B", day="M", series="https://oc/#/2027"))
    assert desk.press()[1].splitlines() == [
        "Success: 1 meeting with 1 event (1 changed).",
        "Removed: 86168921331: A (20260112345) M 9:30 Lecture",
    ]


def test_of_many_that_left_the_first_are_named_and_all_are_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    many = [row(f"C-{n}", link=f"https://zoom.us/j/{1000 + n}") for n in range(250)]
    desk.sheet(row(), *many)
    desk.press()
    desk.sheet(row(start="10:30"))
    caplog.clear()
    caplog.set_level("INFO")
    status, text = desk.press()
    assert status == 200
    lines = text.splitlines()
    assert lines[0] == "Success: 1 meeting with 2 events (1 changed, 250 removed)."
    assert len(lines) == 1 + 5 + 1
    assert lines[-1] == "Removed: 245 more."
    logged = {
        what: [line for one in caplog.records if one.msg == what for line in vars(one)["rows"]]
        for what in ("Classes that are removed", "Meetings that change")
    }
    assert len(logged["Classes that are removed"]) == 250
    assert logged["Meetings that change"] == [
        (
            "86168921331: - HIST E-1010 (20260112345) M 9:30 Lecture, W 9:30 Lecture"
            "  + HIST E-1010 (20260112345) M 10:30 Lecture, W 10:30 Lecture"
        )
    ]


def test_all_tabs_are_one_schedule_and_a_tab_that_is_left_out_leaves_it(desk: Desk) -> None:
    with_tabs(desk, "Fall, Spring 2027,Fall")
    desk.google.answers(tabs([HEADER, row()], [HEADER, row(link="https://zoom.us/j/5556667777")]))
    assert desk.press()[0] == 200
    assert desk.google.asked()[0]["ranges"] == ["'Fall'", "'Spring 2027'"]
    with_tabs(desk, "Spring 2027")
    desk.google.answers(tabs([HEADER, row(link="https://zoom.us/j/5556667777")]))
    assert desk.press()[0] == 200
    assert {e["source"] for events in desk.stored().values() for e in events} == {
        "sheet:Spring 2027"
    }


def test_rows_of_the_first_system_are_replaced_and_others_stay(desk: Desk) -> None:
    first = {"zoom_series_id": "111", "events": [{"day": "M", "time": "9:00", "title": "L"}]}
    csv = {"day": "M", "time": "9:00", "title": "L", "source": "csv:extra.csv"}
    desk.aws.schedule.put_item(Item=first)
    desk.aws.schedule.put_item(Item={"zoom_series_id": "222", "events": [csv]})
    desk.sheet(row())
    assert desk.press()[0] == 200
    assert set(desk.stored()) == {"222", "86168921331"}


def test_a_meeting_of_many_classes_fits_a_log_record(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row(f"COURSE {n} {'x' * 150}", start=f"{n % 24}:{n % 60:02d}") for n in range(500)]
    desk.sheet(*rows, row("STAYS", link="https://zoom.us/j/111"))
    desk.press()
    desk.sheet(row("STAYS", link="https://zoom.us/j/111"))
    caplog.clear()
    assert desk.press()[0] == 200
    ((line,),) = (vars(one)["rows"] for one in caplog.records if "removed" in one.msg)
    assert (line[:11], len(line)) == ("86168921331", 1000)


def test_only_the_first_reasons_are_told_and_all_are_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.sheet(
        row(),
        *[row(link="") for _ in range(250)],
        row(day="FX"),
        *[row(start=f"{number} PM") for number in range(12)],
    )
    status, text = desk.press()
    assert status == 200
    assert text.splitlines() == [
        "Success: 1 meeting with 3 events (1 new). 262 rows skipped. 1 row incomplete.",
        *(
            f"Fall row {254 + number}: start '{number} PM' is not a time like 9:30 or 14:05, but "
            "by twelve hours: write 14:05 for 2:05 PM"
            for number in range(10)
        ),
        "And 3 more rows, told once these are mended.",
        "250 rows have no meeting link, the first is Fall row 3.",
    ]
    logged = [line for record in caplog.records for line in getattr(record, "rows", [])]
    assert len(logged) == 263
    assert logged[250] == "Fall row 253: day 'X' is none of M T W R F S U"


def test_answer_has_one_line_for_all_reasons_of_a_row(desk: Desk) -> None:
    desk.sheet(*[row(day="Tu/Th", link=f"https://zoom.us/j/{100 + n}") for n in range(11)])
    first, *rows, more = desk.press()[1].splitlines()
    assert "11 rows incomplete." in first
    assert rows == [
        (
            f"Fall row {2 + n}: day 'Th' is read as Tuesday: write R for Thursday; day 'Tu' is "
            "Tuesday and Sunday: write T for Tuesday alone; day '/' is none of M T W R F S U; "
            "day 'H' is none of M T W R F S U"
        )
        for n in range(10)
    ]
    assert more == "And 1 more row, told once these are mended."


def test_a_line_has_room_for_what_is_wrong_and_for_a_week_s_classes(desk: Desk) -> None:
    with_tabs(desk, "Fall 2026 Graduate School of Arts and Sciences without laboratories")
    desk.sheet(row("A", day="MTWRFSU"), row("B", day="MTWRFSU", series="https://oc/#/2027"))
    (line,) = desk.press()[1].splitlines()[1:]
    assert line.endswith("row 2's already, for another series: that one counts")
    desk.sheet(row("C", link="https://zoom.us/j/999"))
    (line,) = desk.press()[1].splitlines()[1:]
    assert line.count("U 9:30 Lecture") == 2


def test_what_costs_a_class_is_told_first_and_what_nobody_records_last(desk: Desk) -> None:
    """Rows that nobody will mend hide no later mistake."""
    others = [row("lab", link=""), row("lab 2", link="")]
    new = row("NEW", start="noon", link="https://zoom.us/j/555")
    desk.sheet(row(), *others, row("PHYS", link="https://zoom.us/j/444"))
    assert desk.press()[0] == 200
    phys = row("PHYS", link="https://zoom.us/j/444", start="2 PM")
    desk.sheet(row(day="MWX"), *others, new, phys)
    places = [line.split(":")[0] for line in desk.press()[1].splitlines()[1:]]
    assert places == [f"Fall row {number}" for number in (6, 5, 2, 3, 4)]


def test_a_class_that_two_have_is_told_and_the_sheet_s_counts(desk: Desk) -> None:
    csv = {"day": "M", "time": "9:30", "title": "L", "source": "csv:fall.csv"}
    csv |= {"course_code": "A", "opencast_series_id": "OLD"}
    desk.aws.schedule.put_item(Item={"zoom_series_id": "86168921331", "events": [csv]})
    desk.sheet(row(day="M"), row("B", day="M", series="https://oc/#/2027"))
    status, text = desk.press()
    assert status == 200
    assert text.splitlines() == [
        "Success: 1 meeting with 2 events (1 changed). 2 rows incomplete.",
        "Fall row 3: M 9:30 is Fall row 2's already, for another series: that one counts",
        "Fall row 2: M 9:30 is also that of series OLD, from csv:fall.csv: this row counts",
    ]
    meeting = desk.deps.schedule.get(86168921331)
    assert meeting
    series = [one.opencast_series_id for one in meeting.events]
    assert (series, meeting.opencast_series_id) == (["20260112345", "2027", "OLD"], "2027")


def test_second_update_is_409_while_the_first_runs(desk: Desk) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: Request) -> Answer:
        inside.set()
        assert go_on.wait(10)
        return tabs([HEADER, row()])

    desk.google.answers(wait)
    first: list[tuple[int, str]] = []
    thread = threading.Thread(target=lambda: first.append(desk.press()))
    thread.start()
    assert inside.wait(10)
    status, text = desk.press()
    assert status == 409
    assert "just being updated" in text
    go_on.set()
    thread.join()
    assert first == [(200, "Success: 1 meeting with 2 events (1 new).")]
    assert set(desk.stored()) == {"86168921331"}
    assert desk.press()[0] == 200


def test_update_runs_soon_after_one_that_crashed(desk: Desk) -> None:
    desk.sheet(row())
    with desk.deps.lock.held():
        assert desk.press()[0] == 409
        assert [meeting.zoom_series_id for meeting in desk.deps.schedule.all()] == []
        desk.clock.forward(seconds=41)
        assert desk.press()[0] == 200
        with desk.deps.lock.held():
            pass
    assert IMPORT_LOCK not in desk.stored()


def test_lock_is_kept_when_another_update_took_it_over(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with desk.deps.lock.held():
        desk.clock.forward(seconds=41)
        other = desk.deps.lock.held()
        other.__enter__()
    assert IMPORT_LOCK in desk.stored()
    (told,) = (vars(one) for one in caplog.records if "can't be taken away" in one.message)
    assert "ends by itself" in told["outlook"]
    other.__exit__(None, None, None)
    assert desk.stored() == {}


@pytest.mark.parametrize("operation", ["PutItem", "Scan", "BatchWriteItem"])
def test_update_is_503_when_aws_fails(desk: Desk, operation: str) -> None:
    desk.sheet(row())
    client = desk.aws.schedule.meta.client
    with failing(client, f"dynamodb.{operation}", "InternalServerError"):
        status, text = desk.press()
    assert status == 503
    assert "table can't be read or written" in text
    assert desk.stored() == {}
    assert desk.press()[0] == 200


def test_update_is_503_when_aws_fails_during_the_writes(desk: Desk) -> None:
    """Rows are written in batches: who reads the answer has to press again for the rest."""
    desk.sheet(*[row(link=f"https://zoom.us/j/{1000 + number}") for number in range(60)])
    client, calls = desk.aws.schedule.meta.client, count()
    second = failing(
        client, "dynamodb.BatchWriteItem", "InternalServerError", lambda _: next(calls) == 1
    )
    with second:
        status, text = desk.press()
    assert (status, len(desk.stored())) == (503, 25)
    assert "Part of it may be changed already: update again" in text
    assert desk.press()[1] == "Success: 60 meetings with 120 events (35 new)."


def broken_off(desk: Desk, call: int) -> str:
    """The answer to a press whose write to the table fails."""
    client, calls = desk.aws.schedule.meta.client, count()
    fails = failing(
        client, "dynamodb.BatchWriteItem", "InternalServerError", lambda _: next(calls) == call
    )
    with fails:
        status, text = desk.press()
    assert status == 503
    return text


def test_what_an_update_that_broke_off_removed_is_told_then(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """The next one doesn't know: it compares with what this one left."""
    links = [f"https://zoom.us/j/{1000 + number}" for number in range(60)]
    desk.sheet(*[row(link=link) for link in links])
    desk.press()
    desk.sheet(*[row(day="M", link=link) for link in links])
    lines = broken_off(desk, call=2).splitlines()
    class_ = "HIST E-1010 (20260112345) W 9:30 Lecture"
    assert lines[1:3] == [f"To be removed: {1000 + n}: {class_}" for n in range(2)]
    assert lines[6:] == ["To be removed: 55 more."]
    logged = [row for one in caplog.records for row in vars(one).get("rows", ())]
    assert logged == [f"{1000 + n}: {class_}" for n in range(60)]
    assert "(10 changed)" in desk.press()[1]


def test_what_an_update_that_broke_off_moved_is_told_with_where_it_is(desk: Desk) -> None:
    desk.sheet(row(day="M"))
    desk.press()
    desk.sheet(row(day="M", link="https://zoom.us/j/5556667777"))
    assert len(broken_off(desk, call=1).splitlines()) == 1
    assert desk.press()[1].splitlines() == [
        "Success: 1 meeting with 1 event (1 removed).",
        "Removed: 86168921331: HIST E-1010 (20260112345) M 9:30 Lecture; also in 5556667777",
    ]


def test_update_is_500_when_a_row_of_the_table_can_not_be_read(desk: Desk) -> None:
    desk.aws.schedule.put_item(Item={"zoom_series_id": "222", "events": "x"})
    desk.sheet(row())
    status, text = desk.press()
    assert status == 500
    assert "row of meeting 222 can't be read" in text


def test_table_is_not_written_before_every_tab_is_read(desk: Desk) -> None:
    desk.google.answers(tabs([HEADER, row()]))
    client = desk.aws.schedule.meta.client
    with recorded(client, "dynamodb.BatchWriteItem") as writes:
        with failing(client, "dynamodb.Scan", "InternalServerError"):
            assert desk.press()[0] == 503
        assert writes == []
