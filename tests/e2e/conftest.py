"""One local stack for all end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from local.driver import Driver
from local.stack import LocalStack
from tests.e2e.scenarios import SERIES, Scene


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The real template, deployed into the local cloud between the stand-ins."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with LocalStack(tmp_path_factory.mktemp("stack"), given=kept) as up:
        yield up


@pytest.fixture(scope="session")
def scene(stack: LocalStack) -> Iterator[Scene]:
    """The stack as scenarios drive it, with a schedule and a series."""
    driver = Driver(stack.state)
    driver.add_series(SERIES, "Mapping the Ocean")
    yield Scene(driver)
    driver.close()
