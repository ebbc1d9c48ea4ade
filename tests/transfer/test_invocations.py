"""Tests of copies in several processes or invocations, and of memory."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random

import pytest

from bench.transfer.peers.s3_settings import S3Settings
from bench.transfer.peers.zoom_settings import ZoomSettings
from ingester.errors import OutOfTime
from ingester.transfer.engine import Budget, Engine
from tests.transfer.harness import Harness, version_in

KILLED_SIZE = 200_000_000
COST_OF_A_KILL = 0.3
"""Largest share of the file that is fetched again after a kill, because open parts are lost."""
LIMITED_SIZE = 240_000_000
BYTES_A_SECOND = 10_000_000
SECONDS = 14.0
"""Duration of an invocation in seconds, without the engine's reserve."""
SMALL, LARGE = 64_000_000, 512_000_000
MOST_KIB = 10 * 1024
"""Largest permitted difference in KiB between the memory for the large and for the small file."""


def kills(seed: int, number: int) -> list[int]:
    """Return the numbers of bytes after which each of `number` processes is killed."""
    random = Random(seed)
    return [random.randrange(1, KILLED_SIZE // number) for _ in range(number)]


@pytest.mark.parametrize(
    "killed_at",
    [*(kills(seed, 1) for seed in range(4)), kills(4, 2), [1], [KILLED_SIZE]],
    ids=["0", "1", "2", "3", "twice", "at the first byte", "at the last byte"],
)
def test_next_process_continues_a_copy_whose_process_was_killed(
    harness: Harness, killed_at: list[int]
) -> None:
    harness.begin(
        ZoomSettings(files={"a": KILLED_SIZE}, link_mbps=150),
        S3Settings(mode="hash", link_mbps=150),
    )
    assert all(harness.kill_copy("a", after) for after in killed_at)
    harness.copy_in_process("a")
    [stored] = harness.s3.objects()
    assert version_in(stored, harness.zoom.versions("a"))
    assert harness.s3.uploads() == []
    most = KILLED_SIZE * (1 + COST_OF_A_KILL * len(killed_at))
    assert harness.zoom.stats().body_bytes <= most


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5) is Linux's")
@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "no ranges"])
def test_memory_of_a_copy_grows_by_at_most_10_mib_when_the_file_is_eight_times_as_large(
    harness: Harness, has_ranges: bool
) -> None:
    # S3 is slower than Zoom, so that a source without ranges fills all buffers.
    harness.begin(
        ZoomSettings(files={"small": SMALL, "large": LARGE}, ranges=has_ranges),
        S3Settings(mode="hash", link_mbps=200),
    )
    small = harness.copy_in_process("small")
    large = harness.copy_in_process("large")
    assert small > 0
    assert large - small <= MOST_KIB


@dataclass(frozen=True)
class ByteClock:
    """A fake clock that each byte from Zoom advances, as on a link of fixed speed."""

    harness: Harness
    begun: int

    def now(self) -> float:
        return (self.harness.zoom.counts.body_bytes - self.begun) / BYTES_A_SECOND

    def left(self) -> float:
        return SECONDS + Budget().reserve_seconds - self.now()


def limited_engine(harness: Harness) -> Engine:
    """Return an engine whose invocation begins now and ends after `SECONDS`."""
    clock = ByteClock(harness, harness.zoom.counts.body_bytes)
    return replace(harness.engine(), time_left=clock.left, clock=clock.now)


def test_copy_becomes_one_object_when_it_takes_three_or_more_invocations(harness: Harness) -> None:
    harness.begin(ZoomSettings(files={"a": LIMITED_SIZE}))

    def fetched_and_stored() -> tuple[int, int]:
        return harness.zoom.counts.body_bytes, sum(harness.stored_bytes().values())

    stopped = 0
    while not harness.s3.objects():
        fetched, stored = fetched_and_stored()
        with suppress(OutOfTime):
            harness.copy(engine=limited_engine(harness))
            break
        stopped += 1
        fetched_now, stored_now = fetched_and_stored()
        # The copy stops between two parts. So all fetched bytes are stored, except for the byte
        # that the engine reads to learn the file's version.
        assert fetched_now - fetched == stored_now - stored + 1 > 1
    assert stopped >= 2
    assert harness.versions()["a"].size == LIMITED_SIZE
    assert harness.s3.uploads() == []
    assert harness.uploads_begun == 1
    assert harness.zoom.stats().body_bytes <= 1.1 * LIMITED_SIZE
