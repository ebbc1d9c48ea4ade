"""Two runs that copy the same file to the same key at once, as a queue may bring it about."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

import pytest

from bench.transfer.peers.zoom_settings import ZoomSettings
from ingester.errors import IngesterError, RetryableFailure
from ingester.transfer.plan import Copied, Copy, Target
from tests.transfer.rig import LONGEST_END, Rig, settled
from tests.transfer.verdict import objects_of

SIZE = 40_000_000
ZOOM = ZoomSettings(files={"a": SIZE}, link_mbps=100)
LOOK_SECONDS = 0.002
Outcome = Future[list[Copied | IngesterError]]


def both(rig: Rig, first: Copy, second: Copy, *, when: Callable[[], bool]) -> list[Outcome]:
    """Runs both to their ends, the second from the moment on when something is so."""
    with ThreadPoolExecutor(2) as runs:
        one = runs.submit(rig.engine().copy, [first])
        while not when() and not one.done():
            wait([one], LOOK_SECONDS)
        other = runs.submit(rig.engine().copy, [second])
    settled()
    return [one, other]


def judge(rig: Rig, outcomes: list[Outcome]) -> None:
    """One right object, nothing else; who was told that it is copied was told the truth."""
    [version] = objects_of(rig, "a").values()
    assert rig.s3.uploads() == []
    for outcome in outcomes:
        if error := outcome.exception():
            assert isinstance(error, RetryableFailure)
        else:
            [copied] = outcome.result()
            assert isinstance(copied, Copied)
            assert copied.size == version.size
    assert any(outcome.exception() is None for outcome in outcomes)


@pytest.mark.parametrize("parts", range(10))
def test_one_comes_while_the_other_copies(rig: Rig, parts: int) -> None:
    rig.begin(ZOOM)
    [first], [second] = rig.copies("a"), rig.copies("a")
    judge(
        rig,
        both(rig, first, second, when=lambda: rig.s3.counts.kinds["UploadPart"] >= parts),
    )


@pytest.mark.parametrize("_", range(3))
def test_both_find_nothing_and_begin(rig: Rig, _: int) -> None:
    """They meet before either has asked S3 what is there."""
    rig.begin(ZOOM)
    meeting = threading.Barrier(2)

    def meets(copy: Copy) -> Copy:
        expected = [meeting]

        def target_of(name: str) -> Target:
            if expected:
                expected.pop().wait(LONGEST_END)
            return copy.target_of(name)

        return replace(copy, target_of=target_of)

    first, second = map(meets, rig.copies("aa"))
    judge(rig, both(rig, first, second, when=lambda: True))


@pytest.mark.parametrize("parts", [1, 4, 7])
def test_the_source_changes_between_them(rig: Rig, parts: int) -> None:
    rig.begin(ZOOM)
    [first], [second] = rig.copies("a"), rig.copies("a")

    def changed() -> bool:
        if rig.s3.counts.kinds["UploadPart"] < parts:
            return False
        rig.zoom.change(SIZE + 1)
        return True

    outcomes = both(rig, first, second, when=changed)
    judge(rig, outcomes)
    assert objects_of(rig, "a")["a"].version == 2
