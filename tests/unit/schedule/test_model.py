"""Which event a recording belongs to, and what an import does to the table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingester.schedule.model import (
    DAYS,
    ImportPlan,
    ReplacedSources,
    ScheduledClass,
    ScheduledMeeting,
    match,
    plan_import,
)

EASTERN = ZoneInfo("US/Eastern")
BUFFER = 30


def event(
    day: str, time: str, series: str = "", course: str = "", source: str = ""
) -> ScheduledClass:
    return ScheduledClass(
        day=day,
        time=time,
        title="Lecture",
        course_code=course,
        opencast_series_id=series,
        source=source,
    )


def meeting(
    *events: ScheduledClass, number: str = "1", series: str = "", course: str = ""
) -> ScheduledMeeting:
    return ScheduledMeeting(
        zoom_series_id=number, opencast_series_id=series, course_code=course, events=events
    )


def found(local: str, *events: ScheduledClass, buffer: int = BUFFER) -> ScheduledClass | None:
    start = datetime.fromisoformat(local).replace(tzinfo=EASTERN).astimezone(UTC)
    return match(meeting(*events), start, EASTERN, buffer)


@pytest.mark.parametrize(
    ("day", "time", "local", "matches"),
    [
        ("M", "10:00", "2026-11-23T10:00:00", True),
        ("M", "10:00", "2026-11-23T09:31:00", True),
        ("M", "10:00", "2026-11-23T09:30:00", False),
        ("M", "10:00", "2026-11-23T10:29:59", True),
        ("M", "10:00", "2026-11-23T10:30:00", False),
        ("M", "10:00", "2026-11-23T10:30:59", False),
        ("T", "10:00", "2026-11-23T10:00:00", False),
        ("M", "23:50", "2026-11-24T00:05:00", True),
        ("T", "0:10", "2026-11-23T23:50:00", True),
        ("M", "23:50", "2026-11-24T00:20:00", False),
        ("U", "23:50", "2026-11-23T00:05:00", True),
        ("M", "0:10", "2026-11-22T23:55:00", True),
        ("U", "23:50", "2026-11-24T00:05:00", False),
    ],
)
def test_a_recording_matches_near_the_events_time(
    day: str, time: str, local: str, matches: bool
) -> None:
    assert (found(local, event(day, time)) is not None) is matches


def test_local_time_counts_on_both_sides_of_the_clocks_change() -> None:
    """2026-11-01 ends daylight saving in the US: 10:00 is 14:00Z before it and 15:00Z after."""
    ten = meeting(event("F", "10:00"))
    before = datetime(2026, 10, 30, 14, 0, tzinfo=UTC)
    after = datetime(2026, 11, 6, 15, 0, tzinfo=UTC)
    assert match(ten, before, EASTERN, BUFFER)
    assert match(ten, after, EASTERN, BUFFER)
    assert match(ten, after - timedelta(hours=1), EASTERN, BUFFER) is None


def test_the_hour_that_comes_twice_matches_twice() -> None:
    """01:30 on 2026-11-01 is there at 05:30Z and again at 06:30Z."""
    night = meeting(event("U", "1:30"))
    for hour in (5, 6):
        assert match(night, datetime(2026, 11, 1, hour, 30, tzinfo=UTC), EASTERN, BUFFER)


def test_of_several_the_nearest() -> None:
    early, late = event("M", "10:00", "early"), event("M", "10:40", "late")
    assert found("2026-11-23T10:18:00", early, late) == early
    assert found("2026-11-23T10:22:00", early, late) == late
    assert found("2026-11-23T10:22:00", late, early) == late


@pytest.mark.parametrize(
    "broken", [{"day": "X", "time": "9:30"}, {"day": "M", "time": "half past nine"}]
)
def test_an_event_that_cant_be_read_matches_nothing_and_breaks_nothing(
    broken: dict[str, str],
) -> None:
    good = event("M", "9:30")
    assert found("2026-11-23T09:30:00", ScheduledClass(title="?", **broken), good) == good


@pytest.mark.parametrize("day", ["", "MT", "TW", "m"])
def test_what_is_no_day_is_not_its_first_letter_either(day: str) -> None:
    for local in ("2026-11-23T10:00:00", "2026-11-24T10:00:00"):
        assert found(local, event(day, "10:00")) is None


@pytest.mark.parametrize("time", ["25:00", "24:00", "-1:30", "9:60", "9:-5"])
def test_what_is_no_time_is_not_that_of_another_day(time: str) -> None:
    monday = datetime(2026, 11, 23, tzinfo=EASTERN)
    week = [monday + timedelta(minutes=20 * step) for step in range(7 * 72)]
    row = meeting(event("W", time))
    assert [one for one in week if match(row, one, EASTERN, BUFFER)] == []


def test_no_events_no_match() -> None:
    assert found("2026-11-23T10:00:00") is None


def test_each_event_has_its_own_course_and_else_the_meetings() -> None:
    row = meeting(event("M", "9:00", "own", "A"), event("T", "9:00"), series="row", course="R")
    assert [row.series_of(one) for one in row.events] == ["own", "row"]
    assert [row.course_of(one) for one in row.events] == ["A", "R"]


def test_a_class_without_a_course_is_given_none_of_another_class_s() -> None:
    """The meeting's is the course of what was imported last; series are always the class's own."""
    nameless = event("M", "9:00", "S1", "", "csv:f")
    rows = list(planned([], [("1", nameless), ("1", SHEET)], "csv:f").put)
    assert rows[0].course_code == "Sheet"
    assert [rows[0].course_of(one) for one in rows[0].events] == ["", "Sheet"]
    (row,) = planned(rows, [("1", SHEET)], "sheet/a").put
    assert nameless in row.events


@settings(max_examples=100)
@given(
    st.sampled_from(DAYS),
    st.integers(0, 24 * 60 - 1),
    st.integers(-90, 90),
    st.integers(1, 60),
)
def test_the_distance_alone_decides(day: str, minute: int, offset: int, buffer: int) -> None:
    one = event(day, f"{minute // 60}:{minute % 60:02d}")
    monday = datetime(2026, 6, 1, tzinfo=EASTERN)
    start = monday + timedelta(days=DAYS.index(day), minutes=minute + offset)
    expected = one if abs(offset) < buffer else None
    assert match(meeting(one), start, EASTERN, buffer) == expected


# Imports


def planned(
    existing: list[ScheduledMeeting],
    new: list[tuple[str, ScheduledClass]],
    *sources: str,
    replace_all: bool = False,
) -> ImportPlan:
    return plan_import(existing, new, ReplacedSources(names=frozenset(sources), every=replace_all))


SHEET = event("M", "9:00", "S1", "Sheet", "sheet/a")
FILE = event("T", "9:00", "S2", "File", "file.csv")


def test_an_import_into_an_empty_table() -> None:
    plan = planned([], [("1", SHEET), ("1", FILE), ("2", SHEET), ("2", SHEET)], "sheet/a")
    assert plan.put == (
        meeting(SHEET, FILE, series="S2", course="File"),
        meeting(SHEET, number="2", series="S1", course="Sheet"),
    )
    assert (plan.delete, plan.added, plan.changed, plan.unchanged) == ((), 2, 0, 0)


def test_meetings_that_left_the_sheet_leave_the_table() -> None:
    before = [meeting(SHEET, series="S1", course="Sheet"), meeting(SHEET, number="2")]
    plan = planned(before, [("1", SHEET)], "sheet/a")
    assert (plan.put, plan.delete, plan.unchanged) == ((), ("2",), 1)


def test_another_source_stays() -> None:
    other = meeting(FILE, number="2", series="S2", course="File")
    plan = planned([other], [("1", SHEET)], "sheet/a")
    assert [row.zoom_series_id for row in plan.put] == ["1"]
    assert plan.delete == ()


def test_rows_that_an_import_doesnt_concern_are_not_written_again() -> None:
    """Also one that doesn't look as ours do: somebody wrote it by hand."""
    by_hand = ScheduledMeeting(
        zoom_series_id="7", events=(event("M", "9:30", "series", "course", "csv:b"),)
    )
    new = event("T", "9:30", "series", "course", "csv:a")
    plan = planned([by_hand], [("8", new)], "csv:a")
    assert [row.zoom_series_id for row in plan.put] == ["8"]
    assert (plan.added, plan.changed, plan.unchanged, plan.delete) == (1, 0, 0, ())


def test_two_sources_in_one_meeting_are_replaced_apart() -> None:
    both = meeting(SHEET, FILE, series="S2", course="File")
    moved = event("W", "9:00", "S1", "Sheet", "sheet/a")
    plan = planned([both], [("1", moved)], "sheet/a")
    assert plan.put == (meeting(moved, FILE, series="S1", course="Sheet"),)
    assert (plan.delete, plan.added, plan.changed) == ((), 0, 1)
    gone = planned([both], [("2", moved)], "sheet/a")
    assert [row for row in gone.put if row.zoom_series_id == "1"] == [
        meeting(FILE, series="S2", course="File")
    ]
    assert gone.delete == ()


def test_rows_of_the_first_system_count_as_the_sheets() -> None:
    old = meeting(event("M", "9:00"), series="old", course="Old")
    bare = meeting(number="2", series="bare")
    sheet = planned([old, bare], [("3", SHEET)], "sheet/a", "")
    assert sheet.delete == ("1", "2")
    file = planned([old, bare], [("3", FILE)], "file.csv")
    assert file.delete == ()


def test_a_row_of_the_first_system_keeps_its_course_when_another_joins() -> None:
    old = meeting(event("M", "9:00"), series="old", course="Old")
    plan = planned([old], [("1", FILE)], "file.csv")
    (row,) = plan.put
    assert [(row.series_of(one), row.course_of(one)) for one in row.events] == [
        ("S2", "File"),
        ("old", "Old"),
    ]
    assert (row.opencast_series_id, row.course_code) == ("S2", "File")


def test_of_two_at_the_same_time_what_was_imported_last_is_the_recording_s() -> None:
    earlier = event("M", "9:00", "old", "A", "file.csv")
    later = event("M", "9:00", "new", "A", "sheet/a")
    before = [meeting(earlier, series="old", course="A")]
    (row,) = planned(before, [("1", later)], "sheet/a").put
    monday = datetime(2026, 11, 23, 9, 5, tzinfo=EASTERN)
    assert match(row, monday, EASTERN, BUFFER) == later
    assert row.opencast_series_id == "new"
    # Of one import it is the first, and a class that only stays comes behind what was read.
    both = [("1", later), ("1", event("M", "9:00", "other", "B", "sheet/a"))]
    (row,) = planned([], both, "sheet/a").put
    assert match(row, monday, EASTERN, BUFFER) == later
    plan = plan_import([], [("1", later)], ReplacedSources(), retained=[("1", earlier)])
    assert [one.opencast_series_id for one in plan.put[0].events] == ["new", "old"]
    assert plan.put[0].opencast_series_id == "new"


def test_replace_all_replaces_every_source() -> None:
    before = [meeting(SHEET, number="2"), meeting(FILE, number="3"), meeting(number="4")]
    plan = planned(before, [("1", FILE)], "file.csv", replace_all=True)
    assert [row.zoom_series_id for row in plan.put] == ["1"]
    assert plan.delete == ("2", "3", "4")


numbers = st.sampled_from(["1", "2", "3"])
sources = st.sampled_from(["a", "b", ""])
random_events = st.builds(
    event,
    st.sampled_from(DAYS),
    st.sampled_from(["9:00", "10:00"]),
    st.sampled_from(["S1", "S2"]),
    st.sampled_from(["A", "B"]),
    sources,
)


def applied(before: list[ScheduledMeeting], plan: ImportPlan) -> list[ScheduledMeeting]:
    rows = {row.zoom_series_id: row for row in before} | {
        row.zoom_series_id: row for row in plan.put
    }
    return [row for key, row in rows.items() if key not in plan.delete]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(numbers, random_events), max_size=8),
    st.lists(st.tuples(numbers, random_events), min_size=1, max_size=8),
    sources,
)
def test_after_an_import_the_source_holds_what_was_imported_and_others_what_they_held(
    held: list[tuple[str, ScheduledClass]], wanted: list[tuple[str, ScheduledClass]], source: str
) -> None:
    before = list(planned([], held, replace_all=True).put)
    new = [(number, event(e.day, e.time, "new", "N", source)) for number, e in wanted]
    after = applied(before, planned(before, new, source))
    pairs = {(row.zoom_series_id, one) for row in after for one in row.events}
    assert pairs == {pair for pair in held if pair[1].source != source} | set(new)
    for row in after:
        own = [one for one in row.events if one.source == source] or list(row.events)
        assert row.opencast_series_id in {one.opencast_series_id for one in own}
        assert list(row.events[: len(own)]) == own, "what was imported comes first"
    again = planned(after, new, source)
    assert again.delete == ()
    assert {(row.zoom_series_id, one) for row in applied(after, again) for one in row.events} == (
        pairs
    )
