"""Meeting numbers that people type, or paste in a link to join a meeting."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import status_query
from ingester.recording.meeting_number import DIGITS, meeting_number_in, meeting_number_to_join

PAGE = Path(status_query.__file__).with_name("status_page.html")
LINKS = (
    "https://zoom.us/j/85550001111?pwd=s3cret",
    "https://harvard.zoom.us/j/85550001111",
    "zoom.us/j/85550001111#success",
    "<https://harvard.zoom.us/w/85550001111?tk=x|link>",
    "https://harvard.zoom.us/s/85550001111?zak=x",
    "https://app.zoom.us/wc/85550001111/join?pwd=s3cret",
    "https://zoom.us/wc/join/85550001111",
    "https://127.0.0.1:8443/j/85550001111",
    "Join: https://zoom.us/j/85550001111?pwd=s3cret.",
)


@pytest.mark.parametrize("link", LINKS)
def test_meeting_number_is_read_from_a_link_to_join_a_meeting(link: str) -> None:
    assert meeting_number_to_join(link) == meeting_number_in(link) == "85550001111"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345678",
        "123456789012",
        "https://zoom.us/j/12345678",
        "https://zoom.us/j/123456789012",
        "https://zoom.us/recording/detail?meeting_id=ajXp112QmuoKj4854875%3D%3D",
        "https://zoom.us/my/someone",
        "/j/123456789ajXp112Qmu==",
        "help",
    ],
)
def test_meeting_number_is_empty_when_a_text_contains_none(text: str) -> None:
    assert meeting_number_in(text) == ""


@given(st.from_regex(r"[0-9]{9,11}", fullmatch=True))
def test_spaces_and_dashes_are_left_out_of_a_typed_meeting_number_of_9_to_11_digits(
    number: str,
) -> None:
    assert meeting_number_in(f" {number[:3]} {number[3:6]}-{number[6:]}") == number
    assert meeting_number_to_join(number) == ""


def test_status_page_takes_as_many_digits_for_a_meeting_number_as_the_functions() -> None:
    assert DIGITS in PAGE.read_text()
    assert r"(\d{9,11})(?!\d)/i.exec" in PAGE.read_text()
