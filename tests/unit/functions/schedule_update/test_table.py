"""Changes that an update makes in the table, and the answer about these changes."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from ingester.schedule.table import IMPORT_LOCK
from local.neighbours.https_server import Answer, Request
from tests.google_web import HEADER, row, tabs
from tests.hooks import failing
from tests.unit.functions.schedule_update.harness import (
    SheetUser,
    with_tabs,
)


def test_schedule_update_writes_the_scheduled_classes_of_the_sheet_to_the_table(
    user: SheetUser,
) -> None:
    user.sheet(row(), row("CSCI E-7", "section", "F", "14:05", "https://zoom.us/j/5556667777"))
    assert user.update() == (200, "Success: 2 meetings with 3 events (2 new).")
    stored = user.stored()
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
    assert user.update() == (200, "Success: 2 meetings with 3 events (nothing has changed).")


def test_schedule_update_removes_and_names_scheduled_classes_that_left_the_sheet(
    user: SheetUser,
) -> None:
    user.sheet(row(), row(link="https://zoom.us/j/5556667777"))
    user.update()
    user.sheet(row(day="M"))
    assert user.update() == (
        200,
        (
            "Success: 1 meeting with 1 event (1 changed, 1 removed).\n"
            "Removed: 5556667777: HIST E-1010 (20260112345) M 9:30 Lecture, W 9:30 Lecture\n"
            "Removed: 86168921331: HIST E-1010 (20260112345) W 9:30 Lecture"
        ),
    )
    assert list(user.stored()) == ["86168921331"]


def test_schedule_update_counts_a_meeting_as_replaced_when_its_scheduled_classes_moved(
    user: SheetUser, caplog: pytest.LogCaptureFixture
) -> None:
    user.sheet(row(), row("B", link="https://zoom.us/j/5556667777"))
    user.update()
    user.sheet(row(link="https://zoom.us/j/5557778888"), row("B", link="https://zoom.us/j/444"))
    caplog.set_level("INFO")
    assert user.update() == (200, "Success: 2 meetings with 4 events (2 new, 2 replaced).")
    (moved,) = (vars(record)["rows"] for record in caplog.records if "classes move" in record.msg)
    classes = "(20260112345) M 9:30 Lecture, W 9:30 Lecture"
    assert sorted(moved) == [
        f"5556667777: B {classes}, now in 444",
        f"86168921331: HIST E-1010 {classes}, now in 5557778888",
    ]


def test_schedule_update_names_the_first_five_removals_and_logs_all_removals(
    user: SheetUser, caplog: pytest.LogCaptureFixture
) -> None:
    many = [row(f"C-{n}", link=f"https://zoom.us/j/{1000 + n}") for n in range(30)]
    user.sheet(row(), *many)
    user.update()
    user.sheet(row(start="10:30"))
    caplog.clear()
    caplog.set_level("INFO")
    status, text = user.update()
    assert status == 200
    lines = text.splitlines()
    assert lines[0] == "Success: 1 meeting with 2 events (1 changed, 30 removed)."
    assert len(lines) == 1 + 5 + 1
    assert lines[-1] == "Removed: 25 more."
    logged = {
        what: [
            line for record in caplog.records if record.msg == what for line in vars(record)["rows"]
        ]
        for what in ("Classes that are removed", "Meetings that change")
    }
    assert len(logged["Classes that are removed"]) == 30
    assert logged["Meetings that change"] == [
        (
            "86168921331: - HIST E-1010 (20260112345) M 9:30 Lecture, W 9:30 Lecture"
            "  + HIST E-1010 (20260112345) M 10:30 Lecture, W 10:30 Lecture"
        )
    ]


def test_schedule_update_imports_all_tabs_and_removes_scheduled_classes_of_a_tab_no_longer_set(
    user: SheetUser,
) -> None:
    with_tabs(user, "Fall, Spring 2027,Fall")
    user.google.answers(tabs([HEADER, row()], [HEADER, row(link="https://zoom.us/j/5556667777")]))
    assert user.update()[0] == 200
    assert user.google.asked()[0]["ranges"] == ["'Fall'", "'Spring 2027'"]
    with_tabs(user, "Spring 2027")
    user.google.answers(tabs([HEADER, row(link="https://zoom.us/j/5556667777")]))
    assert user.update()[0] == 200
    assert {e["source"] for events in user.stored().values() for e in events} == {
        "sheet:Spring 2027"
    }


def test_schedule_update_shortens_the_log_record_of_a_removed_meeting_with_many_scheduled_classes(
    user: SheetUser, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row(f"COURSE {n} {'x' * 150}", start=f"{n % 24}:{n % 60:02d}") for n in range(20)]
    user.sheet(*rows, row("STAYS", link="https://zoom.us/j/111"))
    user.update()
    user.sheet(row("STAYS", link="https://zoom.us/j/111"))
    caplog.clear()
    assert user.update()[0] == 200
    ((line,),) = (vars(record)["rows"] for record in caplog.records if "removed" in record.msg)
    assert (line[:11], len(line)) == ("86168921331", 1000)


def test_schedule_update_names_the_first_ten_rows_with_mistakes_and_logs_all_such_rows(
    user: SheetUser, caplog: pytest.LogCaptureFixture
) -> None:
    user.sheet(
        row(),
        *[row(link="") for _ in range(250)],
        row(day="FX"),
        *[row(start=f"{number} PM") for number in range(1, 13)],
    )
    status, text = user.update()
    assert status == 200
    assert text.splitlines() == [
        "Success: 1 meeting with 3 events (1 new). 262 rows skipped. 1 row incomplete.",
        *(
            f"Fall row {253 + number} (HIST E-1010): start '{number} PM' is not a time like 9:30 "
            f"or 14:05, but in 12-hour form: write {12 + number}:00 for {number} PM"
            for number in range(1, 11)
        ),
        "And 3 more rows, named once these are corrected.",
        "250 rows have no meeting link, the first is Fall row 3.",
    ]
    logged = [line for record in caplog.records for line in getattr(record, "rows", [])]
    assert len(logged) == 263
    assert logged[-1].startswith("Fall row 253 (HIST E-1010): day '")


def test_schedule_update_puts_all_reasons_of_a_row_into_one_line(user: SheetUser) -> None:
    links = [f"https://zoom.us/j/{100 + n}" for n in range(11)]
    user.sheet(*[row(day="Tu", start="1:30", link=link) for link in links])
    first, *rows, more = user.update()[1].splitlines()
    assert "11 rows incomplete." in first
    assert rows == [
        (
            f"Fall row {2 + n} (HIST E-1010): day 'Tu' is read as Tuesday and Sunday: write T for "
            "Tuesday alone; start '1:30' is at night: write 13:30 for the afternoon"
        )
        for n in range(10)
    ]
    assert more == "And 1 more row, named once these are corrected."


def test_schedule_update_does_not_shorten_a_line_about_scheduled_classes_of_a_whole_week(
    user: SheetUser,
) -> None:
    with_tabs(user, "Fall 2026 Graduate School of Arts and Sciences without laboratories")
    user.sheet(row("A", day="MTWRFSU"), row("B", day="MTWRFSU", series="https://oc/#/2027"))
    (line,) = user.update()[1].splitlines()[1:]
    assert line.endswith("that one counts, and this class gets no recordings")
    user.sheet(row("C", link="https://zoom.us/j/999"))
    (line,) = user.update()[1].splitlines()[1:]
    assert line.count("U 9:30 Lecture") == 2


def test_schedule_update_names_rows_with_retained_scheduled_classes_then_skipped_rows_then_hints(
    user: SheetUser,
) -> None:
    others = [row("lab", link=""), row("lab 2", link="")]
    new = row("NEW", start="noon", link="https://zoom.us/j/555")
    user.sheet(row(), *others, row("PHYS", link="https://zoom.us/j/444"))
    assert user.update()[0] == 200
    phys = row("PHYS", link="https://zoom.us/j/444", start="2 PM")
    user.sheet(row(day="MWX"), *others, new, phys)
    places = [line.split(" (")[0] for line in user.update()[1].splitlines()[1:]]
    assert places == [f"Fall row {number}" for number in (6, 5, 3, 4, 2)]


def test_schedule_update_names_conflicts_and_lets_the_scheduled_class_of_the_sheet_win(
    user: SheetUser,
) -> None:
    csv = {"day": "M", "time": "9:30", "title": "L", "source": "csv:fall.csv"}
    csv |= {"course_code": "A", "opencast_series_id": "OLD"}
    user.aws.schedule.put_item(Item={"zoom_series_id": "86168921331", "events": [csv]})
    user.sheet(row(day="M"), row("B", day="M", series="https://oc/#/2027"))
    status, text = user.update()
    assert status == 200
    assert text.splitlines() == [
        "Success: 1 meeting with 2 events (1 changed). 2 rows incomplete.",
        (
            "Fall row 3 (B): M 9:30 is Fall row 2's already, for another series: that one counts, "
            "and this class gets no recordings"
        ),
        (
            "Fall row 2 (HIST E-1010): M 9:30 is also that of series OLD, from csv:fall.csv: this "
            "row counts"
        ),
    ]
    meeting = user.deps.schedule.get(86168921331)
    assert meeting
    series = [scheduled.opencast_series_id for scheduled in meeting.events]
    assert (series, meeting.opencast_series_id) == (["20260112345", "2027", "OLD"], "2027")


def test_schedule_update_names_other_sources_that_have_the_same_scheduled_classes(
    user: SheetUser, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"day": "M", "title": "L", "course_code": "A", "opencast_series_id": "20260112345"}
    events = [
        own | {"time": time, "source": source}
        for time, source in (("9:30", "csv:my fall.csv"), ("9:30", "json:b"), ("8:00", "json:c"))
    ]
    user.aws.schedule.put_item(Item={"zoom_series_id": "86168921331", "events": events})
    user.sheet(row())
    lines = [
        (
            f"Also in {source}: 1 of these events. Updating this sheet leaves those in {source} as "
            f"they are. To remove all events of {source}, an operator runs "
            f"`invoke schedule.remove {quoted}`."
        )
        for source, quoted in (("csv:my fall.csv", "'csv:my fall.csv'"), ("json:b", "json:b"))
    ]
    for first in ("(1 changed)", "(nothing has changed)"):
        caplog.clear()
        assert user.update()[1].splitlines() == [
            f"Success: 1 meeting with 2 events {first}.",
            *lines,
        ]
        logged = [line for record in caplog.records for line in getattr(record, "rows", [])]
        assert logged == lines


def test_schedule_update_shows_the_whole_command_that_removes_a_source_with_a_long_name(
    user: SheetUser, caplog: pytest.LogCaptureFixture
) -> None:
    source = f"csv:{'fall term ' * 24}.csv"
    own = {"day": "M", "time": "9:30", "title": "L", "opencast_series_id": "20260112345"}
    events = [own | {"source": source}]
    user.aws.schedule.put_item(Item={"zoom_series_id": "86168921331", "events": events})
    user.sheet(row())
    line = user.update()[1].splitlines()[1]
    assert line.startswith(f"Also in {source[:59]}…: 1 of these events.")
    assert line.endswith(f" an operator runs `invoke schedule.remove '{source}'`.")
    assert [vars(r)["rows"] for r in caplog.records if "other sources" in r.msg] == [[line]]


def test_schedule_update_names_three_sources_of_the_same_scheduled_class_and_logs_all_sources(
    user: SheetUser, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"day": "M", "time": "9:30", "title": "L", "opencast_series_id": "20260112345"}
    events = [own | {"source": f"csv:{number}"} for number in range(5)]
    user.aws.schedule.put_item(Item={"zoom_series_id": "86168921331", "events": events})
    user.sheet(row())
    lines = user.update()[1].splitlines()
    assert [line.split(":")[1] for line in lines[1:4]] == ["0", "1", "2"]
    assert lines[4:] == ["Also in 2 more sources."]
    assert [len(vars(r)["rows"]) for r in caplog.records if "other sources" in r.msg] == [5]


def test_schedule_update_is_refused_while_another_update_runs(user: SheetUser) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: Request) -> Answer:
        inside.set()
        assert go_on.wait(10)
        return tabs([HEADER, row()])

    user.google.answers(wait)
    first: list[tuple[int, str]] = []
    thread = threading.Thread(target=lambda: first.append(user.update()))
    thread.start()
    assert inside.wait(10)
    status, text = user.update()
    assert status == 409
    assert "just being updated" in text
    go_on.set()
    thread.join()
    assert first == [(200, "Success: 1 meeting with 2 events (1 new).")]
    assert set(user.stored()) == {"86168921331"}
    assert user.update()[0] == 200


def test_schedule_update_takes_over_the_lock_of_an_earlier_update_when_the_lock_has_expired(
    user: SheetUser,
) -> None:
    user.sheet(row())
    with user.deps.lock.held():
        assert user.update()[0] == 409
        assert [meeting.zoom_series_id for meeting in user.deps.schedule.all()] == []
        user.clock.forward(seconds=41)
        assert user.update()[0] == 200
        with user.deps.lock.held():
            pass
    assert IMPORT_LOCK not in user.stored()


def test_schedule_lock_is_not_released_when_another_process_took_it_over(
    user: SheetUser, caplog: pytest.LogCaptureFixture
) -> None:
    with user.deps.lock.held():
        user.clock.forward(seconds=41)
        other = user.deps.lock.held()
        other.__enter__()
    assert IMPORT_LOCK in user.stored()
    [warning] = [r for r in caplog.records if "lock" in r.message]
    assert (warning.levelname, warning.message) == (
        "WARNING",
        "The schedule's lock has ended, or another process has it",
    )
    other.__exit__(None, None, None)
    assert user.stored() == {}


@pytest.mark.parametrize("operation", ["PutItem", "Scan", "BatchWriteItem"])
def test_schedule_update_answers_503_when_aws_fails(user: SheetUser, operation: str) -> None:
    user.sheet(row())
    client = user.aws.schedule.meta.client
    with failing(client, f"dynamodb.{operation}", "InternalServerError"):
        status, text = user.update()
    assert status == 503
    assert "table can't be read or written" in text
    assert user.stored() == {}
    assert user.update()[0] == 200


def broken_off(user: SheetUser, call: int) -> str:
    """Run an update whose batch `call` (from 0) can't be written.

    Check that the answer is a 503, and return the answer's text.
    """
    client, calls = user.aws.schedule.meta.client, count()
    fails = failing(
        client, "dynamodb.BatchWriteItem", "InternalServerError", lambda _: next(calls) == call
    )
    with fails:
        status, text = user.update()
    assert status == 503
    return text


def test_schedule_update_can_be_repeated_when_aws_fails_between_two_batches(
    user: SheetUser,
) -> None:
    # An update writes rows in batches. A second update writes the rest.
    user.sheet(*[row(link=f"https://zoom.us/j/{1000 + number}") for number in range(60)])
    text = broken_off(user, call=1)
    assert len(user.stored()) == 25
    assert "Part of it may be changed already: update again" in text
    assert user.update()[1] == "Success: 60 meetings with 120 events (35 new)."


def test_interrupted_schedule_update_names_the_scheduled_classes_that_it_had_to_remove(
    user: SheetUser, caplog: pytest.LogCaptureFixture
) -> None:
    # The next update compares with the changed table, and can't name the removed scheduled classes.
    links = [f"https://zoom.us/j/{1000 + number}" for number in range(60)]
    user.sheet(*[row(link=link) for link in links])
    user.update()
    user.sheet(*[row(day="M", link=link) for link in links])
    lines = broken_off(user, call=2).splitlines()
    class_ = "HIST E-1010 (20260112345) W 9:30 Lecture"
    assert lines[1:3] == [f"To be removed: {1000 + n}: {class_}" for n in range(2)]
    assert lines[6:] == ["To be removed: 55 more."]
    logged = [row for record in caplog.records for row in vars(record).get("rows", ())]
    assert logged == [f"{1000 + n}: {class_}" for n in range(60)]
    assert "(10 changed)" in user.update()[1]


def test_schedule_update_answers_500_when_a_row_of_the_table_is_malformed(user: SheetUser) -> None:
    user.aws.schedule.put_item(Item={"zoom_series_id": "222", "events": "x"})
    user.sheet(row())
    status, text = user.update()
    assert status == 500
    assert "row of meeting 222 can't be read" in text
