"""Tests of the moving line during requests to AWS outside of a slow step."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import boto3
import pytest

from ops import terminal
from ops.waiting import QUIET_SECONDS, WaitingLine, show_waiting
from tests.local.processes_of import wait_for
from tests.ops.terminals import TerminalText


class Shown:
    """A waiting line that records each time that it is shown or removed, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.now = 0.0
        self.line = WaitingLine(self.show, lambda: self.now)

    @contextmanager
    def show(self) -> Iterator[None]:
        self.events.append("shown")
        yield
        self.events.append("removed")


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_the_waiting_line_is_shown_until_the_last_request_has_ended(shown: Shown) -> None:
    shown.now = QUIET_SECONDS
    shown.line.begin()
    shown.line.begin()
    wait_for(lambda: shown.events == ["shown"])
    shown.line.end()
    assert shown.events == ["shown"]
    shown.line.end()
    assert shown.events == ["shown", "removed"]


def test_the_waiting_line_is_shown_after_the_quiet_period_when_short_requests_came_before(
    shown: Shown,
) -> None:
    for _ in range(3):
        shown.line.begin()
        shown.line.end()
    assert shown.events == []
    # A short request doesn't restart the quiet period.
    shown.now = QUIET_SECONDS
    shown.line.begin()
    wait_for(lambda: shown.events == ["shown"])
    shown.line.reset()
    assert shown.events == ["shown", "removed"]
    shown.line.end()


def test_the_waiting_line_is_not_shown_while_a_slow_step_shows_its_own_line(shown: Shown) -> None:
    shown.now = QUIET_SECONDS
    with redirect_stderr(io.StringIO()), terminal.working("Working"):
        assert terminal.is_showing_work()
        shown.line.begin()
        (timer,) = [shown.line._timer]  # noqa: SLF001 - to wait for the timer
        assert timer
        timer.join()
        shown.line.end()
    with redirect_stderr(io.StringIO()), terminal.progress():
        assert terminal.is_showing_work()
    assert not terminal.is_showing_work()
    assert shown.events == []


@pytest.mark.parametrize(("stderr", "count"), [(TerminalText, 1), (io.StringIO, 0)])
def test_waiting_line_watches_aws_requests_only_when_stderr_is_a_terminal(
    stderr: type[io.StringIO], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    session = boto3.Session("key", "secret", region_name="us-east-1")
    with redirect_stderr(stderr()):
        show_waiting(session)
    ended = session.events.emit("after-call-error.sts.GetCallerIdentity", exception=OSError())
    assert [handler.__name__ for handler, _ in ended] == ["end"] * count
