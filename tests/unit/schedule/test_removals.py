"""The scheduled classes that an import removes, and those that it moves to another meeting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.schedule.model import ScheduledClass, ScheduledMeeting, assemble
from ingester.schedule.removals import Removals, RemovedClasses, find_removals
from ingester.schedule.wording import described

SERIES = {"A": "100", "A2": "100", "B": "200"}
"""Courses and their series. A2 is another name of A."""


def a_class(text: str) -> ScheduledClass:
    """Return the scheduled class for a text such as `A M 9:30`, or `A M 9:30 300` with a series.

    `-` stands for no course.
    """
    course, day, time, *series = text.split()
    return ScheduledClass(
        day=day,
        time=time,
        title="L",
        course_code=course.replace("-", ""),
        opencast_series_id=(series or [SERIES[course]])[0],
        source="sheet:Fall",
    )


def table(*classes: str) -> list[ScheduledMeeting]:
    """Return the meetings for texts such as `8: A M 9:30`. The default meeting is 7."""
    pairs = [("7: " + text if ":" not in text[:3] else text).split(": ") for text in classes]
    return list(assemble((key, a_class(text)) for key, text in pairs).values())


def leaving(before: list[ScheduledMeeting], after: list[ScheduledMeeting]) -> Removals:
    there = {row.zoom_series_id for row in after}
    return find_removals(
        before,
        [row for row in after if row not in before],
        [row.zoom_series_id for row in before if row.zoom_series_id not in there],
    )


def lost(before: list[str], after: list[str]) -> list[str]:
    return [
        described(removed.meeting) for removed in leaving(table(*before), table(*after)).removed
    ]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["A M 9:30"], ["A M 9:30"], []),
        (["A M 9:30", "A W 9:30"], ["A M 9:30"], ["7: A (100) W 9:30 L"]),
        (["A M 9:30"], [], ["7: A (100) M 9:30 L"]),
        # A scheduled class with a new time, name, series or spelling doesn't count as removed.
        (["A M 9:30", "A W 9:30"], ["A M 10:30", "A W 10:30"], []),
        (["A M 9:30"], ["A2 M 9:30"], []),
        (["A M 9:30"], ["A M 9:30 300"], []),
        (["A M 9:30", "A W 9:30"], ["A M 09:30", "A W 09:30"], []),
        # Course B is gone, and course A gets a second scheduled class.
        (["A M 9:30", "B W 9:30"], ["A M 9:30", "A F 9:30"], ["7: B (200) W 9:30 L"]),
        # Another course replaces A at the same time.
        (["A M 9:30", "B W 9:30"], ["B M 9:30"], ["7: A (100) M 9:30 L"]),
        (["A M 9:30"], ["B M 9:30"], ["7: A (100) M 9:30 L"]),
        # Scheduled classes without a course are compared by their series.
        (
            ["- M 9:30 100", "- W 9:30 300"],
            ["- M 9:30 100", "- F 9:30 400"],
            ["7: (no course) (300) W 9:30 L"],
        ),
        (["- M 9:30 100", "- W 9:30 300"], ["- M 9:30 100", "- F 9:30 300"], []),
        (
            ["A M 9:30", "A W 9:30", "A F 9:30"],
            ["A T 9:30"],
            ["7: A (100) M 9:30 L, W 9:30 L, F 9:30 L"],
        ),
    ],
)
def test_removals_include_scheduled_classes_without_a_substitute_in_their_meeting(
    before: list[str], after: list[str], said: list[str]
) -> None:
    assert lost(before, after) == said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        # The scheduled class has a new link, and in some cases another name or series.
        (["A M 9:30", "A W 9:30"], ["8: A M 9:30", "8: A W 9:30"], []),
        (["A M 9:30"], ["8: A2 M 9:30"], []),
        (["A M 9:30"], ["8: A M 9:30 300"], []),
        # The scheduled class moves to a meeting that exists, or only one of two scheduled classes
        # moves.
        (["A M 9:30", "8: B W 9:30"], ["8: A M 9:30", "8: B W 9:30"], []),
        (["A M 9:30", "A W 9:30"], ["8: A M 9:30"], ["7: A (100) W 9:30 L"]),
        (["A M 9:30", "B W 9:30"], ["A M 9:30", "8: B W 9:30"], []),
        # The other meeting had the scheduled class before, so nothing moved there.
        (["A M 9:30", "8: A M 9:30"], ["8: A M 9:30", "8: A W 9:30"], ["7: A (100) M 9:30 L"]),
        # One added scheduled class accounts for only one removed scheduled class.
        (["A M 9:30", "8: A M 9:30"], ["9: A M 9:30"], ["8: A (100) M 9:30 L"]),
        (["A M 9:30", "8: A T 9:30"], ["A T 9:30"], ["7: A (100) M 9:30 L"]),
        (["A M 9:30", "8: A M 9:30 300"], ["9: A M 9:30 300"], ["7: A (100) M 9:30 L"]),
        # With another link and another time, a scheduled class is not recognized.
        (["A M 9:30"], ["8: A M 10:30"], ["7: A (100) M 9:30 L"]),
    ],
)
def test_removals_do_not_include_scheduled_classes_that_moved_to_another_meeting(
    before: list[str], after: list[str], said: list[str]
) -> None:
    assert lost(before, after) == said


def test_removals_include_the_meetings_that_scheduled_classes_moved_to() -> None:
    before = table("A M 9:30", "B W 9:30", "6: B F 9:30")
    found = leaving(before, table("8: B W 9:30", "9: A M 9:30"))
    assert [(moved.meeting.zoom_series_id, moved.into) for moved in found.moved] == [
        ("7", ("9", "8"))
    ]
    assert [removed.meeting.zoom_series_id for removed in found.removed] == ["6"]


@pytest.mark.parametrize(
    ("after", "others"),
    [
        (["8: A M 9:30", "9: B W 9:30"], ("8", "9")),
        (["8: A M 9:30"], ()),
        (["8: A M 9:30", "B W 9:30", "9: B W 9:30"], ("8",)),
    ],
)
def test_removals_include_other_meetings_that_have_the_removed_scheduled_classes(
    after: list[str], others: tuple[str, ...]
) -> None:
    # After an interrupted update, two meetings may have the same scheduled classes.
    before = table("A M 9:30", "B W 9:30", "8: A M 9:30", "9: B W 9:30")
    assert next(removed.also_in for removed in leaving(before, table(*after)).removed) == others


def test_removals_compare_scheduled_classes_of_the_first_system_by_day_and_time_only() -> None:
    # A row of the first system has only one course. An import gives each scheduled class its own
    # course.
    classes = tuple(ScheduledClass(day=day, time="9:30", title="L") for day in "MWF")
    shared = ScheduledMeeting(
        zoom_series_id="7", course_code="B", opencast_series_id="200", events=classes
    )
    (removed,) = leaving([shared], table("A M 9:30", "B W 9:30")).removed
    assert described(removed.meeting) == "7: B (200) F 9:30 L"


def test_removals_include_a_deleted_meeting_without_scheduled_classes() -> None:
    bare = ScheduledMeeting(zoom_series_id="7", opencast_series_id="1")
    found = leaving([bare], [])
    assert (found.removed, found.moved) == ((RemovedClasses(bare, ()),), ())


classes = st.lists(
    st.tuples(
        st.sampled_from(["7", "8", "9"]),
        st.sampled_from(["A M 9:30", "A W 9:30", "A2 M 9:30", "B M 9:30", "B W 9:30"]),
    ).map(": ".join),
    unique=True,
)


@given(classes, classes)
def test_removals_include_each_lost_scheduled_class_once_and_none_that_the_schedule_still_has(
    before: list[str], after: list[str]
) -> None:
    found = leaving(table(*before), table(*after))
    lost = [removed.meeting for removed in found.removed]
    removed = [(row.zoom_series_id, scheduled) for row in lost for scheduled in row.events]
    held = {(row.zoom_series_id, scheduled) for row in table(*after) for scheduled in row.events}
    assert not held & set(removed)
    assert len(set(removed)) == len(removed)
    if set(after) <= set(before):
        times = {(text[0], SERIES[text.split()[1]], *text.split()[2:]) for text in after}
        assert {
            (text[0], SERIES[text.split()[1]], *text.split()[2:]) for text in before
        } - times == {
            (key, scheduled.opencast_series_id, scheduled.day, scheduled.time)
            for key, scheduled in removed
        }
    if not any("A2" in text for text in (*before, *after)):
        assert len(removed) >= len(before) - len(after)
