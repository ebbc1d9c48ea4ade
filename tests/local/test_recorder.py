"""Tests of the lines on a terminal's screen, and of their picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from local.recorder import picture, screen


def test_screen_has_the_lines_that_remain_after_cursor_movements() -> None:
    printed = (
        "first\r\n"
        "working 1 s\r\x1b[2K\x1b[?25l\x1b[32mdone\x1b[0m\r\n"
        "a\r\nb\r\x1b[2K\x1b[1A\x1b[2Kc\r\n\r\n"
    )
    assert screen(printed) == ["first", "\x1b[32mdone\x1b[0m", "c"]


def test_line_of_the_screen_is_replaced_when_it_is_written_again() -> None:
    assert screen("1 of 2\r\r2 of 2\r\n") == ["2 of 2"]


def test_picture_of_a_terminal_holds_every_line_and_loads_nothing() -> None:
    made = picture(["$ make demo", " \x1b[32m\u2713\x1b[0m all <well>"], "make demo", 40)
    text = "".join(ET.fromstring(made).itertext()).replace("\xa0", " ")  # noqa: S314 - ours
    for line in ("$ make demo", "\u2713", "all <well>"):
        assert line in text
    assert "@font-face" not in made
    assert "url(http" not in made
