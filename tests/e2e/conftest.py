"""The local stack of the end-to-end tests: their own, or with `--running` the one that is up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.driver import Driver
from local.stack import HOME, LocalStack
from local.state import State, read_state
from tests.e2e.operator import Operator, operator_of, shell_environment
from tests.e2e.stack import SERIES, Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--running",
        action="store_true",
        help="use the local stack that `invoke local.up` started, with its stand-ins",
    )


@pytest.fixture(scope="session")
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The folder of the local stack, which runs the real template between the stand-ins."""
    if request.config.getoption("--running", default=False):
        # Two test files at once would change each other's grants and queues.
        assert not hasattr(request.config, "workerinput"), "--running needs -n 0"
        yield HOME
        return
    with LocalStack(tmp_path_factory.mktemp("stack"), given=shell_environment()) as started:
        yield started.home


@pytest.fixture(scope="session")
def state(home: Path) -> State:
    """The addresses and secrets of the local stack."""
    state = read_state(home)
    assert state, "No local stack is up: `invoke local.up` starts it."
    return state


@pytest.fixture(scope="session")
def operator(home: Path) -> Operator:
    """The operator of the local stack."""
    return operator_of(home)


@pytest.fixture(scope="session")
def driver(state: State) -> Iterator[Driver]:
    """Access to the stack and to the controls of its stand-ins."""
    driver = Driver(state)
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def stack(driver: Driver) -> Stack:
    """The running stack, with a series in Opencast."""
    driver.add_series(SERIES, "Mapping the Ocean")
    return Stack(driver)
