"""Memory doesn't grow with the file."""

from __future__ import annotations

import sys

import pytest

from bench.transfer.peers.s3_settings import S3Settings
from bench.transfer.peers.zoom_settings import ZoomSettings
from tests.transfer.lives import whole_life
from tests.transfer.rig import Rig

SMALL, LARGE = 64_000_000, 512_000_000
SLOW_S3 = S3Settings(mode="hash", link_mbps=200)
"""Slower than Zoom, so that a source without ranges fills all buffers, also with a small file."""
MOST_KIB = 10 * 1024
"""That the larger file may take more."""


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5) is Linux's")
@pytest.mark.parametrize("is_ranged", [True, False], ids=["ranges", "no ranges"])
def test_a_large_file_takes_no_more_than_a_small_one(rig: Rig, is_ranged: bool) -> None:
    files = {"small": SMALL, "large": LARGE}
    rig.begin(ZoomSettings(files=files, ranges=is_ranged), SLOW_S3)
    small = whole_life(rig, "small", SMALL)
    large = whole_life(rig, "large", LARGE)
    assert small > 0
    assert large - small <= MOST_KIB
