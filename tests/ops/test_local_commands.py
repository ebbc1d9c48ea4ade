"""Tests of the output of `invoke local.…` without a running cloud."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError

from cdk.settings_reader import SettingsError
from local import play, stack
from local import state as local_state
from ops import command, local
from ops.code.package import ROOT
from tests.command_line import invoke
from tests.local.test_state import state
from tests.ops.terminals import TerminalText, plain


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a local stack whose processes have ended."""
    monkeypatch.setattr(local, "HOME", tmp_path)
    monkeypatch.setenv("TERM", "xterm-256color")
    settings = {"AWS_SECRET_ACCESS_KEY": "s3cret", "SLACK_API_TOKEN": "xoxb-s3cret"}
    local_state.remember(tmp_path, state(), settings)
    return tmp_path


@pytest.mark.usefixtures("home")
def test_local_env_prints_no_secret_but_a_command_on_a_terminal() -> None:
    shown = invoke("local.env", output=TerminalText)
    assert (shown.code, shown.err) == (0, "")
    assert 'eval "$(invoke local.env)"' in plain(shown.out)
    assert "s3cret" not in shown.out
    assert "AWS_SECRET_ACCESS_KEY" not in shown.out


def test_local_env_prints_shell_commands_in_a_pipe(home: Path) -> None:
    assert invoke("local.env").out.splitlines() == [
        "export AWS_SECRET_ACCESS_KEY=s3cret",
        f". {home / local_state.ENVIRONMENT}  # the secrets",
    ]


@pytest.mark.usefixtures("home")
def test_local_down_shows_progress_on_a_terminal() -> None:
    ended = invoke("local.down", errors=TerminalText)
    assert (ended.code, ended.out) == (0, "The local stack is down.\n")
    assert "Stopping the local stack" in plain(ended.err)
    assert invoke("local.down").out == "No local stack is up.\n"


def test_the_demo_ends_with_the_command_that_lets_a_shell_find_invoke() -> None:
    said = local.AFTER_THE_DEMO
    assert said.index("`. .venv/bin/activate`") < said.index("`invoke local.up`")


@pytest.mark.parametrize("error", [NoCredentialsError(), SettingsError(["STACK_NAME is missing."])])
def test_a_command_without_a_stack_names_the_local_stack_when_it_is_up(
    home: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    hint = 'A local stack is up: `eval "$(invoke local.env)"` selects it.'
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(command, "LOCAL_STATE", home / local_state.STATE)
    assert command.error_line(error).endswith(hint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:4566")
    assert hint not in command.error_line(error)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    local_state.end(home)
    assert hint not in command.error_line(error)


def test_commands_look_for_the_state_file_that_the_local_stack_writes() -> None:
    assert stack.HOME / local_state.STATE == command.LOCAL_STATE


def test_the_help_of_local_record_explains_the_consequence_of_a_failure() -> None:
    shown = (ROOT / "docs" / "commands.md").read_text()
    assert all(f"{name}: {what}" in shown for name, what in play.FAILURES.items())
    assert "fails for good" in play.FAILURES["video"]
    assert "after a minute" in play.FAILURES["upload"]
