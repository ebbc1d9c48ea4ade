"""The fixtures of the uploader's tests. Each test resets the shared Opencast stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.authority import Authority
from local.neighbours.opencast import OpencastStandIn, default_users
from tests.cloud import Clock, Cloud
from tests.neighbours import client_session
from tests.unit.functions.uploader.harness import PASSWORD, SERIES, ZIP_ID, Harness, OpencastTime


@pytest.fixture(scope="package")
def opencast_time() -> OpencastTime:
    return OpencastTime()


@pytest.fixture(scope="package")
def _opencast(tls: Authority, opencast_time: OpencastTime) -> Iterator[OpencastStandIn]:
    with OpencastStandIn(
        tls=tls,
        users=default_users("zip", PASSWORD),
        workflows=["dce-wf", "other-wf"],
        clock=opencast_time,
    ) as running:
        running.add_series(SERIES, title="History & <more>: Vorträge", publisher="hist@example.edu")
        running.add_series("20260100000", title="Nobody's")
        yield running


@pytest.fixture
def harness(
    aws: Cloud,
    clock: Clock,
    _opencast: OpencastStandIn,
    opencast_time: OpencastTime,
    tls: Authority,
) -> Iterator[Harness]:
    _opencast.store.reset()
    opencast_time.ahead = 0.0
    with client_session(tls) as session:
        harness = Harness(
            aws, clock, _opencast, opencast_time, session, settings={"opencast_api_user": "zip"}
        )
        harness.put_row(ZIP_ID)
        yield harness
