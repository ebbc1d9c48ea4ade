"""Which classes count as removed, in a meeting that stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.rules.schedule import Event, assemble
from ingester.rules.schedule_words import lost, removed


def event(text: str) -> Event:
    course, day, time = text.split()
    return Event(day=day, time=time, title="L", course_code=course, opencast_series_id="1")


def meeting(*events: str, number: str = "7") -> list[tuple[str, Event]]:
    return [(number, event(one)) for one in events]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["A M 9:30"], ["A M 9:30"], ""),
        (["A M 9:30", "A W 9:30"], ["A M 9:30"], "7: A (1) W 9:30 L"),
        # At another time, or under another name.
        (["A M 9:30", "A W 9:30"], ["A M 10:30", "A W 10:30"], ""),
        (["A M 9:30"], ["B M 9:30"], ""),
        # Of two courses one leaves, and the other gets a section.
        (["A M 9:30", "B W 9:30"], ["A M 9:30", "A F 9:30"], "7: B (1) W 9:30 L"),
        (
            ["A M 9:30", "A W 9:30", "A F 9:30"],
            ["A T 9:30"],
            "7: A (1) M 9:30 L, W 9:30 L, F 9:30 L",
        ),
    ],
)
def test_what_has_no_other_in_its_place_is_lost(
    before: list[str], after: list[str], said: str
) -> None:
    (old,), (new,) = (assemble(meeting(*rows)).values() for rows in (before, after))
    assert lost(old, new) == said


slots = st.tuples(st.sampled_from("AB"), st.sampled_from("MTW"), st.sampled_from(["9:30", "11:00"]))
classes = st.lists(slots.map(" ".join), min_size=1, unique=True)


@given(classes, classes)
def test_whoever_adds_no_class_and_takes_a_time_away_is_told(
    before: list[str], after: list[str]
) -> None:
    (old,), (new,) = (assemble(meeting(*rows)).values() for rows in (before, after))
    times, kept = ({one[2:] for one in rows} for rows in (before, after))
    if set(before) <= set(after):
        assert lost(old, new) == ""
    elif set(after) <= set(before):
        assert bool(lost(old, new)) == (kept < times)
    assert removed([old], [new], []) == [one for one in [lost(old, new)] if one]
    assert len(removed([old], [], ["7", "8"])) == 1
