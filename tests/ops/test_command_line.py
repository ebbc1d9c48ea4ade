"""Tests of the command line, such as the answers to mistyped commands and requests for help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.revision import ROOT, revision
from tests.command_line import NAMES, Ended, good_files, invoke, said_in_a_line, words
from tests.ops.terminals import TerminalText


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (
            "recording",
            (
                "There is no command recording. Did you mean recordings? "
                "`invoke -l` lists the commands."
            ),
        ),
        (
            "recordings failed",
            (
                "recordings takes no argument failed, and there is no command failed. "
                "Did you mean --failed? Usage: invoke recordings.list [--OPTIONS]"
            ),
        ),
        (
            "local.record extra",
            (
                "local.record takes no argument extra, and there is no command extra. "
                "`invoke -l` lists the commands."
            ),
        ),
        (
            "local.record debug",
            (
                "local.record takes no argument debug, and debug is a group of commands: "
                "debug.off, debug.on."
            ),
        ),
        (
            "exec.pipeline UUID extra",
            (
                "exec.pipeline takes no further argument extra, and there is no command extra. "
                "`invoke -l` lists the commands."
            ),
        ),
        (
            "recordings --faild",
            (
                "recordings.list has no option --faild. Did you mean --failed? "
                "Usage: invoke recordings.list [--OPTIONS]"
            ),
        ),
        (
            "queue.downloads --limit x",
            "--limit needs a whole number, not 'x'. Usage: invoke queue.downloads [--OPTIONS]",
        ),
        (
            "recordings --meeting",
            "--meeting needs a value. Usage: invoke recordings.list [--OPTIONS]",
        ),
        (
            "exec.pipeline",
            "exec.pipeline needs UUID. Usage: invoke exec.pipeline UUID [--OPTIONS]",
        ),
        (
            "debug",
            "debug is a group of commands: debug.off, debug.on.",
        ),
        (
            "--help scedule.list",
            (
                "There is no command scedule.list. Did you mean schedule.list? "
                "`invoke -l` lists the commands."
            ),
        ),
    ],
)
def test_a_mistyped_command_line_is_answered_in_one_line_with_the_mistake_and_a_hint(
    typed: str, line: str
) -> None:
    assert said_in_a_line(invoke(*typed.split())) == line


def test_invoke_list_and_overview_say_commands_instead_of_tasks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "-l", "local"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("Available 'local' commands:")
    assert "TASK" not in invoke().out


def test_invoke_list_and_overview_have_the_same_description_of_update_requirements() -> None:
    text = "pdate the lock files of all requirements"
    assert text in invoke().out
    assert text in " ".join(invoke("-l").out.split())


@pytest.mark.parametrize(
    "option", ["--echo", "--pty", "--warn-only", "--hide=out", "--command-timeout=3", "-f x.yaml"]
)
def test_an_option_of_invoke_is_refused_when_it_has_no_effect_on_the_commands_of_this_project(
    option: str,
) -> None:
    done = invoke(*option.split(), "stack.list")
    assert "is an option of invoke without effect here" in said_in_a_line(done)


@pytest.mark.parametrize("typed", ["--dry debug.on", "debug.on --dry", "-R debug.on"])
def test_the_dry_option_of_invoke_is_refused_when_a_command_has_no_dry_run(typed: str) -> None:
    assert said_in_a_line(invoke(*typed.split())) == "debug.on has no dry run: leave --dry out."


def test_the_dry_option_of_invoke_makes_a_dry_run_when_a_command_has_one(tmp_path: Path) -> None:
    good_files(tmp_path)
    file = str(tmp_path / "schedule.csv")
    asked, meant = (
        invoke("--dry", "schedule.csv-import", file),
        invoke("schedule.csv-import", file, "--dry-run"),
    )
    assert asked == meant


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", ["{} --help", "--help {}", "{} -h"])
def test_a_command_shows_its_help(name: str, order: str) -> None:
    done = invoke(*order.format(name).split())
    assert done.code == 0, done
    assert done.out.startswith(f"Usage: invoke {name}")


def test_help_is_shown_when_dash_dash_help_follows_the_arguments_of_a_command(
    tmp_path: Path,
) -> None:
    good_files(tmp_path)
    done = invoke(*words("schedule.csv-import", tmp_path), "--help")
    assert done.out.startswith("Usage: invoke schedule.csv-import")


def test_invoke_without_arguments_lists_groups_and_the_first_steps() -> None:
    done: Ended = invoke()
    assert done.code == 0
    for name in NAMES:
        assert f"  {name.partition('.')[0]}" in done.out
    assert "make demo" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert done.out.startswith(f"Zoom Ingester Pipeline {revision()}\n")


def test_the_version_option_of_a_command_prints_the_version_of_this_project() -> None:
    assert invoke("debug.on", "--version") == Ended(0, f"Zoom Ingester Pipeline {revision()}\n", "")


def test_bash_completes_commands_and_options() -> None:
    # docs/operations.md describes this completion.
    script = """
        eval "$(invoke --print-completion-script bash)"
        complete_line() {
            COMP_WORDS=("$@") COMPREPLY=()
            _complete_invoke invoke "${!#}"
            echo "${COMPREPLY[@]}"
        }
        complete_line invoke stack.de
        complete_line invoke recordings --f
    """
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "stack.delete stack.deploy\n--failed\n"


def test_the_sentences_of_help_are_wrapped_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = invoke("exec.reconcile", "--help", output=TerminalText).out
    about = "Without --since, the command looks RECONCILE_DAYS back, as each hourly run does,"
    assert f"\n{about}\nand leaves out" in shown
    assert f"\n{about} and leaves out" in invoke("exec.reconcile", "--help").out
