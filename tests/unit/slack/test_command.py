"""The text after `/zip`, and the value of the button in the answer."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.errors import BadRequest
from ingester.slack.command import (
    MAX_RECORDINGS,
    VERSION,
    Button,
    Window,
    meeting_asked_for,
    read_button,
    spaced,
    write_button,
)

FILLING = st.text(" -*\t\u00a0\u2013\u2014\u2011", max_size=2)
KNOWN = Button(version=VERSION, mid=12345678901, newest_start_time="", start_index=0, count=2)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1234567890", 1234567890),
        ("123 456 7890", 1234567890),
        ("123-4567-8901", 12345678901),
        ("*123 4567 8901*", 12345678901),
        (" 123\u00a04567\u00a08901 ", 12345678901),
        ("123456789", 123456789),
        ("https://zoom.us/j/85550001111?pwd=s3cret", 85550001111),
        ("", None),
        ("help", None),
        (" Help\n", None),
    ],
)
def test_text_after_zip_is_read_as_a_meeting_number_or_as_a_request_for_help(
    text: str, number: int | None
) -> None:
    assert meeting_asked_for(text) == number


@given(st.text("0123456789", min_size=10, max_size=11), st.data())
def test_spaces_dashes_and_stars_between_the_digits_of_a_meeting_number_are_skipped(
    digits: str, data: st.DataObject
) -> None:
    text = "".join(digit + data.draw(FILLING) for digit in digits)
    assert meeting_asked_for(data.draw(FILLING) + text) == int(digits)


@given(st.text())
def test_text_after_zip_is_read_as_help_or_a_number_or_refused_whatever_its_characters(
    text: str,
) -> None:
    with suppress(BadRequest):
        number = meeting_asked_for(text)
        assert number is None or 0 <= number < 10**11


@pytest.mark.parametrize(
    ("number", "text"),
    [(1234567890, "123 456 7890"), (12345678901, "123 4567 8901"), (123456789, "123456789")],
)
def test_meeting_number_is_written_in_three_groups_only_when_it_has_10_or_11_digits(
    number: int, text: str
) -> None:
    assert spaced(number) == text


@given(
    st.integers(1, 10**11),
    st.text(max_size=30),
    st.integers(0, 1000),
    st.integers(1, MAX_RECORDINGS),
)
def test_value_of_a_button_is_read_as_it_was_written(
    mid: int, newest: str, start: int, count: int
) -> None:
    window = Window(newest_start_time=newest, start_index=start, count=count)
    value = write_button(mid, window)
    assert sorted(json.loads(value)) == [
        "count",
        "mid",
        "newest_start_time",
        "start_index",
        "version",
    ]
    button = read_button(value)
    assert (button.mid, button.shown_window) == (mid, window)


def test_slack_button_leaves_out_a_start_time_that_is_too_long_to_be_valid() -> None:
    value = write_button(1, Window(newest_start_time="9" * 3000, start_index=2))
    assert len(value) < 2000
    assert read_button(value).shown_window == Window(newest_start_time="", start_index=2)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1},
        {"version": 2},
        {"version": VERSION + 1},
        {"version": "1"},
        {"mid": 0},
        {"mid": 10**18},
        {"mid": "x"},
        {"start_index": -1},
        {"start_index": 10**9},
        {"count": 0},
        {"count": MAX_RECORDINGS + 1},
        {"newest_start_time": None},
    ],
)
def test_slack_button_is_refused_when_its_value_has_another_version_or_an_invalid_field(
    change: dict[str, object],
) -> None:
    value = {**json.loads(write_button(1, Window())), **change}
    with pytest.raises(BadRequest, match="another version"):
        read_button(json.dumps(value))


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_slack_button_is_refused_when_its_value_is_text_that_the_pipeline_did_not_write(
    value: str,
) -> None:
    with pytest.raises(BadRequest, match="another version"):
        read_button(value)


def test_slack_button_is_refused_when_its_value_cannot_be_decoded() -> None:
    for value in ("\ud800", "[" * 100_000):
        with pytest.raises(BadRequest):
            read_button(value)


def test_press_of_the_button_begins_a_new_message_when_six_recordings_are_shown() -> None:
    windows = []
    button = KNOWN
    for _ in range(6):
        wanted = button.next_window
        windows.append((wanted.start_index, wanted.count))
        button = read_button(write_button(button.mid, wanted))
    assert windows == [(0, 4), (0, 6), (6, 2), (6, 4), (6, 6), (12, 2)]
