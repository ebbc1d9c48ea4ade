"""What is told apart among Slack's answers."""

from __future__ import annotations

from bench import slack
from ingester.rules import zip_words


def test_an_answer_that_comes_later_is_known_by_its_words() -> None:
    assert zip_words.ONE_MOMENT.startswith(slack.ONE_MOMENT)
