"""Which classes count as removed, and which have only changed or moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.schedule.model import ScheduledClass, ScheduledMeeting, assemble
from ingester.schedule.removals import Removals, RemovedClasses, find_removals
from ingester.schedule.wording import described

SERIES = {"A": "100", "A2": "100", "B": "200"}
"""A2 is A under another name."""


def event(text: str) -> ScheduledClass:
    """`A M 9:30`, or `A M 9:30 300` with a series of its own; `- M 9:30 300` has no course."""
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
    """Of `7: A M 9:30`, without a number in meeting 7."""
    pairs = [("7: " + one if ":" not in one[:3] else one).split(": ") for one in classes]
    return list(assemble((key, event(text)) for key, text in pairs).values())


def leaving(before: list[ScheduledMeeting], after: list[ScheduledMeeting]) -> Removals:
    there = {row.zoom_series_id for row in after}
    return find_removals(
        before,
        [row for row in after if row not in before],
        [row.zoom_series_id for row in before if row.zoom_series_id not in there],
    )


def lost(before: list[str], after: list[str]) -> list[str]:
    return [described(one.meeting) for one in leaving(table(*before), table(*after)).removed]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["A M 9:30"], ["A M 9:30"], []),
        (["A M 9:30", "A W 9:30"], ["A M 9:30"], ["7: A (100) W 9:30 L"]),
        (["A M 9:30"], [], ["7: A (100) M 9:30 L"]),
        # At another time, under another name, for another series, or typed otherwise.
        (["A M 9:30", "A W 9:30"], ["A M 10:30", "A W 10:30"], []),
        (["A M 9:30"], ["A2 M 9:30"], []),
        (["A M 9:30"], ["A M 9:30 300"], []),
        (["A M 9:30", "A W 9:30"], ["A M 09:30", "A W 09:30"], []),
        # Of two courses one leaves, and the other gets a section.
        (["A M 9:30", "B W 9:30"], ["A M 9:30", "A F 9:30"], ["7: B (200) W 9:30 L"]),
        # One takes the place of the other.
        (["A M 9:30", "B W 9:30"], ["B M 9:30"], ["7: A (100) M 9:30 L"]),
        (["A M 9:30"], ["B M 9:30"], ["7: A (100) M 9:30 L"]),
        # Without a course the series says whose it is.
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
def test_what_has_no_other_in_its_place_is_lost(
    before: list[str], after: list[str], said: list[str]
) -> None:
    assert lost(before, after) == said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        # A new link, also with another name or series.
        (["A M 9:30", "A W 9:30"], ["8: A M 9:30", "8: A W 9:30"], []),
        (["A M 9:30"], ["8: A2 M 9:30"], []),
        (["A M 9:30"], ["8: A M 9:30 300"], []),
        # Into a meeting that is there; one of two.
        (["A M 9:30", "8: B W 9:30"], ["8: A M 9:30", "8: B W 9:30"], []),
        (["A M 9:30", "A W 9:30"], ["8: A M 9:30"], ["7: A (100) W 9:30 L"]),
        (["A M 9:30", "B W 9:30"], ["A M 9:30", "8: B W 9:30"], []),
        # What was in the other one before is no place for it.
        (["A M 9:30", "8: A M 9:30"], ["8: A M 9:30", "8: A W 9:30"], ["7: A (100) M 9:30 L"]),
        # Each stands for one.
        (["A M 9:30", "8: A M 9:30"], ["9: A M 9:30"], ["8: A (100) M 9:30 L"]),
        (["A M 9:30", "8: A T 9:30"], ["A T 9:30"], ["7: A (100) M 9:30 L"]),
        (["A M 9:30", "8: A M 9:30 300"], ["9: A M 9:30 300"], ["7: A (100) M 9:30 L"]),
        # Another link and another time: nobody knows whether that is it.
        (["A M 9:30"], ["8: A M 10:30"], ["7: A (100) M 9:30 L"]),
    ],
)
def test_what_has_come_into_another_meeting_is_not_lost(
    before: list[str], after: list[str], said: list[str]
) -> None:
    assert lost(before, after) == said


def test_a_meeting_all_of_whose_classes_are_in_others_says_in_which() -> None:
    before = table("A M 9:30", "B W 9:30", "6: B F 9:30")
    found = leaving(before, table("8: B W 9:30", "9: A M 9:30"))
    assert [(one.meeting.zoom_series_id, one.into) for one in found.moved] == [("7", ("9", "8"))]
    assert [one.meeting.zoom_series_id for one in found.removed] == ["6"]


@pytest.mark.parametrize(
    ("after", "others"),
    [
        (["8: A M 9:30", "9: B W 9:30"], ("8", "9")),
        (["8: A M 9:30"], ()),
        (["8: A M 9:30", "B W 9:30", "9: B W 9:30"], ("8",)),
    ],
)
def test_a_class_that_another_meeting_has_had_too_is_told_with_that(
    after: list[str], others: tuple[str, ...]
) -> None:
    """It may have gone there when an update broke off, or have been there twice."""
    before = table("A M 9:30", "B W 9:30", "8: A M 9:30", "9: B W 9:30")
    assert next(one.also_in for one in leaving(before, table(*after)).removed) == others


def test_a_meeting_of_the_first_system_has_the_last_class_s_course_for_all() -> None:
    """Its first update gives each class its own."""
    events = tuple(ScheduledClass(day=day, time="9:30", title="L") for day in "MWF")
    shared = ScheduledMeeting(
        zoom_series_id="7", course_code="B", opencast_series_id="200", events=events
    )
    (one,) = leaving([shared], table("A M 9:30", "B W 9:30")).removed
    assert described(one.meeting) == "7: B (200) F 9:30 L"


def test_one_without_classes_is_told_when_it_leaves() -> None:
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
def test_no_class_that_leaves_is_untold_unless_one_came_in_its_place(
    before: list[str], after: list[str]
) -> None:
    found = leaving(table(*before), table(*after))
    lost = [one.meeting for one in found.removed]
    told = [(one.zoom_series_id, event) for one in lost for event in one.events]
    held = {(one.zoom_series_id, event) for one in table(*after) for event in one.events}
    assert not held & set(told)
    assert len(set(told)) == len(told)
    if set(after) <= set(before):
        times = {(text[0], SERIES[text.split()[1]], *text.split()[2:]) for text in after}
        assert {
            (text[0], SERIES[text.split()[1]], *text.split()[2:]) for text in before
        } - times == {(key, one.opencast_series_id, one.day, one.time) for key, one in told}
    if not any("A2" in one for one in (*before, *after)):
        assert len(told) >= len(before) - len(after)
