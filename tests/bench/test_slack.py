"""What is told apart among Slack's answers."""

from __future__ import annotations

import pytest

from bench import slack
from bench.slack import P99_SECONDS, Typed
from ingester.slack import wording as zip_words


def test_an_answer_that_comes_later_is_known_by_its_words() -> None:
    assert zip_words.ONE_MOMENT.startswith(slack.ONE_MOMENT)


def test_fast_answers_are_all_right() -> None:
    fast = [Typed(P99_SECONDS, "answer")] * 99
    assert slack.problems({"cold": [*fast, Typed(2.9, "later")], "warm": []}) == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ([*[Typed(0.1, "answer")] * 98, *[Typed(P99_SECONDS + 0.1, "later")] * 2], "took 1.60 s"),
        ([*[Typed(0.1, "answer")] * 99, Typed(0.1, "error")], "1 errors"),
    ],
)
def test_slow_answers_and_errors_are_told(typed: list[Typed], words: str) -> None:
    (problem,) = slack.problems({"cold": [], "warm": typed})
    assert problem.startswith("warm: ")
    assert words in problem
