"""`invoke local.…` without a running cloud: what the commands print."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import state as local_state
from ops import local
from tests.command_line import invoke
from tests.local.test_state import state
from tests.ops.terminals import TerminalText, plain


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a local stack whose processes have ended."""
    monkeypatch.setattr(local, "HOME", tmp_path)
    monkeypatch.setenv("TERM", "xterm-256color")
    settings = {"AWS_SECRET_ACCESS_KEY": "s3cret", "SLACK_API_TOKEN": "xoxb-s3cret"}
    local_state.remember(tmp_path, state(), settings)
    return tmp_path


@pytest.mark.usefixtures("home")
def test_env_prints_no_secret_on_a_terminal_but_what_to_type() -> None:
    shown = invoke("local.env", output=TerminalText)
    assert (shown.code, shown.err) == (0, "")
    assert 'eval "$(invoke local.env)"' in plain(shown.out)
    assert "s3cret" not in shown.out
    assert "AWS_SECRET_ACCESS_KEY" not in shown.out


def test_env_prints_shell_commands_in_a_pipe(home: Path) -> None:
    assert invoke("local.env").out.splitlines() == [
        "export AWS_SECRET_ACCESS_KEY=s3cret",
        f". {home / local_state.ENVIRONMENT}  # the secrets",
    ]


@pytest.mark.usefixtures("home")
def test_down_shows_that_it_is_at_work_on_a_terminal() -> None:
    ended = invoke("local.down", errors=TerminalText)
    assert (ended.code, ended.out) == (0, "The local stack is down.\n")
    assert "Stopping the local stack" in plain(ended.err)
    assert invoke("local.down").out == "No local stack is up.\n"


def test_the_demo_ends_with_how_a_shell_finds_invoke() -> None:
    said = local.AFTER_THE_DEMO
    assert said.index("`. .venv/bin/activate`") < said.index("`invoke local.up`")
