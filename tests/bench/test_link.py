"""Bytes are held back by the clock."""

from __future__ import annotations

import pytest

from bench.transfer.peers.link import Pacer


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_no_more_than_the_rate_passes() -> None:
    clock = Clock()
    pacer = Pacer(2, 1000, clock.wait, clock)
    for _ in range(100):
        pacer.pass_on(10_000)
    assert clock.now == pytest.approx(100.5)


def test_a_pause_is_made_up_for_by_one_burst_only() -> None:
    clock = Clock()
    pacer = Pacer(1, 50_000, clock.wait, clock)
    clock.wait(10)
    for _ in range(10):
        pacer.pass_on(10_000)
    assert clock.now == pytest.approx(110.05)


def test_without_a_rate_nothing_waits() -> None:
    clock = Clock()
    Pacer(0, 1, clock.wait, clock).pass_on(10**12)
    assert clock.now == 100
