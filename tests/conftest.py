"""What all tests share: an AWS in process, fake credentials, an authority to trust, a clock."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from local.authority import Authority, ensure_authority
from tests.cloud import Clock, Cloud, cloud

# No deadline: how long an example takes says more about what else the machine is doing.
settings.register_profile("project", deadline=None, max_examples=50)
settings.load_profile("project")


def pytest_configure() -> None:
    """^C works in tests and in what they start, also where a shell has begun them with `&`, which
    makes its programs deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty in-process AWS with this system's resources."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with cloud() as made:
        yield made


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """What every server on loopback shows, and what its clients trust. One is as good as many."""
    return ensure_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def clock() -> Clock:
    """2026-10-14T18:30:00Z until a test moves it."""
    return Clock()
