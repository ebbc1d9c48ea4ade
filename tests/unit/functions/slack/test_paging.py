"""The button for older recordings."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.slack_messages import button_of, texts
from tests.unit.functions.slack.conftest import Put
from tests.unit.functions.slack.workspace import MEETING, Harness


@pytest.fixture
def lecture(put: Put) -> Put:
    """Return a function that adds a recording, whose number is a day of October 2026."""

    def add(number: int) -> None:
        put(f"u{number:02}", recording_start_time=f"2026-10-{number:02}T15:00:00Z")

    return add


def shown(message: dict[str, Any]) -> list[int]:
    """Return the numbers of the recordings in a message, in order."""
    return [
        int(day) for day in re.findall(r"^\*\w+, Oct (\d+), 2026", texts(message), re.MULTILINE)
    ]


def test_paging_neither_repeats_nor_skips_recordings_while_new_recordings_arrive(
    harness: Harness, lecture: Put
) -> None:
    for number in range(1, 15):
        lecture(number)
    first = harness.command(str(MEETING))
    assert (first["response_type"], shown(first)) == ("in_channel", [14, 13])
    button = button_of(first)
    expected = [
        [(True, [14, 13, 12, 11])],
        [(True, [14, 13, 12, 11, 10, 9])],
        [(False, [8, 7]), (True, [14, 13, 12, 11, 10, 9])],
        [(True, [8, 7, 6, 5])],
        [(True, [8, 7, 6, 5, 4, 3])],
        [(False, [2, 1]), (True, [8, 7, 6, 5, 4, 3])],
    ]
    for number, wanted in enumerate(expected, start=15):
        lecture(number)
        messages = harness.press(button)
        assert [(message["replace_original"], shown(message)) for message in messages] == wanted
        assert {message["response_type"] for message in messages} == {"in_channel"}
        assert all(not button_of(old) for old in messages[1:])
        button = button_of(messages[0])
        assert ("End of results." in texts(messages[0])) == (number == 20)
    assert button == ""
    assert shown(harness.command(str(MEETING))) == [20, 19]


def test_slack_message_has_no_button_when_it_shows_all_recordings(
    harness: Harness, lecture: Put
) -> None:
    lecture(1)
    lecture(2)
    answer = harness.command(str(MEETING))
    assert (shown(answer), button_of(answer)) == ([2, 1], "")
    assert texts(answer).endswith("End of results.")


def test_slack_button_adds_one_recording_when_only_one_recording_is_left(
    harness: Harness, lecture: Put
) -> None:
    for number in (1, 2, 3):
        lecture(number)
    first = harness.command(str(MEETING))
    assert "Show more (1 older)" in str(first["blocks"])
    (more,) = harness.press(button_of(first))
    assert (shown(more), button_of(more)) == ([3, 2, 1], "")


def test_button_press_is_answered_when_the_rows_have_expired(
    harness: Harness, lecture: Put
) -> None:
    for number in (1, 2, 3):
        lecture(number)
    button = button_of(harness.command(str(MEETING)))
    for number in (1, 2, 3):
        harness.aws.status.delete_item(Key={"zip_id": f"auto-ingest-u{number:02}"})
    (message,) = harness.press(button)
    assert "No recordings of this meeting" in texts(message)
