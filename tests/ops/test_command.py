"""Operators' commands: both spellings, and errors of one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.code.package import ROOT

TASKS = '''
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from invoke import Collection
from ops.command import OpsError, command, accept_underscores


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
    raise OpsError("The bucket is gone: `invoke stack.update`.")


execute = Collection("exec")
execute.add_task(on_demand)
accept_underscores()
namespace = Collection(execute, fail)
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


def invoke(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `invoke` in the project."""
    return subprocess.run(
        [sys.executable, "-m", "invoke", *arguments],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("exec.on-demand", "U", "--oc-workflow", "X", "--ingest-all-mp4"),
        ("exec.on_demand", "U", "--oc_workflow=X", "--ingest_all_mp4"),
        ("exec.on_demand", "--uuid=U", "--oc-workflow=X", "--ingest_all_mp4"),
    ],
)
def test_a_command_accepts_dashes_and_underscores(project: Path, words: tuple[str, ...]) -> None:
    assert invoke(project, *words).stdout == "U X True\n"


def test_a_command_refuses_an_option_in_place_of_an_argument(project: Path) -> None:
    done = invoke(project, "fail", "--help")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "--help is no option here: `invoke --help TASK` shows those that are.\n"


def test_invoke_list_shows_one_spelling_of_each_command(project: Path) -> None:
    listed = invoke(project, "-l").stdout
    assert "exec.on-demand" in listed
    assert "on_demand" not in listed


def test_a_command_prints_the_sentence_of_our_own_error(project: Path) -> None:
    done = invoke(project, "fail", "known")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The bucket is gone: `invoke stack.update`.\n"


def test_a_command_prints_one_line_when_it_has_a_bug(project: Path) -> None:
    done = invoke(project, "fail", "bug")
    assert done.returncode == 1
    assert done.stderr == "IndexError: list index out of range (`invoke --debug` shows where)\n"


@pytest.mark.parametrize(
    ("how", "advice"),
    [
        ("keyless", "`aws configure`"),
        ("offline", "check the network, the proxy and AWS_REGION"),
        ("alone", "NONINTERACTIVE"),
        ("denied", "these credentials lack that right"),
    ],
)
def test_a_command_adds_advice_when_an_operator_can_fix_the_error(
    project: Path, how: str, advice: str
) -> None:
    done = invoke(project, "fail", how)
    assert done.returncode == 1
    assert advice in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("flags", "debug"), [((), {"DEBUG": "1"}), (("--debug",), {})])
def test_a_command_prints_the_traceback_on_request(
    project: Path, flags: tuple[str, ...], debug: dict[str, str]
) -> None:
    done = invoke(project, *flags, "fail", "bug", **debug)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_command_prints_one_word_when_it_is_interrupted(project: Path) -> None:
    done = invoke(project, "fail", "interrupt")
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


def test_the_project_offers_its_commands() -> None:
    listed = invoke(ROOT, "-l").stdout
    assert {"package", "test", "update-requirements"} <= set(listed.split())


def test_a_missing_function_is_named() -> None:
    done = invoke(ROOT, "package", "-f", "nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("There is no function nothing. There are: zoom-webhook, ")


def test_package_upload_names_every_missing_setting() -> None:
    done = invoke(ROOT, "package", "-u", STACK_NAME="", LAMBDA_CODE_BUCKET="")
    assert done.returncode == 1
    assert re.findall(r"^  - ([A-Z_]+) is missing", done.stderr, re.MULTILINE) == [
        "STACK_NAME",
        "LAMBDA_CODE_BUCKET",
    ]


def test_invoke_list_prints_no_error_when_nobody_reads_it() -> None:
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
