"""Tests of the files about a running local stack."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local.processes import ROOT, Processes, stop_pids
from local.state import (
    CLOUD,
    ENVIRONMENT,
    GOOGLE_KEY,
    STATE,
    State,
    delete_state_files,
    read_state,
    stop_stack,
    write_state_files,
)
from tests.local.processes_of import processes_of, wait_for

KEYS = {
    *("api_url", "aws_endpoint_url", "ca_bundle", "region", "stack_name", "zoom_url"),
    *("opencast_url", "slack_url", "sheets_url", "webhook_secret", "slack_signing_secret", "pids"),
    *("mail_folder", "aws_access_key_id", "aws_secret_access_key", "control_token"),
}


def state(**changes: object) -> State:
    """Return the content of `stack.json`, with some fields changed."""
    given = {
        "api_url": "https://127.0.0.1:1/live",
        "aws_endpoint_url": "https://127.0.0.1:1",
        "ca_bundle": "/trusted.pem",
        "region": "us-east-1",
        "stack_name": "local-zip",
        "zoom_url": "https://127.0.0.1:2",
        "opencast_url": "https://127.0.0.1:3",
        "webhook_secret": "s",
        "pids": {},
    }
    return State(**{**given, **changes})  # type: ignore[arg-type]  # any of its fields


def test_stack_json_has_exactly_the_expected_keys_and_is_readable_only_by_its_owner(
    tmp_path: Path,
) -> None:
    write_state_files(tmp_path, state(), {})
    written = json.loads((tmp_path / STATE).read_text())
    assert set(written) == KEYS
    assert written["slack_url"] is None
    assert stat.S_IMODE((tmp_path / STATE).stat().st_mode) == 0o600
    assert read_state(tmp_path) == state()


def test_shell_reads_the_values_of_stack_env_unchanged(tmp_path: Path) -> None:
    write_state_files(tmp_path, state(), {"A": "it's; $HOME", "B": "plain"})
    lines = (tmp_path / ENVIRONMENT).read_text().splitlines()
    assert [shlex.split(line) for line in lines] == [
        ["export", "A=it's; $HOME"],
        ["export", "B=plain"],
    ]
    assert stat.S_IMODE((tmp_path / ENVIRONMENT).stat().st_mode) == 0o600


def test_stack_json_becomes_private_when_an_older_file_is_readable_by_others(
    tmp_path: Path,
) -> None:
    (tmp_path / STATE).write_text("{}")
    (tmp_path / STATE).chmod(0o644)
    write_state_files(tmp_path, state(), {})
    assert stat.S_IMODE((tmp_path / STATE).stat().st_mode) == 0o600


def test_stack_json_is_read_as_none_when_the_file_is_missing_or_broken(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    assert not stop_stack(tmp_path)
    (tmp_path / STATE).write_text("{")
    assert read_state(tmp_path) is None


def test_end_of_a_local_stack_removes_its_files_when_all_processes_have_ended(
    tmp_path: Path,
) -> None:
    write_state_files(tmp_path, state(pids={"cloud": 2**22 + 1}), {})
    (tmp_path / CLOUD / "tmp").mkdir(parents=True)
    (tmp_path / GOOGLE_KEY).touch()
    assert stop_stack(tmp_path)
    assert list(tmp_path.iterdir()) == []
    delete_state_files(tmp_path)


@pytest.mark.parametrize("is_zombie", [False, True])
def test_end_of_a_local_stack_stops_the_processes_of_a_killed_supervisor(
    tmp_path: Path, *, is_zombie: bool
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # `stop_pids` ends only processes whose command line contains the project's folder.
    sleep = f"import time; time.sleep(60)  # {ROOT}"
    start = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleep!r}])"
    command = [sys.executable, "-c", f"{start}; {sleep}"]
    environment = {"PATH": os.environ["PATH"], "FOLDER": str(tmp_path)}
    running = Processes(tmp_path / "logs").start("sleeper", command, environment)
    wait_for(lambda: len(processes_of(tmp_path)) == 3)
    write_state_files(home, state(pids={"sleeper": running.pid}), {})
    running.detach()
    running.supervisor.kill()
    if not is_zombie:
        running.supervisor.wait()
    wait_for(lambda: len(processes_of(tmp_path)) == 2)
    assert stop_stack(home)
    assert processes_of(tmp_path) == set()
    running.supervisor.wait()


def test_stopping_a_pid_ends_no_process_of_a_foreign_session(tmp_path: Path) -> None:
    leader = subprocess.Popen(
        ["sh", "-c", "sleep 60 > /dev/null & echo $!"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        start_new_session=True,
    )
    foreign = int(leader.communicate()[0])
    try:
        stop_pids([leader.pid])
        os.kill(foreign, 0)
    finally:
        os.kill(foreign, signal.SIGKILL)
