"""The fixture of the follow function's tests, whose Opencast stand-in has the test's clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.authority import Authority
from local.neighbours.opencast import OpencastStandIn, default_users
from tests.cloud import Clock, Cloud
from tests.neighbours import client_session
from tests.unit.functions.follow.harness import Harness
from tests.unit.functions.uploader.harness import PASSWORD, SERIES, OpencastTime
from tests.unit.functions.uploader.harness import Harness as Uploader


@pytest.fixture
def harness(aws: Cloud, clock: Clock, tls: Authority) -> Iterator[Harness]:
    opencast = OpencastStandIn(
        tls=tls,
        users=default_users("zip", PASSWORD),
        workflows=["dce-wf"],
        clock=lambda: clock().timestamp(),
    )
    settings = {"opencast_api_user": "zip", "follow_ingests": True}
    with opencast, client_session(tls) as session:
        opencast.add_series(SERIES, title="History")
        opencast.set(active_seconds=1800)
        uploader = Uploader(aws, clock, opencast, OpencastTime(), session, settings=settings)
        yield Harness(aws, clock, opencast, uploader)
