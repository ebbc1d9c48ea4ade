"""What is left when a copy ends: nothing of one that failed for good, no connection of any."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bench.transfer.peers.s3_settings import S3Fault
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from ingester.errors import AwsFailed, FileRefused, FileUnavailable, NotAFile
from ingester.transfer.engine import Budget
from ingester.transfer.plan import Copied
from tests.transfer.rig import Rig, settled
from tests.transfer.verdict import objects_of

ONE = ZoomSettings(files={"a": 24_000_000})
TWO = replace(ONE, files={"a": 24_000_000, "b": 30_000_000})
PAGE = ZoomFault(what="status", status=200, body="<html>", request=4, times=99)
REFUSED = ZoomFault(what="status", status=404, request=4, times=99)
PAGE_AGAIN = replace(PAGE, where="rec", request=3, times=2)
"""Also when the address is asked for again, and with a fresh token."""
IN_THE_REDIRECT = replace(REFUSED, where="rec", request=2)
CHANGED = ZoomFault(what="changed", request=3)


@contextmanager
def no_open_sockets() -> Iterator[None]:
    """Fails if a connection is still open when nobody knows it any more."""
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        settled()
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_a_page_in_place_of_a_file_ends_all(rig: Rig) -> None:
    rig.begin(TWO, zoom_faults=[PAGE])
    with pytest.raises(NotAFile):
        rig.engine().copy(rig.copies(TWO.files))
    settled()
    assert (rig.s3.uploads(), rig.s3.objects()) == ([], [])


def test_a_file_that_is_gone_after_it_changed_leaves_nothing_of_before(rig: Rig) -> None:
    rig.begin(ONE, zoom_faults=[CHANGED, REFUSED, IN_THE_REDIRECT])
    one_by_one = Budget(connections=1)
    with pytest.raises(FileRefused):
        rig.engine(one_by_one).copy(rig.copies(ONE.files))
    settled()
    assert (rig.s3.uploads(), rig.s3.objects()) == ([], [])


def test_a_file_that_is_skipped_leaves_nothing(rig: Rig) -> None:
    rig.begin(TWO, zoom_faults=[replace(PAGE, request=6, times=1), PAGE_AGAIN])
    skipped = rig.engine().copy(rig.copies(TWO.files, skips=(NotAFile,)))
    settled()
    assert sorted(isinstance(one, Copied) for one in skipped) == [False, True]
    assert len(objects_of(rig, "ab")) == 1
    assert rig.s3.uploads() == []


@pytest.mark.parametrize("is_ranged", [True, False], ids=["ranges", "no ranges"])
def test_a_file_that_was_only_opened_when_another_failed_leaves_nothing(
    rig: Rig, is_ranged: bool
) -> None:
    """S3 begins an upload, but is slow to say so, while Zoom refuses the other file."""
    rig.begin(replace(TWO, ranges=is_ranged), zoom_faults=[replace(PAGE, request=2)])
    rig.s3.configure(replace(rig.s3.settings, latency_ms=100))
    with no_open_sockets(), pytest.raises(FileUnavailable):
        rig.engine().copy(rig.copies("ab"))
    settled()
    assert rig.s3.stats().operations["CreateMultipartUpload"] == 1
    assert rig.s3.uploads() == []


def test_the_probe_s_byte_is_not_missed(rig: Rig) -> None:
    rig.begin(ONE, zoom_faults=[ZoomFault(what="rst", request=1, after=0)])
    rig.engine().copy(rig.copies(ONE.files))
    assert rig.s3.stats().operations["CreateMultipartUpload"] == 1
    assert set(objects_of(rig, "a")) == {"a"}


def test_connections_are_closed_where_s3_takes_nothing(tls_rig: Rig) -> None:
    """S3 breaks off before it has read a byte, so nothing is read of what Zoom sends."""
    tls_rig.begin(ONE, s3_faults=[S3Fault(what="rst", moment="before", times=99)])
    with no_open_sockets(), pytest.raises(AwsFailed):
        tls_rig.engine().copy(tls_rig.copies(ONE.files))
