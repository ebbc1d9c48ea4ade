"""Deadlines of an answer to Slack, which allows three seconds.

https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.slack.deadlines import deadlines_of

NOW = 1000.0


@pytest.mark.parametrize(
    ("spent", "work", "answer"),
    [
        (-60.0, 1.5, 2.6),  # API Gateway's clock is a minute ahead of ours.
        (0.0, 1.5, 2.6),
        (0.5, 1.5, 2.6),
        (1.2, 1.7, 2.6),
        (1.5, 2.0, 2.6),
        (1.9, 2.0, 2.6),
    ],
)
def test_deadlines_of_a_slack_answer_count_from_the_arrival_of_the_request(
    spent: float, work: float, answer: float
) -> None:
    found, arrived = deadlines_of(spent, NOW), NOW - max(0.0, spent)
    assert found.work == pytest.approx(arrived + work)
    assert found.answer == pytest.approx(arrived + answer)


@given(st.floats(0, 60))
def test_deadlines_are_within_the_three_seconds_of_slack_unless_the_start_was_late(
    spent: float,
) -> None:
    found = deadlines_of(spent, NOW)
    assert NOW <= found.work <= max(NOW, NOW - spent + 2.001)
    # Even a late start leaves 0.3 seconds for the answer.
    assert found.answer - found.work >= 0.299
    assert found.answer <= max(NOW + 0.3, NOW - spent + 2.601)


def test_lambda_invoke_deadline_is_one_second_away_but_not_after_the_deadline_of_the_answer() -> (
    None
):
    found = deadlines_of(0.0, NOW)
    assert found.for_invoke(NOW) == NOW + 1.0
    assert found.for_invoke(NOW + 2.0) == found.answer
