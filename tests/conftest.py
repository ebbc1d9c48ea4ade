"""Fixtures of all tests: a fake AWS, a certificate authority and a clock."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from local.authority import Authority, ensure_authority
from tests.cloud import Clock, Cloud, cloud

pytest_plugins = ("tests.local_stack",)

# The duration of an example depends on the machine's load, so examples have no deadline.
settings.register_profile("project", deadline=None, max_examples=50)
settings.load_profile("project")


def pytest_configure() -> None:
    """Make ^C end the tests and the programs that the tests start.

    A shell that starts the tests with `&` makes the tests and those programs ignore SIGINT.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Yield a fake AWS in this process, with empty tables, queues and a bucket."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with cloud() as aws:
        yield aws


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the certificate authority that the clients of all servers on loopback trust."""
    return ensure_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def clock() -> Clock:
    """Return a clock that says 2026-10-14T18:30:00Z until a test moves it."""
    return Clock()
