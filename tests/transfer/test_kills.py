"""A process that is killed in mid-copy, and another one that goes on."""

from __future__ import annotations

from random import Random

import pytest

from bench.transfer.peers.s3_settings import S3Settings
from bench.transfer.peers.zoom_settings import ZoomSettings
from tests.transfer.lives import short_life, whole_life
from tests.transfer.rig import Rig
from tests.transfer.verdict import version_in

SIZE = 200_000_000
"""So much that the parts under way, which a kill costs, are a quarter of it."""
COST_OF_A_KILL = 0.3
ZOOM = ZoomSettings(files={"a": SIZE}, link_mbps=150)
S3 = S3Settings(mode="hash", link_mbps=150)


def moments(seed: int, kills: int) -> list[int]:
    """After so many bytes of its own each life is killed, but the last."""
    random = Random(seed)
    return [random.randrange(1, SIZE // kills) for _ in range(kills)]


@pytest.mark.parametrize(
    "killed_at",
    [*(moments(seed, 1) for seed in range(4)), moments(4, 2), [1], [SIZE]],
    ids=["0", "1", "2", "3", "twice", "at the first byte", "at the last byte"],
)
def test_the_next_process_goes_on(rig: Rig, killed_at: list[int]) -> None:
    rig.begin(ZOOM, S3)
    kills = sum(short_life(rig, "a", SIZE, moment) for moment in killed_at)
    assert kills == len(killed_at)
    whole_life(rig, "a", SIZE)
    [stored] = rig.s3.objects()
    assert version_in(stored, rig.zoom.versions("a"))
    assert rig.s3.uploads() == []
    assert rig.zoom.stats().body_bytes <= SIZE * (1 + COST_OF_A_KILL * kills)
