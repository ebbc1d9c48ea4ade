"""Tests of texts about the local stack, such as those of `invoke local.…`."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError

from cdk.settings_reader import SettingsError
from local import commands, play, stack
from local import state as local_state
from ops import command
from ops.code.package import ROOT
from tests.command_line import invoke, said_in_a_line
from tests.local.test_state import state
from tests.ops.terminals import TerminalText, plain


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a local stack whose processes have ended."""
    monkeypatch.setenv("TERM", "xterm-256color")
    settings = {"AWS_SECRET_ACCESS_KEY": "s3cret", "SLACK_API_TOKEN": "xoxb-s3cret"}
    local_state.write_state_files(tmp_path, state(), settings)
    return tmp_path


def said(
    show: Callable[[Path], None],
    home: Path,
    output: type[io.StringIO] = io.StringIO,
    errors: type[io.StringIO] = io.StringIO,
) -> tuple[str, str]:
    """Run a command on a stack's folder, and return the command's standard output and error."""
    out, err = output(), errors()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        show(home)
    return out.getvalue(), err.getvalue()


def test_invoke_local_env_prints_a_command_and_no_secret_on_a_terminal(home: Path) -> None:
    out, err = said(commands.show_environment, home, output=TerminalText)
    assert err == ""
    assert 'eval "$(invoke local.env)"' in plain(out)
    assert "s3cret" not in out
    assert "AWS_SECRET_ACCESS_KEY" not in out


def test_invoke_local_env_prints_shell_commands_in_a_pipe(home: Path) -> None:
    out, _ = said(commands.show_environment, home)
    assert out.splitlines() == [
        "export AWS_SECRET_ACCESS_KEY=s3cret",
        f". {home / local_state.ENVIRONMENT}  # the secrets",
    ]


def test_invoke_local_down_shows_progress_on_a_terminal(home: Path) -> None:
    out, err = said(commands.take_down, home, errors=TerminalText)
    assert out == "The local stack is down.\n"
    assert "Stopping the local stack" in plain(err)
    assert said(commands.take_down, home)[0] == "No local stack is up.\n"


def test_text_after_the_demo_names_the_activate_script_before_invoke_local_up() -> None:
    said = commands.AFTER_THE_DEMO
    assert said.index("`. .venv/bin/activate`") < said.index("`invoke local.up`")


@pytest.mark.parametrize("error", [NoCredentialsError(), SettingsError(["STACK_NAME is missing."])])
def test_a_command_without_settings_or_credentials_names_the_local_stack_when_one_is_up(
    home: Path, error: Exception
) -> None:
    hint = 'A local stack is up: `eval "$(invoke local.env)"` selects it.'
    state_file = home / local_state.STATE
    assert command.local_hint(error, {}, state_file).strip() == hint
    selected = {"AWS_ENDPOINT_URL": "https://127.0.0.1:4566"}
    assert command.local_hint(error, selected, state_file) == ""
    local_state.stop_stack(home)
    assert command.local_hint(error, {}, state_file) == ""


def test_commands_look_for_stack_json_where_the_local_stack_writes_the_file() -> None:
    assert stack.HOME / local_state.STATE == command.LOCAL_STATE


def test_commands_md_explains_the_consequence_of_each_failure_of_invoke_local_record() -> None:
    shown = (ROOT / "docs" / "commands.md").read_text()
    assert all(f"{name} ({how.outcome})" in shown for name, how in play.FAILURES.items())
    assert "fails for good" in play.FAILURES["video"].outcome
    assert "after a minute" in play.FAILURES["upload"].outcome


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--segments", "0"], "--segments has to be 1 to 20."),
        (["--segments", "21"], "--segments has to be 1 to 20."),
        (["-m", "0"], "--minutes has to be 1 to 60."),
        (["-m", "61"], "--minutes has to be 1 to 60."),
    ],
)
def test_error_of_invoke_local_record_names_only_the_wrong_option_and_the_options_range(
    options: list[str], line: str
) -> None:
    assert said_in_a_line(invoke("local.record", *options)) == line


def test_commands_md_has_ranges_and_defaults_of_local_commands() -> None:
    shown = (ROOT / "docs" / "commands.md").read_text()
    assert "1 to 60 (default 2)" in shown
    assert "1 to 20 (default 1)" in shown
    assert "for how many seconds (default 60)" in shown


@pytest.mark.parametrize("fail", ["download", "upload"])
def test_invoke_local_record_names_the_logs_command_when_the_pipeline_repairs_the_failure(
    fail: str,
) -> None:
    text = " ".join(commands.outlook("u==", 2, fail, 2))
    assert "heals automatically: `invoke logs.recording u==`" in text


def test_invoke_local_record_says_how_to_see_the_mail_about_a_failure() -> None:
    text = " ".join(commands.outlook("u==", 2, "series", 2))
    assert "fails for good" in text
    assert "`cat .local/mail/*.txt`" in text


def test_invoke_local_record_says_that_the_pipeline_will_ignore_a_short_recording() -> None:
    (line,) = commands.outlook("u==", 1, "download", 2)
    assert "will ignore" in line
    assert "MINIMUM_DURATION (2 minutes)" in line
    assert commands.outlook("u==", 2, None, 2) == []


def test_the_addresses_of_the_local_stack_come_with_a_line_about_the_certificate(
    home: Path,
) -> None:
    out, _ = said(lambda _: commands.show_addresses(state()), home)
    assert ".local/tls/ca.crt" in out


def test_the_help_of_invoke_local_down_says_that_logs_and_mails_are_kept() -> None:
    assert "logs and mails are kept" in invoke("local.down", "--help").out
