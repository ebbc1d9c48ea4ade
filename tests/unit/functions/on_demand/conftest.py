"""The fixture of the on-demand function's tests, with a Zoom stand-in and a webhook endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.authority import Authority
from tests.cloud import Clock, Cloud
from tests.unit.functions.on_demand.harness import Harness
from tests.unit.functions.requesting import requesting


@pytest.fixture
def harness(aws: Cloud, clock: Clock, tls: Authority, tmp_path: Path) -> Iterator[Harness]:
    with requesting(Harness, aws, clock, tls, tmp_path) as made:
        yield made
