"""The scheduled class of a recording, and the plan of an import."""

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


def a_class(
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
    *classes: ScheduledClass, number: str = "1", series: str = "", course: str = ""
) -> ScheduledMeeting:
    return ScheduledMeeting(
        zoom_series_id=number, opencast_series_id=series, course_code=course, events=classes
    )


def found(local: str, *classes: ScheduledClass, buffer: int = BUFFER) -> ScheduledClass | None:
    start = datetime.fromisoformat(local).replace(tzinfo=EASTERN).astimezone(UTC)
    return match(meeting(*classes), start, EASTERN, buffer)


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
def test_schedule_match_finds_a_scheduled_class_within_the_buffer_only(
    day: str, time: str, local: str, matches: bool
) -> None:
    assert (found(local, a_class(day, time)) is not None) is matches


def test_schedule_match_uses_local_time_before_and_after_daylight_saving_ends() -> None:
    # Daylight saving ends in US/Eastern on 2026-11-01, which moves 10:00 from 14:00Z to 15:00Z.
    ten = meeting(a_class("F", "10:00"))
    before = datetime(2026, 10, 30, 14, 0, tzinfo=UTC)
    after = datetime(2026, 11, 6, 15, 0, tzinfo=UTC)
    assert match(ten, before, EASTERN, BUFFER)
    assert match(ten, after, EASTERN, BUFFER)
    assert match(ten, after - timedelta(hours=1), EASTERN, BUFFER) is None


def test_schedule_match_finds_a_scheduled_class_at_both_occurrences_of_the_repeated_hour() -> None:
    # In US/Eastern, 01:30 on 2026-11-01 is both 05:30Z and 06:30Z.
    night = meeting(a_class("U", "1:30"))
    for hour in (5, 6):
        assert match(night, datetime(2026, 11, 1, hour, 30, tzinfo=UTC), EASTERN, BUFFER)


def test_schedule_match_finds_the_nearest_of_several_scheduled_classes() -> None:
    early, late = a_class("M", "10:00", "early"), a_class("M", "10:40", "late")
    assert found("2026-11-23T10:18:00", early, late) == early
    assert found("2026-11-23T10:22:00", early, late) == late
    assert found("2026-11-23T10:22:00", late, early) == late


@pytest.mark.parametrize(
    "broken", [{"day": "X", "time": "9:30"}, {"day": "M", "time": "half past nine"}]
)
def test_schedule_match_skips_a_scheduled_class_that_cannot_be_read(
    broken: dict[str, str],
) -> None:
    good = a_class("M", "9:30")
    assert found("2026-11-23T09:30:00", ScheduledClass(title="?", **broken), good) == good


@pytest.mark.parametrize("day", ["", "MT", "TW", "m"])
def test_schedule_match_skips_a_scheduled_class_whose_day_is_none_of_the_day_letters(
    day: str,
) -> None:
    for local in ("2026-11-23T10:00:00", "2026-11-24T10:00:00"):
        assert found(local, a_class(day, "10:00")) is None


@pytest.mark.parametrize("time", ["25:00", "24:00", "-1:30", "9:60", "9:-5"])
def test_schedule_match_skips_a_scheduled_class_whose_time_is_out_of_range(time: str) -> None:
    monday = datetime(2026, 11, 23, tzinfo=EASTERN)
    week = [monday + timedelta(minutes=20 * step) for step in range(7 * 72)]
    row = meeting(a_class("W", time))
    assert [start for start in week if match(row, start, EASTERN, BUFFER)] == []


def test_schedule_match_finds_nothing_in_a_meeting_without_scheduled_classes() -> None:
    assert found("2026-11-23T10:00:00") is None


def test_scheduled_class_without_course_and_series_has_the_course_and_series_of_its_meeting() -> (
    None
):
    row = meeting(a_class("M", "9:00", "own", "A"), a_class("T", "9:00"), series="row", course="R")
    assert [row.series_of(scheduled) for scheduled in row.events] == ["own", "row"]
    assert [row.course_of(scheduled) for scheduled in row.events] == ["A", "R"]


def test_scheduled_class_with_a_source_does_not_get_the_course_of_another_scheduled_class() -> None:
    # A meeting has the course of the scheduled class that was imported last.
    nameless = a_class("M", "9:00", "S1", "", "csv:f")
    rows = list(planned([], [("1", nameless), ("1", SHEET)], "csv:f").put)
    assert rows[0].course_code == "Sheet"
    assert [rows[0].course_of(scheduled) for scheduled in rows[0].events] == ["", "Sheet"]
    (row,) = planned(rows, [("1", SHEET)], "sheet/a").put
    assert nameless in row.events


@settings(max_examples=100)
@given(
    st.sampled_from(DAYS),
    st.integers(0, 24 * 60 - 1),
    st.integers(-90, 90),
    st.integers(1, 60),
)
def test_schedule_match_finds_a_scheduled_class_exactly_when_it_begins_within_the_buffer(
    day: str, minute: int, offset: int, buffer: int
) -> None:
    scheduled = a_class(day, f"{minute // 60}:{minute % 60:02d}")
    monday = datetime(2026, 6, 1, tzinfo=EASTERN)
    start = monday + timedelta(days=DAYS.index(day), minutes=minute + offset)
    expected = scheduled if abs(offset) < buffer else None
    assert match(meeting(scheduled), start, EASTERN, buffer) == expected


def planned(
    existing: list[ScheduledMeeting],
    new: list[tuple[str, ScheduledClass]],
    *sources: str,
    replace_all: bool = False,
) -> ImportPlan:
    return plan_import(existing, new, ReplacedSources(names=frozenset(sources), every=replace_all))


SHEET = a_class("M", "9:00", "S1", "Sheet", "sheet/a")
FILE = a_class("T", "9:00", "S2", "File", "file.csv")


def test_import_plan_adds_every_meeting_to_an_empty_table() -> None:
    plan = planned([], [("1", SHEET), ("1", FILE), ("2", SHEET), ("2", SHEET)], "sheet/a")
    assert plan.put == (
        meeting(SHEET, FILE, series="S2", course="File"),
        meeting(SHEET, number="2", series="S1", course="Sheet"),
    )
    assert (plan.delete, plan.added, plan.changed, plan.unchanged) == ((), 2, 0, 0)


def test_import_plan_deletes_meetings_that_their_source_no_longer_has() -> None:
    before = [meeting(SHEET, series="S1", course="Sheet"), meeting(SHEET, number="2")]
    plan = planned(before, [("1", SHEET)], "sheet/a")
    assert (plan.put, plan.delete, plan.unchanged) == ((), ("2",), 1)


def test_import_plan_keeps_meetings_of_other_sources() -> None:
    other = meeting(FILE, number="2", series="S2", course="File")
    plan = planned([other], [("1", SHEET)], "sheet/a")
    assert [row.zoom_series_id for row in plan.put] == ["1"]
    assert plan.delete == ()


def test_import_plan_does_not_rewrite_rows_without_replaced_scheduled_classes() -> None:
    # The plan also keeps hand-written rows, which have another form.
    by_hand = ScheduledMeeting(
        zoom_series_id="7", events=(a_class("M", "9:30", "series", "course", "csv:b"),)
    )
    new = a_class("T", "9:30", "series", "course", "csv:a")
    plan = planned([by_hand], [("8", new)], "csv:a")
    assert [row.zoom_series_id for row in plan.put] == ["8"]
    assert (plan.added, plan.changed, plan.unchanged, plan.delete) == (1, 0, 0, ())


def test_import_plan_replaces_one_of_two_sources_of_a_meeting() -> None:
    both = meeting(SHEET, FILE, series="S2", course="File")
    moved = a_class("W", "9:00", "S1", "Sheet", "sheet/a")
    plan = planned([both], [("1", moved)], "sheet/a")
    assert plan.put == (meeting(moved, FILE, series="S1", course="Sheet"),)
    assert (plan.delete, plan.added, plan.changed) == ((), 0, 1)
    gone = planned([both], [("2", moved)], "sheet/a")
    assert [row for row in gone.put if row.zoom_series_id == "1"] == [
        meeting(FILE, series="S2", course="File")
    ]
    assert gone.delete == ()


def test_import_plan_deletes_rows_of_the_first_system_only_when_the_import_replaces_them() -> None:
    old = meeting(a_class("M", "9:00"), series="old", course="Old")
    bare = meeting(number="2", series="bare")
    sheet = planned([old, bare], [("3", SHEET)], "sheet/a", "")
    assert sheet.delete == ("1", "2")
    file = planned([old, bare], [("3", FILE)], "file.csv")
    assert file.delete == ()


def test_import_plan_copies_series_and_course_to_the_scheduled_classes_of_a_changed_row() -> None:
    old = meeting(a_class("M", "9:00"), series="old", course="Old")
    plan = planned([old], [("1", FILE)], "file.csv")
    (row,) = plan.put
    assert [(row.series_of(scheduled), row.course_of(scheduled)) for scheduled in row.events] == [
        ("S2", "File"),
        ("old", "Old"),
    ]
    assert (row.opencast_series_id, row.course_code) == ("S2", "File")


def test_import_plan_puts_new_scheduled_classes_before_those_of_earlier_imports() -> None:
    earlier = a_class("M", "9:00", "old", "A", "file.csv")
    later = a_class("M", "9:00", "new", "A", "sheet/a")
    before = [meeting(earlier, series="old", course="A")]
    (row,) = planned(before, [("1", later)], "sheet/a").put
    monday = datetime(2026, 11, 23, 9, 5, tzinfo=EASTERN)
    assert match(row, monday, EASTERN, BUFFER) == later
    assert row.opencast_series_id == "new"
    # If one import has two scheduled classes at the same time, `match` finds the first of the two.
    # Retained scheduled classes come after imported scheduled classes.
    both = [("1", later), ("1", a_class("M", "9:00", "other", "B", "sheet/a"))]
    (row,) = planned([], both, "sheet/a").put
    assert match(row, monday, EASTERN, BUFFER) == later
    plan = plan_import([], [("1", later)], ReplacedSources(), retained=[("1", earlier)])
    assert [scheduled.opencast_series_id for scheduled in plan.put[0].events] == ["new", "old"]
    assert plan.put[0].opencast_series_id == "new"


def test_import_plan_replaces_every_source_when_replace_all_is_true() -> None:
    before = [meeting(SHEET, number="2"), meeting(FILE, number="3"), meeting(number="4")]
    plan = planned(before, [("1", FILE)], "file.csv", replace_all=True)
    assert [row.zoom_series_id for row in plan.put] == ["1"]
    assert plan.delete == ("2", "3", "4")


numbers = st.sampled_from(["1", "2", "3"])
sources = st.sampled_from(["a", "b", ""])
random_classes = st.builds(
    a_class,
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
    st.lists(st.tuples(numbers, random_classes), max_size=8),
    st.lists(st.tuples(numbers, random_classes), min_size=1, max_size=8),
    sources,
)
def test_import_plan_replaces_only_the_imported_source_and_is_idempotent(
    held: list[tuple[str, ScheduledClass]], wanted: list[tuple[str, ScheduledClass]], source: str
) -> None:
    before = list(planned([], held, replace_all=True).put)
    new = [(number, a_class(e.day, e.time, "new", "N", source)) for number, e in wanted]
    after = applied(before, planned(before, new, source))
    pairs = {(row.zoom_series_id, scheduled) for row in after for scheduled in row.events}
    assert pairs == {pair for pair in held if pair[1].source != source} | set(new)
    for row in after:
        own = [scheduled for scheduled in row.events if scheduled.source == source] or list(
            row.events
        )
        assert row.opencast_series_id in {scheduled.opencast_series_id for scheduled in own}
        assert list(row.events[: len(own)]) == own, "what was imported comes first"
    again = planned(after, new, source)
    assert again.delete == ()
    assert {
        (row.zoom_series_id, scheduled) for row in applied(after, again) for scheduled in row.events
    } == (pairs)
