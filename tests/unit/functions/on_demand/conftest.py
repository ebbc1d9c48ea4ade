"""The on-demand function with its neighbours, which live as long as a module's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.authority import Authority
from local.neighbours.zoom import ZoomStandIn
from tests.cloud import Clock, Cloud
from tests.unit.functions.on_demand.harness import OK, Harness
from tests.unit.zoom_account import Endpoint, TimedSession, endpoint, recording, zoom_stand_in
from tests.waits import Stopwatch


@pytest.fixture(scope="module")
def module_clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def zoom(
    tls: Authority, tmp_path_factory: pytest.TempPathFactory, module_clock: Clock
) -> Iterator[ZoomStandIn]:
    with zoom_stand_in(tls, tmp_path_factory.mktemp("zoom"), module_clock) as made:
        yield made


@pytest.fixture(scope="module")
def hook(tls: Authority) -> Iterator[Endpoint]:
    with endpoint(tls) as made:
        yield made


@pytest.fixture
def harness(
    aws: Cloud, zoom: ZoomStandIn, hook: Endpoint, tls: Authority, module_clock: Clock
) -> Iterator[Harness]:
    zoom.clear_faults()
    zoom.forget_requests()
    zoom.add(recording())
    hook.answers[:] = [OK]
    hook.requests.clear()
    watch = Stopwatch()
    with TimedSession(tls.ca_bundle, watch) as session:
        made = Harness(aws, module_clock, zoom, hook, session, watch, None)  # type: ignore[arg-type]
        made.set_up()
        yield made
