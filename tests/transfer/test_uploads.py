"""Tests of leftover uploads and connections, and of two runs with the same key."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bench.transfer.peers.s3_settings import S3Fault
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from ingester.errors import (
    AwsFailed,
    FileRefused,
    FileUnavailable,
    IngesterError,
    NotAFile,
    RetryableFailure,
)
from ingester.transfer.plan import Copied, Copy, Target
from tests.transfer.harness import (
    END_SECONDS,
    ONE_CONNECTION,
    POLL_SECONDS,
    Harness,
    wait_for_threads,
)

ONE = ZoomSettings(files={"a": 24_000_000})
TWO = ZoomSettings(files={"a": 24_000_000, "b": 30_000_000})
PAGE = ZoomFault(kind="status", status=200, body="<html>", request=4, times=99)
RANGES = pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "no ranges"])


@contextmanager
def no_open_sockets() -> Iterator[None]:
    """Fail if the `with` block leaves an open connection that nothing refers to."""
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        wait_for_threads()
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


class TestLeftovers:
    def test_copy_leaves_nothing_in_s3_when_zoom_sends_html(self, harness: Harness) -> None:
        harness.begin(TWO, zoom_faults=[PAGE])
        with pytest.raises(NotAFile):
            harness.copy("ab")
        assert (harness.s3.uploads(), harness.s3.objects()) == ([], [])

    def test_copy_leaves_nothing_in_s3_when_a_changed_file_is_refused(
        self, harness: Harness
    ) -> None:
        changed = ZoomFault(kind="changed", request=3)
        refused = ZoomFault(kind="status", status=404, request=4, times=99)
        refused_redirect = replace(refused, where="rec", request=2)
        harness.begin(ONE, zoom_faults=[changed, refused, refused_redirect])
        with pytest.raises(FileRefused):
            harness.copy(engine=harness.engine(ONE_CONNECTION))
        assert (harness.s3.uploads(), harness.s3.objects()) == ([], [])

    def test_copy_leaves_no_object_and_no_upload_of_a_skipped_file(self, harness: Harness) -> None:
        # A copy skips a file only if Zoom sends a page even for a new URL and a fresh token.
        pages = [replace(PAGE, request=6, times=1), replace(PAGE, where="rec", request=3, times=2)]
        harness.begin(TWO, zoom_faults=pages)
        results = harness.copy(
            "ab", tolerated_errors=(NotAFile,), engine=harness.engine(ONE_CONNECTION)
        )
        assert sorted(isinstance(result, Copied) for result in results) == [False, True]
        assert len(harness.versions()) == 1
        assert harness.s3.uploads() == []

    @RANGES
    def test_copy_leaves_no_upload_of_an_opened_file_when_another_file_fails(
        self, harness: Harness, has_ranges: bool
    ) -> None:
        # Zoom sends a page for the other file while S3 is slow to answer the new upload.
        harness.begin(replace(TWO, ranges=has_ranges), zoom_faults=[replace(PAGE, request=2)])
        harness.s3.configure(replace(harness.s3.settings, latency_ms=100))
        with no_open_sockets(), pytest.raises(FileUnavailable):
            harness.copy("ab")
        assert harness.uploads_begun == 1
        assert (harness.s3.uploads(), harness.s3.objects()) == ([], [])

    def test_copy_begins_only_one_upload_when_the_first_answer_of_zoom_breaks_off(
        self, harness: Harness
    ) -> None:
        harness.begin(ONE, zoom_faults=[ZoomFault(kind="rst", request=1, after=0)])
        harness.copy()
        assert harness.uploads_begun == 1
        assert set(harness.versions()) == {"a"}

    def test_copy_closes_its_connections_when_s3_reads_no_byte(self, tls_harness: Harness) -> None:
        # S3 breaks off before it reads, so that nothing reads the bytes that Zoom sends.
        tls_harness.begin(ONE, s3_faults=[S3Fault(kind="rst", moment="before", times=99)])
        with no_open_sockets(), pytest.raises(AwsFailed):
            tls_harness.copy()

    @RANGES
    @pytest.mark.parametrize(
        ("operation", "nth"),
        [*(("UploadPart", nth) for nth in range(1, 7)), ("CompleteMultipartUpload", 1)],
    )
    def test_copy_begins_another_upload_when_its_upload_was_ended_elsewhere(
        self, harness: Harness, operation: str, nth: int, has_ranges: bool
    ) -> None:
        # UploadPart also sends the mark. So the mark's request can be the first to fail.
        fault = S3Fault(kind="gone", operation=operation, nth=nth, moment="before")
        harness.begin(replace(ONE, ranges=has_ranges), s3_faults=[fault])
        harness.copy()
        assert set(harness.versions()) == {"a"}
        assert harness.uploads_begun == 2


SIZE = 40_000_000
Outcome = Future[list[Copied | IngesterError]]


class TestTwoRuns:
    """Tests of two runs that copy the same file to the same key, as a queue can cause."""

    @pytest.fixture(autouse=True)
    def _zoom(self, harness: Harness) -> None:
        harness.begin(ZoomSettings(files={"a": SIZE}, link_mbps=100))

    def run_both(self, harness: Harness, copies: list[Copy], *, when: Callable[[], bool]) -> None:
        """Run both copies, and check the outcome.

        The second copy begins as soon as `when` returns true or the first has ended. S3 must hold
        one whole version and no upload. At least one run must succeed, with the version's size as
        its result. The other run may have a retryable failure.
        """
        first, second = copies
        with ThreadPoolExecutor(2) as runs:
            running: Outcome = runs.submit(harness.engine().copy, [first])
            while not when() and not running.done():
                wait([running], POLL_SECONDS)
            outcomes = [running, runs.submit(harness.engine().copy, [second])]
        wait_for_threads()
        [version] = harness.versions().values()
        assert harness.s3.uploads() == []
        for outcome in outcomes:
            if error := outcome.exception():
                assert isinstance(error, RetryableFailure)
            else:
                [copied] = outcome.result()
                assert isinstance(copied, Copied)
                assert copied.size == version.size
        assert any(outcome.exception() is None for outcome in outcomes)

    @pytest.mark.parametrize("parts", range(10))
    def test_object_in_s3_is_one_whole_version_when_a_copy_begins_during_another_copy(
        self, harness: Harness, parts: int
    ) -> None:
        copies = harness.copies("aa")
        kinds = harness.s3.counts.kinds
        self.run_both(harness, copies, when=lambda: kinds["UploadPart"] >= parts)

    @pytest.mark.parametrize("_", range(3))
    def test_object_in_s3_is_one_whole_version_when_two_copies_begin_at_the_same_time(
        self, harness: Harness, _: int
    ) -> None:
        # The barrier makes both runs meet before either has asked S3 for uploads.
        meeting = threading.Barrier(2)

        def meet(copy: Copy) -> Copy:
            expected = [meeting]

            def target_of(name: str) -> Target:
                if expected:
                    expected.pop().wait(END_SECONDS)
                return copy.target_of(name)

            return replace(copy, target_of=target_of)

        copies = [meet(copy) for copy in harness.copies("aa")]
        self.run_both(harness, copies, when=lambda: True)

    @pytest.mark.parametrize("parts", [1, 4, 7])
    def test_s3_object_is_the_new_version_when_the_source_changes_during_the_first_of_two_copies(
        self, harness: Harness, parts: int
    ) -> None:
        kinds = harness.s3.counts.kinds

        def change() -> bool:
            if kinds["UploadPart"] < parts:
                return False
            harness.zoom.change(SIZE + 1)
            return True

        self.run_both(harness, harness.copies("aa"), when=change)
        assert harness.versions()["a"].version == 2
