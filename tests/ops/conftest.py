"""Sites that several tests of the operators' commands work on."""

from __future__ import annotations

import pytest

from tests.cloud import Clock, Cloud
from tests.ops.old_stack import Sites, sites_of
from tests.ops.queue_harness import DOWNLOADS, UPLOADS, Site


@pytest.fixture(params=[DOWNLOADS, UPLOADS], ids=["downloads", "uploads"])
def site(request: pytest.FixtureRequest, aws: Cloud, clock: Clock) -> Site:
    return Site(aws, clock, request.param)


@pytest.fixture
def downloads(aws: Cloud, clock: Clock) -> Site:
    return Site(aws, clock, DOWNLOADS)


@pytest.fixture
def uploads(aws: Cloud, clock: Clock) -> Site:
    return Site(aws, clock, UPLOADS)


@pytest.fixture
def sites(aws: Cloud, clock: Clock) -> Sites:
    return sites_of(aws, clock)
