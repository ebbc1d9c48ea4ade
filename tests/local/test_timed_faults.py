"""Tests of a stand-in's faults that last for some seconds."""

from __future__ import annotations

from local.neighbours.faults import BaseFault, FaultQueue


def test_lasting_fault_affects_every_request_until_its_end() -> None:
    moment = 100.0
    faults = FaultQueue[BaseFault](lambda: moment)
    faults.add(BaseFault(lasting=60))
    assert all(faults.take(lambda _: True) for _ in range(5))
    moment = 159.0
    assert faults.take(lambda _: True)
    moment = 160.0
    assert faults.take(lambda _: True) is None
    assert faults.pending() == ()


def test_fault_without_a_duration_affects_one_request() -> None:
    faults = FaultQueue[BaseFault]()
    faults.add(BaseFault())
    assert faults.take(lambda _: True)
    assert faults.take(lambda _: True) is None
