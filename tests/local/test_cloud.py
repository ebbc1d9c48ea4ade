"""Tests of the local cloud's start, end and refusals."""

import io
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.authority import Authority, ensure_authority, write_bundle
from local.cloud import (
    ACCOUNT,
    FREE_PORTS,
    OPERATOR_KEY_ID,
    Cloud,
    PortTaken,
    choose_port,
    start_cloud,
)
from local.processes import ROOT, Processes, ProcessFailed, is_supervisor, stop_pids
from tests.local.processes_of import processes_of, wait_for

SECRET = "secret-of-the-root"

SLEEPER = "import time\ndef handler(event, context):\n    time.sleep(60)\n"

STARTER = """
import sys, time
from pathlib import Path
from local.authority import ensure_authority, write_bundle
from local.cloud import start_cloud
from local.processes import Processes
folder = Path(sys.argv[1])
authority = ensure_authority(folder / "tls")
trusted = write_bundle(folder / "trusted.pem", authority)
cloud = start_cloud(folder / "cloud", authority, trusted, Processes(folder / "logs"), secret="s")
if sys.argv[2] == "wait":
    cloud.wait(authority.ca_bundle)
print(cloud.url, cloud.process.pid, flush=True)
if sys.argv[2] == "let go":
    cloud.process.detach()
else:
    time.sleep(60)
"""


def listens(url: str, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, int(url.rpartition(":")[2]))) == 0


def client(service: str, cloud: Cloud, authority: Authority, key: str = OPERATOR_KEY_ID) -> Any:
    return boto3.Session().client(  # type: ignore[call-overload]  # any service by its name
        service,
        endpoint_url=cloud.url,
        verify=str(authority.ca_bundle),
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=SECRET,
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return ensure_authority(tmp_path / "tls")


@pytest.fixture
def cloud(tmp_path: Path, authority: Authority) -> Iterator[Cloud]:
    trusted = write_bundle(tmp_path / "trusted.pem", authority)
    processes = Processes(tmp_path / "logs")
    cloud = start_cloud(tmp_path / "cloud", authority, trusted, processes, secret=SECRET)
    try:
        cloud.wait(authority.ca_bundle)
        yield cloud
    finally:
        cloud.stop()


def start_elsewhere(tmp_path: Path, how: str) -> tuple[subprocess.Popen[str], str, int]:
    """Start a process that starts a cloud. Return the process, the URL and the supervisor's pid.

    With `how` "wait", the process first waits until the cloud answers. With "let go", the process
    ends, and the cloud runs on. With "at once", the process does neither.
    """
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path), how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    with starter.stdout:
        url, pid = starter.stdout.readline().split()
    return starter, url, int(pid)


def run_sleeper(cloud: Cloud, authority: Authority) -> None:
    """Create a function that sleeps for a minute, and invoke the function without waiting."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("sleeper.py", SLEEPER)
    role = client("iam", cloud, authority).create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    functions = client("lambda", cloud, authority)
    functions.create_function(
        FunctionName="sleeper",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="sleeper.handler",
        Code={"ZipFile": package.getvalue()},
        Timeout=90,
    )
    functions.invoke(FunctionName="sleeper", InvocationType="Event", Payload=b"{}")


def test_local_cloud_answers_only_on_its_loopback_address_with_the_local_certificate(
    cloud: Cloud, authority: Authority
) -> None:
    identity = client("sts", cloud, authority).get_caller_identity()
    assert identity["Account"] == ACCOUNT
    # A server that listens on all addresses of the machine also listens on 127.0.0.2.
    assert listens(cloud.url)
    assert not listens(cloud.url, "127.0.0.2")


def test_local_cloud_refuses_unknown_credentials(cloud: Cloud, authority: Authority) -> None:
    with pytest.raises(ClientError, match=r"InvalidClientTokenId|UnrecognizedClient"):
        client("sts", cloud, authority, key="AKIAIOSFODNN7EXAMPLE").get_caller_identity()


def test_local_cloud_ends_running_functions_when_it_stops(
    tmp_path: Path, cloud: Cloud, authority: Authority
) -> None:
    run_sleeper(cloud, authority)
    # The three processes are supervisor, server and function.
    wait_for(lambda: len(processes_of(tmp_path)) == 3)
    cloud.stop()
    assert not processes_of(tmp_path)
    assert not listens(cloud.url)


@pytest.mark.parametrize("how", ["wait", "at once"])
def test_local_cloud_leaves_no_process_and_no_port_when_its_starter_is_killed(
    tmp_path: Path, how: str
) -> None:
    starter, url, pid = start_elsewhere(tmp_path, how)
    starter.kill()
    starter.wait()
    wait_for(lambda: not processes_of(tmp_path))
    assert not listens(url)
    assert not is_supervisor(pid)


def test_local_cloud_outlives_its_starter_when_the_starter_detaches_it(tmp_path: Path) -> None:
    starter, url, pid = start_elsewhere(tmp_path, "let go")
    try:
        assert starter.wait() == 0
        wait_for(lambda: listens(url))
        assert is_supervisor(pid)
    finally:
        stop_pids([pid, os.getpid()])
    assert not processes_of(tmp_path)


def test_stopping_processes_by_pid_does_not_end_a_process_that_is_no_supervisor() -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        stop_pids([other.pid])
        assert other.poll() is None
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()


def test_local_stack_refuses_a_taken_port_with_an_instruction() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            PortTaken, match=rf"^Port {port} .*already in use.* LOCAL_CLOUD_PORT[^\n]*$"
        ):
            choose_port(port)


def test_local_stack_chooses_no_port_twice() -> None:
    free = choose_port(0)
    assert choose_port(0, set(FREE_PORTS) - {free}) == free
    with pytest.raises(PortTaken, match="No free port"):
        choose_port(0, FREE_PORTS)


def test_wait_for_local_cloud_fails_with_the_end_of_its_log_when_the_cloud_ends_early(
    tmp_path: Path, authority: Authority
) -> None:
    broken = Authority(authority.ca_bundle, authority.certificate, tmp_path / "no.key")
    processes = Processes(tmp_path / "logs")
    cloud = start_cloud(tmp_path / "cloud", broken, authority.ca_bundle, processes, secret="s")
    with pytest.raises(ProcessFailed, match=r"ended with exit code 1; [\s\S]*create_ssl_context"):
        cloud.wait(authority.ca_bundle)


def test_start_of_local_cloud_fails_with_an_instruction_when_its_python_is_missing(
    tmp_path: Path, authority: Authority
) -> None:
    with pytest.raises(ProcessFailed, match="make setup"):
        start_cloud(
            tmp_path / "cloud",
            authority,
            authority.ca_bundle,
            Processes(tmp_path / "logs"),
            secret="s",
            python=tmp_path / "python",
        )
