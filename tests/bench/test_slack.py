"""Tests of the benchmark of `/zip`: the expected words, and the reported problems."""

from __future__ import annotations

import pytest

from bench import slack
from bench.slack import P99_SECONDS, Typed
from ingester.slack import wording


def test_first_answer_of_zip_begins_with_the_words_that_the_benchmark_expects() -> None:
    assert wording.ONE_MOMENT.startswith(slack.ONE_MOMENT)


def test_benchmark_reports_no_problem_when_99_percent_of_answers_are_fast() -> None:
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
def test_benchmark_reports_a_problem_when_answers_are_slow_or_are_errors(
    typed: list[Typed], words: str
) -> None:
    (problem,) = slack.problems({"cold": [], "warm": typed})
    assert problem.startswith("warm: ")
    assert words in problem
