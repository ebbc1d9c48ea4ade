"""Tests of the CDK's command line, which a script replaces, and of the question before a change."""

from __future__ import annotations

from pathlib import Path

import pytest
from invoke import Exit

from cdk.stack_location import Place
from ops.command import OpsError
from ops.stack.cdk_cli import CdkCli
from ops.stack.commands import confirm_deployment

PLACE = Place("zip-test", "zip-code", "live", "us-east-1", "")


def cli(folder: Path, script: str) -> CdkCli:
    """Write a shell script, and return the CDK's command line with the script as its program."""
    program = folder / "cdk"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return CdkCli({"PATH": "/usr/bin:/bin"}, output=folder / "cdk.out", program=program)


def test_cdk_output_is_returned_as_text(tmp_path: Path) -> None:
    # The command prints the text itself, so the CLI never writes to a pipe that `| head` has
    # closed.
    assert cli(tmp_path, "echo Resources:").output_of("synth") == "Resources:\n"


def test_a_failure_of_the_cdk_cli_is_reported_with_the_command_and_the_exit_code(
    tmp_path: Path,
) -> None:
    with pytest.raises(OpsError, match=r"`cdk synth` failed \(exit code 3\)"):
        cli(tmp_path, "exit 3").output_of("synth")


@pytest.mark.parametrize("answer", ["n", "", "no"])
def test_command_ends_when_the_operator_refuses_a_deployment(tmp_path: Path, answer: str) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return answer

    with pytest.raises(Exit, match=r"zip-test was left as it is\.") as left:
        confirm_deployment(cli(tmp_path, "exit 0"), PLACE, ask, there=True)
    assert left.value.code == 130
    assert asked == ["Change zip-test like this? [y/N] "]


def test_command_ends_when_the_operator_interrupts_the_question_about_a_deployment(
    tmp_path: Path,
) -> None:
    def interrupt(_question: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(Exit, match=r"zip-test was left as it is\.") as left:
        confirm_deployment(cli(tmp_path, "exit 0"), PLACE, interrupt, there=False)
    assert left.value.code == 130


def test_changes_are_shown_before_the_question_about_a_deployment(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    made = cli(tmp_path, f"echo $1 $2 > {shown}")
    at_question = []

    def answer(_question: str) -> str:
        at_question.append(shown.read_text())
        return "y"

    confirm_deployment(made, PLACE, answer, there=True)
    assert at_question == ["diff zip-test\n"]


def test_the_differences_of_a_stack_are_shown_without_the_steps_of_the_cdk_cli(
    tmp_path: Path,
) -> None:
    said = [
        "start: Building zip-test Template",
        "success: Built zip-test Template",
        "Hold on while we create a read-only change set to get a diff with accurate information",
        "",
        "Stack zip-test (aws://123456789012/us-east-1)",
        "[~] AWS::SQS::Queue Download",
        "✨  Number of stacks with differences: 1",
    ]
    printing = cli(tmp_path, "\n".join(f"echo '{line}'" for line in said))
    assert printing.differences("zip-test", colour=False).splitlines() == said[4:6]


def test_a_failed_deployment_shows_the_last_lines_of_the_cdk_cli_and_names_its_log(
    tmp_path: Path,
) -> None:
    failing = cli(
        tmp_path, "seq 1 9; printf '\\033[31mzip-test failed: no right\\033[39m\\n' >&2; exit 2"
    )
    with pytest.raises(OpsError) as error:
        failing.deploy("zip-test")
    *_, before, last, summary = str(error.value).splitlines()
    assert (before, last) == ("9", "zip-test failed: no right")
    assert summary.endswith(f"failed (exit code 2). What it said: {tmp_path}/.local/cdk.log")
