"""An upload that somebody else ends in mid-copy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.transfer.peers.s3_settings import S3Fault
from bench.transfer.peers.zoom_settings import ZoomSettings
from tests.transfer.rig import Rig
from tests.transfer.verdict import objects_of

ONE = ZoomSettings(files={"a": 24_000_000})


@pytest.mark.parametrize("is_ranged", [True, False], ids=["ranges", "no ranges"])
@pytest.mark.parametrize(
    ("operation", "nth"),
    [*(("UploadPart", nth) for nth in range(1, 7)), ("CompleteMultipartUpload", 1)],
)
def test_it_is_begun_anew(rig: Rig, operation: str, nth: int, is_ranged: bool) -> None:
    """Also where the mark, one of the first five parts, is the first to notice."""
    fault = S3Fault(what="gone", operation=operation, nth=nth, moment="before")
    rig.begin(replace(ONE, ranges=is_ranged), s3_faults=[fault])
    rig.engine().copy(rig.copies(ONE.files))
    assert set(objects_of(rig, "a")) == {"a"}
    assert rig.s3.stats().operations["CreateMultipartUpload"] == 2
