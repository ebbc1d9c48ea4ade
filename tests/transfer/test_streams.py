"""A source that answers no ranges, and perhaps tells no size: where does it end?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from ingester.errors import TransferFailed
from ingester.transfer.plan import Copied
from tests.transfer.rig import Rig, settled
from tests.transfer.verdict import objects_of

SIZE = 12_000_000
UNTOLD = ZoomSettings(files={"a": SIZE}, ranges=False, content_length=False)


def test_an_end_that_comes_early_is_no_end(rig: Rig) -> None:
    """A connection that is closed in order is all that ends such an answer."""
    rig.begin(UNTOLD, zoom_faults=[ZoomFault(what="fin", total=SIZE // 2)])
    [copied] = rig.engine().copy(rig.copies("a", told={"a": SIZE}))
    assert isinstance(copied, Copied)
    assert copied.size == objects_of(rig, "a")["a"].size == SIZE


@pytest.mark.parametrize("size", [None, 3_000_000, 17_000_000], ids=["same", "less", "more"])
def test_a_try_that_broke_off_leaves_nothing_in_the_next(rig: Rig, size: int | None) -> None:
    """Nothing tells the versions apart but their bytes."""
    changes = ZoomFault(what="changed", request=2, size=size)
    breaks = ZoomFault(what="rst", total=SIZE - 1)
    rig.begin(replace(UNTOLD, etag=False, last_modified=False), zoom_faults=[breaks, changes])
    rig.engine().copy(rig.copies("a"))
    settled()
    assert objects_of(rig, "a")["a"].version == 2
    assert rig.s3.uploads() == []


def test_an_end_that_always_comes_early_is_an_error(rig: Rig) -> None:
    rig.begin(UNTOLD, zoom_faults=[ZoomFault(what="fin", request=1, times=99)])
    with pytest.raises(TransferFailed, match=f"{SIZE // 2} bytes came of a.mp4, told were {SIZE}"):
        rig.engine().copy(rig.copies("a", told={"a": SIZE}))
    settled()
    assert rig.s3.objects() == []
