"""A file that one invocation has no time for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from bench.transfer.peers.zoom_settings import ZoomSettings
from ingester.errors import OutOfTime
from ingester.transfer.engine import Budget, Engine
from tests.transfer.rig import Rig, settled
from tests.transfer.verdict import objects_of

SIZE = 240_000_000
ZOOM = ZoomSettings(files={"a": SIZE})
BYTES_A_SECOND = 10_000_000
SECONDS = 14.0
"""For each invocation, without what is left in reserve."""
MOST = 1.1


@dataclass(frozen=True)
class Hourglass:
    """Time as it passes on a link of some speed: it goes on with each byte that Zoom sends."""

    rig: Rig
    begun: int

    def now(self) -> float:
        return (self.rig.zoom.counts.body_bytes - self.begun) / BYTES_A_SECOND

    def left(self) -> float:
        return SECONDS + Budget().reserve_seconds - self.now()


def timed(rig: Rig) -> Engine:
    """The engine of one invocation, which begins now."""
    glass = Hourglass(rig, rig.zoom.counts.body_bytes)
    return replace(rig.engine(), time_left=glass.left, clock=glass.now)


def fetched_and_stored(rig: Rig) -> tuple[int, int]:
    """Bytes that Zoom has sent, and those that the next invocation need not ask for."""
    return rig.zoom.counts.body_bytes, sum(rig.kept().values())


def test_three_invocations_make_one_object(rig: Rig) -> None:
    rig.begin(ZOOM)
    stopped = 0
    while not rig.s3.objects():
        fetched, stored = fetched_and_stored(rig)
        with suppress(OutOfTime):
            timed(rig).copy(rig.copies("a"))
            break
        settled()
        stopped += 1
        fetched_now, stored_now = fetched_and_stored(rig)
        # It stopped between two parts: but for the byte that tells the version, nothing was
        # fetched that isn't stored.
        assert fetched_now - fetched == stored_now - stored + 1 > 1
    settled()
    assert stopped >= 2
    assert objects_of(rig, "a")["a"].size == SIZE
    assert rig.s3.uploads() == []
    assert rig.s3.stats().operations["CreateMultipartUpload"] == 1
    assert rig.zoom.stats().body_bytes <= MOST * SIZE
