"""Fixtures of a local stack: a stack of the tests' own, or with `--running` the stack that is up.

tests/conftest.py loads this file as a plugin, so that tests/attacks and tests/e2e share one stack
in each process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

from local.deploy import build_packages
from local.driver import Driver
from local.stack import HOME, LocalStack
from local.state import State, read_state
from ops.code.package import Package
from ops.target import ROOT
from tests.e2e.operator import Operator, operator_of, shell_environment
from tests.e2e.stack import SERIES, Stack

PACKAGES = ROOT / ".local" / "e2e-packages"
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 12 * 2**30
"""Free memory in bytes that two local stacks need, as each cold start unpacks a package."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--running",
        action="store_true",
        help="use the local stack that `invoke local.up` started, with its stand-ins",
    )


def build_once(_: Path) -> list[Package]:
    """Return the functions' packages, built in a folder that all test processes and runs share."""
    PACKAGES.mkdir(parents=True, exist_ok=True)
    with PACKAGES.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return build_packages(PACKAGES)


@contextmanager
def stack_folder(kept: Path) -> Iterator[Path]:
    """Yield a folder for a stack: in MEMORY if there is room and programs may run, or else `kept`.

    Some file systems take minutes to delete the tens of thousands of unpacked files. At the end
    of the `with` block, copy the logs in memory to `kept`.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES
    if not has_room or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        yield kept
        return
    with TemporaryDirectory(prefix="zip-e2e-", dir=MEMORY) as folder:
        try:
            yield Path(folder)
        finally:
            shutil.copytree(Path(folder) / "logs", kept / "logs")


@pytest.fixture(scope="session")
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Yield the folder of the local stack, which runs the real template between the stand-ins."""
    if request.config.getoption("--running", default=False):
        # Two test processes on one stack would change each other's grants and queues.
        assert not hasattr(request.config, "workerinput"), "--running needs -n 0"
        yield HOME
        return
    with (
        stack_folder(tmp_path_factory.mktemp("stack")) as folder,
        LocalStack(folder, given=shell_environment(), build=build_once) as started,
    ):
        yield started.home


@pytest.fixture(scope="session")
def state(home: Path) -> State:
    """Return the addresses and secrets of the local stack."""
    state = read_state(home)
    assert state, "No local stack is up: `invoke local.up` starts it."
    return state


@pytest.fixture(scope="session")
def operator(home: Path) -> Operator:
    """Return an operator of the local stack, who runs commands of `invoke`."""
    return operator_of(home)


@pytest.fixture(scope="session")
def driver(state: State) -> Iterator[Driver]:
    """Yield a driver of the stack and of the controls of its stand-ins."""
    driver = Driver(state)
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def stack(driver: Driver) -> Stack:
    """Return the running stack, with a series in Opencast."""
    driver.add_series(SERIES, "Mapping the Ocean")
    return Stack(driver)


@pytest.fixture(scope="session")
def session(state: State) -> Iterator[requests.Session]:
    """Yield an HTTP client that trusts the stack and the stand-ins, and ignores the environment."""
    with requests.Session() as session:
        session.trust_env, session.verify = False, state.ca_bundle
        yield session
