"""Tests of rules for every command, such as those for spellings, errors and unread output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.code.package import ROOT

TASKS = r'''
from pathlib import Path

import boto3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from invoke import Collection
from ops import terminal
from ops.command import OpsError, command
from ops.command_line import adapt_invoke


@command(help={"oc_workflow": "which"})
def on_demand(_context, uuid, oc_workflow=None, ingest_all_mp4=False):
    """Ask for a recording."""
    print(uuid, oc_workflow, ingest_all_mp4)


@command()
def fail(_context, how):
    """Fail."""
    if how == "bug":
        [][1]
    if how == "keyless":
        raise NoCredentialsError
    if how == "offline":
        raise EndpointConnectionError(endpoint_url="https://sts.mars.amazonaws.com/")
    if how == "denied":
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetAlias")
    if how == "alone":
        input("Really? ")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "escape":
        raise ValueError("Parameter failed:\n\x1b[31mlength")
    raise OpsError("The bucket is gone: `invoke stack.update`.")


def print_two_lines():
    terminal.say("zoom-webhook: live 1 \u2192 2")
    print("topic \U0001f600", flush=True)
    Path("printed").touch()


@command()
def look(_context):
    print_two_lines()


@command()
def change(_context):
    terminal.survive_closed_output()
    print_two_lines()


@command()
def list_all(_context):
    terminal.show_json({"topic": "half \ud83d of a pair, \U0001f600, \u00e9"})


@command()
def read_secret(_context):
    ssm = boto3.client("ssm", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    answer = AWSResponse("https://x", 200, {}, None)
    answer._content = b'{"Parameter": {"Value": "S3CRET"}}'
    ssm.meta.events.register("before-send.ssm.GetParameter", lambda **_: answer)
    assert ssm.get_parameter(Name="x")["Parameter"]["Value"] == "S3CRET"
    raise ValueError("in the end")


execute = Collection("exec")
execute.add_task(on_demand)
adapt_invoke()
namespace = Collection(execute, fail, look, change, list_all, read_secret)
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


def start(project: Path, *words: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a command in a project, and return the process."""
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", *words],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def invoke(project: Path, *words: str, **environment: str) -> tuple[int, str, str]:
    """Run a command in a project, and return the command's exit code, output and errors."""
    running = start(project, *words, **environment)
    out, err = running.communicate()
    return running.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    "words",
    [
        ("exec.on-demand", "U", "--oc-workflow", "X", "--ingest-all-mp4"),
        ("exec.on_demand", "U", "--oc_workflow=X", "--ingest_all_mp4"),
        ("exec.on_demand", "--uuid=U", "--oc-workflow=X", "--ingest_all_mp4"),
    ],
)
def test_commands_and_options_accept_dashes_and_underscores(
    project: Path, words: tuple[str, ...]
) -> None:
    assert invoke(project, *words) == (0, "U X True\n", "")


def test_invoke_list_shows_one_spelling_of_each_command(project: Path) -> None:
    _, listed, _ = invoke(project, "-l")
    assert "exec.on-demand" in listed
    assert "on_demand" not in listed


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("known", 1, "The bucket is gone: `invoke stack.update`."),
        ("bug", 1, "IndexError: list index out of range (`invoke --debug` shows where)"),
        (
            "--how-so",
            1,
            "--how-so is no option here: `invoke --help COMMAND` shows those that are.",
        ),
        ("interrupt", 130, "Interrupted."),
        (
            "escape",
            1,
            "ValueError: Parameter failed: \\x1b[31mlength (`invoke --debug` shows where)",
        ),
    ],
)
def test_an_error_of_a_command_is_one_line_without_control_characters(
    project: Path, how: str, code: int, line: str
) -> None:
    assert invoke(project, "fail", how) == (code, "", f"{line}\n")


@pytest.mark.parametrize(
    ("how", "advice"),
    [
        ("keyless", "`aws configure`"),
        ("offline", "check the network, the proxy and AWS_REGION"),
        ("alone", "NONINTERACTIVE"),
        ("denied", "these credentials lack that right"),
    ],
)
def test_an_error_of_a_command_has_advice_when_something_that_the_command_needs_is_missing(
    project: Path, how: str, advice: str
) -> None:
    code, _, err = invoke(project, "fail", how)
    assert code == 1
    assert advice in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_command_says_that_the_local_stack_is_down_when_the_stack_does_not_answer(
    project: Path, host: str
) -> None:
    code, _, err = invoke(project, "fail", "offline", AWS_ENDPOINT_URL=f"https://{host}:4566")
    assert code == 1
    assert err.startswith("The local stack, which this shell has selected, doesn't answer.")
    # `local.up` refuses a shell with the settings of a stack that has ended.
    assert err.index("Open a new shell") < err.index("`invoke local.up`")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("flags", "debug"), [((), {"DEBUG": "1"}), (("--debug",), {})])
def test_a_command_prints_the_traceback_when_debug_is_set(
    project: Path, flags: tuple[str, ...], debug: dict[str, str]
) -> None:
    code, _, err = invoke(project, *flags, "fail", "bug", **debug)
    assert code == 1
    assert "Traceback" in err


def test_debug_output_has_no_secrets(project: Path) -> None:
    _, out, err = invoke(project, "--debug", "read-secret")
    assert "ValueError: in the end" in err
    assert "S3CRET" not in out + err


@pytest.mark.parametrize(("command", "continues"), [("look", False), ("change", True)])
def test_only_a_command_that_makes_changes_continues_when_nobody_reads_the_output(
    project: Path, command: str, *, continues: bool
) -> None:
    with start(project, command) as running:
        assert running.stdout
        running.stdout.close()
        assert running.stderr
        assert running.stderr.read() == b""
    assert running.returncode == 0
    assert (project / "printed").exists() is continues


@pytest.mark.parametrize("command", ["look", "change"])
def test_a_command_escapes_characters_that_the_encoding_of_its_output_lacks(
    project: Path, command: str
) -> None:
    escaped = "zoom-webhook: live 1 \\u2192 2\ntopic \\U0001f600\n"
    assert invoke(project, command, PYTHONIOENCODING="ascii") == (0, escaped, "")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_output_of_a_command_is_valid_for_any_text(project: Path, encoding: str) -> None:
    code, out, err = invoke(project, "list-all", PYTHONIOENCODING=encoding)
    assert (code, err) == (0, "")
    assert json.loads(out) == {"topic": "half \ud83d of a pair, \U0001f600, \u00e9"}


def test_invoke_list_prints_no_error_when_nobody_reads_its_output() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-u", "-m", "invoke", "-l"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.stderr == b""
