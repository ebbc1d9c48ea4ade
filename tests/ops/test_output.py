"""What commands print: to a reader that goes away, in any encoding, with strangers' texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.code.package import ROOT

TASKS = r"""
from pathlib import Path

import boto3
from botocore.awsrequest import AWSResponse
from invoke import Collection
from ops import terminal
from ops.command import command


def tell():
    terminal.say("zoom-webhook: live 1 \u2192 2")
    print("topic \U0001f600", flush=True)
    Path("told").touch()


@command()
def look(_context):
    tell()


@command()
def change(_context):
    terminal.survive_closed_output()
    tell()


@command()
def list_all(_context):
    terminal.show_json({"topic": "half \ud83d of a pair, \U0001f600, \u00e9"})


@command()
def fail(_context):
    raise ValueError("Parameter validation failed:\nInvalid \x1b[31mlength")


@command()
def ask(_context):
    ssm = boto3.client("ssm", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    answer = AWSResponse("https://x", 200, {}, None)
    answer._content = b'{"Parameter": {"Value": "S3CRET"}}'
    ssm.meta.events.register("before-send.ssm.GetParameter", lambda **_: answer)
    assert ssm.get_parameter(Name="x")["Parameter"]["Value"] == "S3CRET"
    raise ValueError("in the end")


namespace = Collection(look, change, list_all, fail, ask)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


def start(project: Path, *words: str, **environment: str) -> subprocess.Popen[bytes]:
    """Begin a command of the project."""
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", *words],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(("command", "goes_on"), [("look", False), ("change", True)])
def test_only_a_command_that_changes_something_continues_when_nobody_reads_it(
    project: Path, command: str, *, goes_on: bool
) -> None:
    running = start(project, command)
    assert running.stdout
    running.stdout.close()
    assert running.stderr
    assert (running.stderr.read(), running.wait()) == (b"", 0)
    running.stderr.close()
    assert (project / "told").exists() is goes_on


@pytest.mark.parametrize("command", ["look", "change"])
def test_a_command_escapes_characters_that_the_terminal_lacks(project: Path, command: str) -> None:
    running = start(project, command, PYTHONIOENCODING="ascii")
    said, complained = running.communicate()
    assert (running.returncode, complained) == (0, b"")
    assert said == b"zoom-webhook: live 1 \\u2192 2\ntopic \\U0001f600\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_show_json_prints_valid_json_for_any_text(project: Path, encoding: str) -> None:
    running = start(project, "list-all", PYTHONIOENCODING=encoding)
    said, complained = running.communicate()
    assert (running.returncode, complained) == (0, b"")
    assert json.loads(said) == {"topic": "half \ud83d of a pair, \U0001f600, \u00e9"}


def test_an_error_is_one_line_without_control_characters(project: Path) -> None:
    running = start(project, "fail")
    _, complained = running.communicate()
    assert running.returncode == 1
    assert complained == (
        b"ValueError: Parameter validation failed: Invalid \\x1b[31mlength "
        b"(`invoke --debug` shows where)\n"
    )


def test_debug_output_has_no_secrets(project: Path) -> None:
    said, complained = start(project, "--debug", "ask").communicate()
    assert b"ValueError: in the end" in complained
    assert b"S3CRET" not in said + complained
