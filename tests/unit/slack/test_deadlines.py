"""How much of Slack's three seconds is spent on what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.slack.deadlines import limits

NOW = 1000.0


@pytest.mark.parametrize(
    ("spent", "work", "answer"),
    [
        (-60.0, 1.5, 2.6),  # clocks apart
        (0.0, 1.5, 2.6),
        (0.5, 1.5, 2.6),
        (1.2, 1.7, 2.6),
        (1.5, 2.0, 2.6),
        (1.9, 2.0, 2.6),
    ],
)
def test_seconds_since_it_arrived(spent: float, work: float, answer: float) -> None:
    found, arrived = limits(spent, NOW), NOW - max(0.0, spent)
    assert found.work == pytest.approx(arrived + work)
    assert found.answer == pytest.approx(arrived + answer)


@given(st.floats(0, 60))
def test_nothing_is_waited_for_beyond_slack_s_time(spent: float) -> None:
    found = limits(spent, NOW)
    assert NOW <= found.work <= max(NOW, NOW - spent + 2.001)
    # What comes after the work has time of its own; a late start doesn't take it all.
    assert found.answer - found.work >= 0.299
    assert found.answer <= max(NOW + 0.3, NOW - spent + 2.601)


def test_another_invocation_is_begun_within_a_second_and_before_the_answer() -> None:
    found = limits(0.0, NOW)
    assert found.hand_over(NOW) == NOW + 1.0
    assert found.hand_over(NOW + 2.0) == found.answer
