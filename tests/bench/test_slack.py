"""Tests of the verdict on Slack's waits."""

from __future__ import annotations

import pytest

from bench import slack
from bench.slack import P99_SECONDS, Typed
from ingester.slack import wording


def test_late_answer_is_recognized_by_its_first_words() -> None:
    assert wording.ONE_MOMENT.startswith(slack.ONE_MOMENT)


def test_fast_answers_are_no_problem() -> None:
    fast = [Typed(P99_SECONDS, "answer")] * 99
    assert slack.problems({"cold": [*fast, Typed(2.9, "later")], "warm": []}) == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ([*[Typed(0.1, "answer")] * 98, *[Typed(P99_SECONDS + 0.1, "later")] * 2], "is 1.60 s"),
        ([*[Typed(0.1, "answer")] * 99, Typed(0.1, "error")], "1 errors"),
    ],
    ids=["slow", "error"],
)
def test_slow_answers_and_errors_are_problems(typed: list[Typed], words: str) -> None:
    (problem,) = slack.problems({"cold": [], "warm": typed})
    assert problem.startswith("warm: ")
    assert words in problem
