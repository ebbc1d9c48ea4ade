"""Fixtures of the attacks: the stack under attack, and checks of its logs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local import media
from tests.attacks.evidence import (
    delete_rows,
    leaked,
    log_lines,
    mailed,
    mailed_pattern,
    now_in_ms,
    row_keys,
    secrets_of,
    traces,
)
from tests.attacks.probes import Sender
from tests.attacks.target import Target
from tests.e2e.stack import Stack


@pytest.fixture(scope="session")
def target(stack: Stack) -> Target:
    """Return the stack under attack."""
    state = stack.driver.state
    return Target(stack, Sender(state), secrets_of(stack.driver))


@pytest.fixture(scope="module", autouse=True)
def _logs_without_secrets(target: Target) -> Iterator[None]:
    """Assert after each test file that no function has logged a secret."""
    since = now_in_ms()
    yield
    lines = "\n".join(log_lines(target.driver, since))
    assert leaked(lines, target.secrets.values()) == []


@pytest.fixture(scope="module", autouse=True)
def _rows_deleted(target: Target) -> Iterator[None]:
    """Delete the rows that a test file has added, because `holdings` reads all rows."""
    before = row_keys(target.driver)
    yield
    delete_rows(target.driver, row_keys(target.driver) - before)
    target.known = None


@pytest.fixture(scope="module")
def no_error_mail(target: Target) -> Iterator[None]:
    """Assert after a test file that no attack has caused an error mail or a stack trace."""
    since = now_in_ms()
    yield
    lines = list(log_lines(target.driver, since))
    assert lines
    assert mailed(lines, mailed_pattern(target.driver)) == []
    assert traces("\n".join(lines)) == []


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a complete MP4 file of 130 seconds."""
    path = tmp_path_factory.mktemp("media") / "movie.mp4"
    return media.write_lecture(path).read_bytes()
