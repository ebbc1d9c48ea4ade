"""Tests of operators' input (periods, uuids, meeting numbers, ^C), and of untrusted text."""

from __future__ import annotations

import re
import signal
import unicodedata
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops import arguments
from ops.command import OpsError
from ops.interrupts import deferred_signals
from ops.printable import printable

JOIN_LINK = "https://zoom.us/j/85550001111?pwd=s3cret"
WRONG = ("0m", "3661d", "999999999d")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        (" 2H ", timedelta(hours=2)),
        ("7 d", timedelta(days=7)),
    ],
)
def test_the_since_option_accepts_a_number_with_a_unit(text: str, length: timedelta) -> None:
    assert arguments.since(text) == length


@given(st.text())
@example("10")
@example(WRONG[0])
@example(WRONG[1])
@example(WRONG[2])
@example("-1h")
@example("1w")
@example("٣d")
@example("1h30m")
def test_the_since_option_accepts_periods_and_refuses_other_text_with_a_one_line_error(
    text: str,
) -> None:
    if re.fullmatch(r"\s*[0-9]+\s*[smhdSMHD]\s*", text) and text not in WRONG:
        assert timedelta(0) < arguments.since(text) <= timedelta(days=3660)
        return
    with pytest.raises(OpsError, match="like 10m, 2h or 7d") as caught:
        arguments.since(text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "   ", "a b", "a\nb", "a\x1b[2J", "x" * 201])
def test_text_is_refused_as_a_recording_uuid_when_it_cannot_be_a_uuid(text: str) -> None:
    with pytest.raises(OpsError, match="can't be a recording's uuid"):
        arguments.recording_uuid(text)


def test_white_space_around_a_recording_uuid_is_removed() -> None:
    assert arguments.recording_uuid(" /Aimtz4gZlGg+ue//k7qppQ==\n") == "/Aimtz4gZlGg+ue//k7qppQ=="


@pytest.mark.parametrize(
    "link",
    [
        "https://zoom.us/recording/detail?meeting_id=%2FAimtz4gZlGg%2Bue%2F%2Fk7qppQ%3D%3D",
        "https://zoom.us/recording/detail?meeting_id=/Aimtz4gZlGg+ue//k7qppQ==#x",
    ],
)
def test_uuid_of_a_recording_is_read_from_a_link_to_the_page_of_the_recording(link: str) -> None:
    assert arguments.recording_uuid(link) == "/Aimtz4gZlGg+ue//k7qppQ=="


@pytest.mark.parametrize(
    "text", ["855 5000 1111", JOIN_LINK, JOIN_LINK.removeprefix("https://"), f"x={JOIN_LINK}"]
)
def test_error_about_a_uuid_names_the_command_for_meetings_when_the_text_has_a_meeting_number(
    text: str,
) -> None:
    with pytest.raises(OpsError, match="`invoke recordings --meeting 85550001111` lists") as said:
        arguments.recording_uuid(text)
    assert "s3cret" not in str(said.value)


@pytest.mark.parametrize(
    "link",
    [
        "https://zoom.us/rec/share/x?pwd=s3cret",
        "zoom.us/rec/share/x?pwd=s3cret",
        f"zoom.us/rec/share/{'x' * 200}?pwd=s3cret",
        "zoom.us/rec/share/s3cret",
        "https://zoom.us/rec/detail?meeting_id=https%3A%2F%2Fzoom.us%2F%3Fpwd%3Ds3cret",
    ],
)
def test_operator_is_told_which_link_to_paste_when_the_link_names_no_recording(
    link: str,
) -> None:
    with pytest.raises(OpsError, match="paste the link to the recording's page in Zoom") as said:
        arguments.recording_uuid(link)
    assert "s3cret" not in str(said.value)


@pytest.mark.parametrize("meeting_id", ["x" * 201, "a%07b"])
def test_error_repeats_no_link_when_the_meeting_id_of_the_link_cannot_be_a_uuid(
    meeting_id: str,
) -> None:
    link = f"https://zoom.us/recording/detail?meeting_id={meeting_id}&pwd=s3cret"
    with pytest.raises(OpsError, match="The link's meeting_id can't be a recording's uuid") as said:
        arguments.recording_uuid(link)
    assert "s3cret" not in str(said.value)


def test_meeting_number_may_be_given_by_a_link_to_join_the_meeting() -> None:
    assert arguments.meeting_number(JOIN_LINK) == 85550001111


def test_error_about_a_meeting_number_repeats_no_link() -> None:
    with pytest.raises(OpsError, match="The link is no meeting's number: 9 to 11 digits") as said:
        arguments.meeting_number("https://zoom.us/my/someone?pwd=s3cret")
    assert "s3cret" not in str(said.value)


@pytest.mark.parametrize("text", ["86168921331", "861 6892 1331", "861-6892-1331"])
def test_meeting_number_may_have_groups_of_digits(text: str) -> None:
    assert arguments.meeting_number(text) == 86168921331


@pytest.mark.parametrize("text", ["", "-", "abc", "1.5", "861_689", "٣٤٥", "1" * 20])
def test_text_is_refused_when_it_cannot_be_a_meeting_number(text: str) -> None:
    with pytest.raises(OpsError, match="is no meeting's number"):
        arguments.meeting_number(text)


@given(st.text(st.characters(exclude_categories=())))
@example("\x1b]0;title\x07\r\u202e\u2028\ud800")
def test_printable_text_has_no_control_characters_fits_one_line_and_can_be_encoded(
    text: str,
) -> None:
    shown = printable(text)
    assert all(
        each.isprintable() or unicodedata.category(each) in ("Zs", "Cn", "Co") for each in shown
    )
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    shown.encode()


def test_plain_text_stays_the_same_when_it_is_made_printable() -> None:
    assert printable("L'été: [bold] 数学 🎓") == "L'été: [bold] 数学 🎓"


def test_first_deferred_signal_is_only_noted_and_the_second_signal_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with deferred_signals() as came:
        assert not came()
        signal.raise_signal(signal.SIGINT)
        assert came()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_signal_stays_ignored_while_signals_are_deferred() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with deferred_signals() as came:
            signal.raise_signal(signal.SIGHUP)
            assert not came()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
