"""Tests of the faults that the strategies draw."""

from __future__ import annotations

from bench.transfer.peers.zoom_settings import ZoomFault
from tests.transfer.strategies import recognizable


def test_first_fault_with_wrong_validators_stays_when_an_equal_fault_follows() -> None:
    wrong = ZoomFault(kind="headers", request=1, headers={"ETag": ""})
    assert recognizable([wrong, wrong], has_validators=True) == (wrong,)


def test_each_change_has_its_own_size_when_the_files_have_no_validators() -> None:
    change = ZoomFault(kind="changed", request=1)
    faults = recognizable([change, change], has_validators=False)
    assert len({fault.size for fault in faults} - {None}) == 2
