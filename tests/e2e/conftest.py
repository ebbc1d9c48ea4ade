"""The local stack of the end-to-end tests: their own, or with `--running` the one that is up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.driver import Driver
from local.stack import HOME, LocalStack
from local.state import State, read_state
from tests.e2e.operator import Operator, operator_of
from tests.e2e.scene import SERIES, Scene


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
    """The folder of the stack: the real template, in the local cloud between the stand-ins."""
    if request.config.getoption("--running", default=False):
        # Tests of two files at once would take each other's grants and queues away.
        assert not hasattr(request.config, "workerinput"), "--running needs -n 0"
        yield HOME
        return
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with LocalStack(tmp_path_factory.mktemp("stack"), given=kept) as up:
        yield up.home


@pytest.fixture(scope="session")
def state(home: Path) -> State:
    """What is known of the stack."""
    state = read_state(home)
    assert state, "No local stack is up: `invoke local.up` starts it."
    return state


@pytest.fixture(scope="session")
def operator(home: Path) -> Operator:
    """Who types `invoke …` at this stack."""
    return operator_of(home)


@pytest.fixture(scope="session")
def scene(state: State) -> Iterator[Scene]:
    """The stack as scenarios drive it, with a schedule and a series."""
    driver = Driver(state)
    driver.add_series(SERIES, "Mapping the Ocean")
    yield Scene(driver)
    driver.close()
