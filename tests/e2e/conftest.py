"""The local stack of the end-to-end tests: their own, or with `--running` the one that is up."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from local.driver import Driver
from local.stack import HOME, LocalStack
from local.state import State, read_state
from tests.e2e.scene import SERIES, Scene


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--running",
        action="store_true",
        help="use the local stack that `invoke local.up` started, with its stand-ins",
    )


@pytest.fixture(scope="session")
def state(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[State]:
    """The real template, deployed into the local cloud between the stand-ins."""
    if request.config.getoption("--running", default=False):
        state = read_state(HOME)
        assert state, "No local stack is up: `invoke local.up` starts it."
        yield state
        return
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with LocalStack(tmp_path_factory.mktemp("stack"), given=kept) as up:
        yield up.state


@pytest.fixture(scope="session")
def scene(state: State) -> Iterator[Scene]:
    """The stack as scenarios drive it, with a schedule and a series."""
    driver = Driver(state)
    driver.add_series(SERIES, "Mapping the Ocean")
    yield Scene(driver)
    driver.close()
