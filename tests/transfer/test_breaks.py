"""All connections to Zoom break at once: what has come is not fetched again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from tests.transfer.rig import Rig, settled
from tests.transfer.verdict import objects_of

SIZE = 128_000_000
ZOOM = ZoomSettings(files={"a": SIZE}, link_mbps=100)
MOST = 1.05
"""Bytes that Zoom may send for each byte of the file: what was in the network is lost."""


@pytest.mark.parametrize(
    "fault",
    [ZoomFault(what="rst", total=SIZE // 2), ZoomFault(what="fin", total=SIZE // 2)],
    ids=["reset", "closed in order"],
)
def test_one_break_costs_next_to_nothing(rig: Rig, fault: ZoomFault) -> None:
    rig.begin(replace(ZOOM, faults=(fault,)))
    rig.engine().copy(rig.copies("a"))
    settled()
    assert objects_of(rig, "a")["a"].size == SIZE
    assert rig.zoom.stats().cuts > 1
    assert rig.zoom.stats().body_bytes <= MOST * SIZE
    assert rig.s3.stats().body_bytes <= MOST * SIZE
