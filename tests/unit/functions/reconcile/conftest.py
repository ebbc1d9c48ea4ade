"""The reconcile function with its neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.authority import Authority
from tests.cloud import Clock, Cloud
from tests.unit.functions.reconcile.harness import OK, Harness
from tests.unit.zoom_account import TimedSession, endpoint, zoom_stand_in
from tests.waits import Stopwatch


@pytest.fixture
def harness(
    aws: Cloud, tls: Authority, clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    watch = Stopwatch()
    with (
        zoom_stand_in(tls, tmp_path_factory.mktemp("zoom"), clock) as zoom,
        endpoint(tls) as hook,
        TimedSession(tls.ca_bundle, watch) as session,
    ):
        hook.answers.append(OK)
        yield Harness(aws, clock, zoom, hook, session, watch)
