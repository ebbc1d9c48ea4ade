"""Tests of starts of a local stack, mostly of starts that fail or are interrupted.

Such a start must leave no process. The end-to-end tests are about starts that succeed.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cdk.names import Names
from cdk.settings import load
from cdk.settings_reader import SettingsError
from local.cloud import PortTaken
from local.processes import ROOT, Processes, is_supervisor
from local.stack import AlreadyUp, Busy, LocalStack, stop_following
from local.state import CLOUD, STATE, stop_stack, write_state_files
from ops.code.package import Package
from tests.infra.template import SETTINGS
from tests.local.processes_of import processes_of, wait_for
from tests.local.test_state import state

STARTER = """
import signal, sys, time
from pathlib import Path
from local.stack import LocalStack
# Tests in the background ignore ^C, and so do their children.
signal.signal(signal.SIGINT, signal.default_int_handler)
def build(folder):
    time.sleep(60)
with LocalStack(Path(sys.argv[1]), build=build):
    pass
"""


def environment(**more: str) -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | more


def no_packages(_folder: Path) -> Sequence[Package]:
    raise OSError("the disk is full")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_local_stack_leaves_no_process_when_its_start_is_interrupted(
    tmp_path: Path, number: signal.Signals
) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    logs = tmp_path / "logs"
    try:
        # Seven processes have a log each: cloud, four stand-ins, mailbox and CDK. Each of these
        # processes has a supervisor.
        wait_for(lambda: len(list(logs.glob("*.log"))) == 7 and len(processes_of(tmp_path)) >= 14)
        os.killpg(starter.pid, number)
        wait_for(lambda: not processes_of(tmp_path) - {starter.pid}, seconds=5)
    finally:
        # After ^C the starter would wait a minute for the thread of `build`.
        starter.kill()
        ended = starter.wait()
    assert ended in {-number, -signal.SIGKILL}
    assert not (tmp_path / STATE).exists()


def test_local_stack_leaves_no_process_when_a_step_of_its_start_fails(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, environment(), build=no_packages)
    with pytest.raises(OSError, match="disk is full"):
        stack.start()
    assert not processes_of(tmp_path)
    assert not (tmp_path / STATE).exists()
    assert not (tmp_path / CLOUD).exists()


def test_local_stack_starts_no_process_when_a_setting_is_wrong(tmp_path: Path) -> None:
    given = environment(INGEST_ALLOWED_IPS="here", WEBHOOK_DELAY_SECONDS="soon")
    with pytest.raises(SettingsError, match=r"INGEST_ALLOWED_IPS[\s\S]*WEBHOOK_DELAY_SECONDS"):
        LocalStack(tmp_path, given).start()
    assert not (tmp_path / "logs").exists()


class Events:
    """A fake of EventBridge's client."""

    def __init__(self) -> None:
        self.disabled: list[str] = []

    def disable_rule(self, *, Name: str) -> None:
        self.disabled.append(Name)


@pytest.mark.parametrize("text", ["true", "TRUE", "false"])
def test_local_stack_disables_the_schedule_of_the_function_follow_only_when_ingests_are_followed(
    text: str,
) -> None:
    site, events = load({**SETTINGS, "FOLLOW_INGESTS": text}, None), Events()
    stop_following(site, events)
    rules = [Names(site.stack_name).of("follow")]
    assert events.disabled == (rules if site.follow_ingests else [])


def test_local_stack_starts_no_process_when_its_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(PortTaken, match=f"Port {port} "):
            LocalStack(tmp_path, environment(LOCAL_CLOUD_PORT=port)).start()
    assert not (tmp_path / "logs").exists()


def test_start_of_local_stack_is_refused_when_another_stack_runs_in_the_folder(
    tmp_path: Path,
) -> None:
    processes = Processes(tmp_path / "logs")
    try:
        sleeper = processes.start("cloud", ["sleep", "60"], environment())
        wait_for(lambda: is_supervisor(sleeper.pid))
        write_state_files(tmp_path, state(pids={"cloud": sleeper.pid}), {})
        with pytest.raises(AlreadyUp, match=r"https://127\.0\.0\.1:1/live.*`invoke local\.down`"):
            LocalStack(tmp_path, environment()).start()
        assert sleeper.ended() is None
        assert stop_stack(tmp_path)
        wait_for(lambda: sleeper.ended() is not None)
    finally:
        processes.stop()


def test_start_of_local_stack_is_refused_when_another_process_has_locked_the_folder(
    tmp_path: Path,
) -> None:
    with (tmp_path / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Busy, match=str(tmp_path)):
            LocalStack(tmp_path, environment()).start()
