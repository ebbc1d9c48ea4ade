"""Tests of commands' output on terminals of several widths, and during slow steps."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from rich.text import Text

from local.recorder import run_on_terminal
from ops import terminal
from ops.code.package import ROOT
from tests.ops.terminals import TerminalText, plain, terminal_of

REASON = "Opencast has no series 20260100099: run `invoke exec.pipeline abc== --series X` then"
ROWS = [
    ("zip-prod-log-notifications", "https://opencast.example.edu/admin-ng/index.html#/x", REASON),
    ("zip-prod-slack", "-", "nothing"),
]
COLUMNS = ("function", "address", "what to do next")


@pytest.mark.parametrize("width", [60, 80, 109])
def test_a_table_is_printed_as_blocks_when_the_terminal_is_too_narrow(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = terminal_of(monkeypatch, width)
    terminal.show("Functions", COLUMNS, ROWS)
    first, second = plain(out.getvalue()).strip().split("\n\n")[1:]
    assert first.startswith("zip-prod-log-notifications\n  address          https:")
    assert second == "zip-prod-slack\n  what to do next  nothing"
    assert max(len(line) for line in first.splitlines() if "https" not in line) <= width
    assert_whole_words(plain(out.getvalue()), ROWS)


@pytest.mark.parametrize("width", [130, 150, 200])
def test_a_wide_terminal_gets_a_table_with_whole_words(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = terminal_of(monkeypatch, width)
    terminal.show("Functions", COLUMNS, ROWS)
    assert "\u2500\u2500\u2500" in out.getvalue()
    assert_whole_words(plain(out.getvalue()), ROWS)


def assert_whole_words(printed: str, rows: Sequence[Sequence[str]]) -> None:
    shown = set(printed.split())
    assert {word for row in rows for cell in row for word in cell.split()} <= shown | {"-"}


def test_table_of_two_columns_shows_the_second_below_the_first_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = terminal_of(monkeypatch, 40)
    terminal.show("Outputs", ("name", "value"), [("url", "https://x.example/" + "y" * 30)])
    assert plain(out.getvalue()) == f"Outputs\nurl\n  https://x.example/{'y' * 30}\n\n"


def test_two_columns_are_beside_each_other_when_the_words_of_the_second_have_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = terminal_of(monkeypatch, 50)
    terminal.show(
        "Deleted", ("what", "how many"), [("queue", "4"), ("secrets", "NAME_OF_ONE, " * 4)]
    )
    assert plain(out.getvalue()).splitlines() == [
        "Deleted",
        "  queue    4",
        "  secrets  NAME_OF_ONE, NAME_OF_ONE, NAME_OF_ONE,",
        "           NAME_OF_ONE,",
        "",
    ]


def test_rows_are_printed_as_a_table_when_the_table_fits_into_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = terminal_of(monkeypatch, 40)
    terminal.show("Queues", ("queue", "waiting"), [("zip-download", "3")])
    assert "\u2500\u2500\u2500" in out.getvalue()


def test_columns_without_content_are_left_out_when_the_table_fits_only_without_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [("zip-download", "-", "3"), ("zip-upload", "", "4")]
    columns = ("queue", "what to do next", "waiting")
    out = terminal_of(monkeypatch, 40)
    terminal.show("Queues", columns, rows)
    assert "\u2500\u2500\u2500" in out.getvalue()
    assert "what to do next" not in out.getvalue()
    out = terminal_of(monkeypatch, 80)
    terminal.show("Queues", columns, rows)
    assert "what to do next" in out.getvalue()


def test_a_block_keeps_the_colour_of_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    out, gone = terminal_of(monkeypatch, 30, colour=True), Text("is gone", style="red")
    terminal.show("Processes", ("name", "why", "state"), [("x" * 30, "", gone)])
    assert "\x1b[31mis gone\x1b[0m" in out.getvalue()


def test_the_lines_of_a_printed_sentence_end_between_words_but_not_within_a_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = "  Nothing waits: `invoke queue.retry-downloads --all` sends all of them again."
    lines = terminal.fitted(said, terminal_of(monkeypatch, 50)).split("\n")
    assert lines == [
        "  Nothing waits:",
        "    `invoke queue.retry-downloads --all` sends all",
        "    of them again.",
    ]


@pytest.mark.parametrize(
    ("changes", "has_colours"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_has_colours_unless_the_environment_forbids_them(
    changes: dict[str, str], has_colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal_of(monkeypatch, 80, colour=True)
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    assert terminal.has_colours() is has_colours
    with redirect_stdout(io.StringIO()):
        assert not terminal.has_colours()


def test_an_error_is_red_only_on_a_terminal_with_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "It failed [red]\x1b[1m[/red]."
    shown = "It failed [red]\\x1b[1m[/red]."
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert terminal.fitted_error(said, TerminalText()) == f"\x1b[31m{shown}\x1b[0m"
    assert terminal.fitted_error("", TerminalText()) == ""
    assert terminal.fitted_error(said, io.StringIO()) == said.replace("\x1b", "\\x1b")
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.fitted_error(said, TerminalText()) == shown


@pytest.mark.parametrize("width", [30, 45, 80])
def test_a_printed_sentence_fits_into_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = terminal_of(monkeypatch, width)
    terminal.say("  Nothing waits: `invoke queue.uploads` shows what does, and the page, too.")
    lines = out.getvalue().splitlines()
    assert all(line.startswith("  ") for line in lines)
    assert max(map(len, lines)) <= width
    assert any("`invoke queue.uploads`" in line for line in lines)


HOSTILE = "\x1b]0;pwned\x07 \x1b]52;c;aGk=\x1b\\ \x9b2J \u202egnp"
CONTROLS = ("\x1b", "\x07", "\x9b", "\u202e")


def test_sentences_and_tables_escape_the_control_characters_of_untrusted_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.say(f"Skipped: {HOSTILE}")
    terminal.show(HOSTILE, ("row", "reason"), [("1", HOSTILE), ("2", Text(HOSTILE, style="red"))])
    with terminal.working("Importing") as activity:
        activity.say(HOSTILE)
    captured = capsys.readouterr()
    piped = captured.out + captured.err
    out = terminal_of(monkeypatch, 40)
    terminal.say(HOSTILE)
    terminal.show(HOSTILE, ("row", "reason"), [("1", HOSTILE), ("2", Text(HOSTILE, style="red"))])
    for printed in (piped, plain(out.getvalue())):
        assert "\\x1b]0;pwned" in printed
        assert not [control for control in CONTROLS if control in printed]


SLOW = """
import sys, time
from pathlib import Path
from ops import terminal

with terminal.working("Building") as activity:
    activity.say("one of two")
    Path(sys.argv[1], "begun").touch()
    while not Path(sys.argv[1], "seen").exists():
        time.sleep(0.01)
terminal.say("done")
"""


def slow(folder: Path) -> list[str]:
    return [sys.executable, "-c", SLOW, str(folder)]


ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "80"}


def test_a_slow_step_shows_a_moving_line_on_a_terminal_until_the_step_ends(tmp_path: Path) -> None:
    # The step ends only after the terminal has shown the step's progress.
    before = 0

    def on_output(printed: str) -> None:
        nonlocal before
        if (tmp_path / "begun").exists():
            before = before or printed.count("Building")
            if printed.count("Building") >= before + 2:
                (tmp_path / "seen").touch()

    code, printed = run_on_terminal(
        slow(tmp_path), {**ENVIRONMENT, "TERM": "xterm-256color"}, on_output, ROOT
    )
    assert code == 0
    assert "one of two\r\n" in printed
    assert printed.endswith("done\r\n")


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_slow_step_prints_plain_lines_when_the_terminal_is_dumb_or_missing(
    tmp_path: Path, *, on_terminal: bool
) -> None:
    def on_output(printed: str) -> None:
        if "Building \u2026 " in printed:
            (tmp_path / "seen").touch()

    if on_terminal:
        _, printed = run_on_terminal(
            slow(tmp_path), {**ENVIRONMENT, "TERM": "dumb"}, on_output, ROOT
        )
    else:
        with subprocess.Popen(
            slow(tmp_path), cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
        ) as running:
            printed = ""
            assert running.stderr
            for line in running.stderr:
                printed += line
                on_output(printed)
    first, second, *_ = printed.splitlines()
    assert first == "one of two"
    assert re.fullmatch(r"Building \u2026 \d+ s", second)
    assert "\x1b" not in printed
