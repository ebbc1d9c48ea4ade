"""Tests that documented commands exist, and that tests run or exempt each command of `invoke`."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke import ParseError

import tasks
from cdk.names import FUNCTIONS
from ops.command_line import CommandLine
from tests.ops.test_docs import DOCUMENTS, ROOT, name

LATER = {"CHANGELOG.md"}
"""Documents with command lines that invoke may no longer accept."""

PROGRAMS = re.compile(r"(?:\.venv/bin/)?(invoke|make|python|tox|pytest|pre-commit)\s|(aws|curl) ")

NOT_RUN_HERE = {
    "audit": "asks services on the internet; tests/ops/test_audit.py runs it on fakes",
    "deploy.all": "tests/e2e/test_life.py runs it for one function: all take minutes",
    "local.demo": "starts a stack of its own; tests/e2e run on such a stack",
    "local.down": "ends the stack of this folder",
    "local.env": "reads the stack of this folder",
    "local.fail": "needs the stack of this folder",
    "local.record": "needs the stack of this folder",
    "local.status": "reads the stack of this folder",
    "local.up": "starts the stack of this folder",
    "stack.synth": "tests/infra make the template by the same command line of the CDK",
    "update-requirements": "asks PyPI",
    "aws": "needs AWS",
    "curl": "needs a running stack",
    "pre-commit": "changes the checkout's git hooks",
}
"""Commands that no test runs in the documented form, with the reason."""

SHOWN_BY_NAME = {f"logs.{function.task}": "logs.all" for function in FUNCTIONS} | {
    f"deploy.{function.task}": "deploy.webhook" for function in FUNCTIONS
}
"""Commands for one Lambda function, each with the command of the same kind that tests run."""


def command_lines(document: Path) -> Iterator[tuple[str, bool]]:
    """Yield each command line of PROGRAMS in a document, and whether an indented block has it."""
    for span, line in re.findall(
        r"`([^`\n]+)`|^ {4,}(.+)$", document.read_text("utf-8"), re.MULTILINE
    ):
        text = re.sub(r"^\$ |^[A-Z_]+=\S+ (?=invoke)", "", (span or line).strip())
        # Text after several spaces or a # is a description. Text after > or | is for the shell.
        text = re.split(r"\s{3,}|\s#|\s[>|]\s| \\$", text)[0]
        if PROGRAMS.match(f"{text} "):
            yield text.removeprefix(".venv/bin/"), bool(line)


def invoked(document: Path) -> Iterator[tuple[list[str], bool]]:
    """Yield the words of each complete `invoke COMMAND` line, and whether the line is indented."""
    for text, is_block in command_lines(document):
        program, *words = shlex.split(text)
        if program == "invoke" and words and "…" not in text and not words[0].startswith("-"):
            yield words, is_block


def mistake(words: list[str]) -> str:
    """Return the mistake in a command line of invoke, or "". Run no command."""
    program = CommandLine(namespace=tasks.namespace)
    program.create_config()
    program.parse_core(["invoke", *words])
    program.parse_collection()
    try:
        program.parse_tasks()
    except ParseError as error:
        return str(error)
    return "" if len(program.tasks) == 1 else f"{words} are several commands"


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.name not in LATER], ids=name
)
def test_invoke_accepts_each_documented_command_line(document: Path) -> None:
    for words, is_block in invoked(document):
        found = mistake(["7" if word == "NUMBER" else word for word in words])
        # A sentence in a document may name a command or an option without its value.
        is_name = not is_block and re.search(r" needs [A-Z]+|needs a value", found)
        assert not found or is_name, found


def test_each_documented_command_is_run_by_a_test_or_exempted() -> None:
    tests = "\n".join(
        path.read_text("utf-8")
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.name not in {Path(__file__).name, "test_wrong_input.py"}
    )
    open_ = set()
    for document in DOCUMENTS:
        for words, _ in invoked(document) if document.name not in LATER else ():
            command = SHOWN_BY_NAME.get(words[0], words[0])
            if command not in NOT_RUN_HERE and f'"{command}"' not in tests:
                open_.add(command)
    assert not open_


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.name not in LATER], ids=name
)
def test_documented_commands_of_programs_other_than_invoke_exist_or_are_exempted(
    document: Path,
) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    environments = re.findall(r"^\[testenv:(\w+)\]", (ROOT / "tox.ini").read_text(), re.MULTILINE)
    for text, _ in command_lines(document):
        program, *words = text.split()
        if program == "make" and words:
            assert words[0] in targets
        elif program == "python" and words[:1] == ["-m"]:
            assert importlib.util.find_spec(words[1]), text
        elif program == "tox":
            assert words[1] in environments
        elif program == "pytest":
            assert all((ROOT / word).exists() for word in words if "/" in word), text
        else:
            assert program in NOT_RUN_HERE or program in {"invoke", "python", "make"}, text
