"""Unit tests of the range reader, which continues after a failure or raises the failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.transfer.peers.content import Generated
from ingester.errors import (
    FileUnavailable,
    RetryableFailure,
    SourceChanged,
    TransferFailed,
    ZoomBusy,
    ZoomUnreachable,
)
from ingester.transfer.part_worker import Stopped
from ingester.transfer.ranges import (
    CHUNK_BYTES,
    FAILURES,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RangeReader,
    Version,
)
from tests.unit.transfer.memory_source import VERSION, Break, MemoryFile

CONTENT = Generated("talk", 3 * CHUNK_BYTES + 99)
VERSION_OF_ALL = Version(CONTENT.size, VERSION.etag, VERSION.last_modified)


@dataclass
class Harness:
    """A reader of a file in memory, and the calls of the reader's callbacks."""

    file: MemoryFile
    version: Version = VERSION_OF_ALL
    lengths: list[int] = field(default_factory=list)
    failures: list[RetryableFailure] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    at_each: Callable[[int], object] = lambda _: None

    def __post_init__(self) -> None:
        self.reader = RangeReader(
            self.file,
            self.version,
            sleep=self.slept.append,
            on_bytes=self._on_bytes,
            on_failure=self.failures.append,
        )

    def _on_bytes(self, length: int) -> None:
        self.lengths.append(length)
        self.at_each(length)

    def chunks(self, first: int, last: int) -> Generator[bytes, None, None]:
        return self.reader.chunks(self.reader.open(first, last), first, last)

    def read(self, first: int = 0, last: int = CONTENT.size - 1) -> bytes:
        return b"".join(self.chunks(first, last))

    @property
    def all_closed(self) -> bool:
        return all(body.is_closed for body in self.file.bodies)


def harness_of(*script: Break | Exception | None, **changes: object) -> Harness:
    return Harness(MemoryFile(CONTENT, script=script, **changes))  # type: ignore[arg-type]


def part_of(first: int, last: int) -> bytes:
    return CONTENT.read(first, last - first + 1)


of_bodies = st.one_of(
    st.builds(Break, st.integers(0, CONTENT.size)),
    st.builds(Break, st.integers(0, CONTENT.size), is_silent=st.just(True)),
)
of_openings = st.sampled_from(
    [
        ZoomUnreachable("Zoom answered 500."),
        ZoomBusy("Zoom answered 429.", LONGEST_PAUSE),
        TransferFailed("Zoom answered with another range."),
    ]
)


@given(
    first=st.integers(0, CONTENT.size - 1),
    length=st.integers(1, CONTENT.size),
    begin=of_bodies,
    more=st.lists(of_bodies | of_openings, max_size=FAILURES - 1),
)
def test_range_reader_returns_the_bytes_of_the_range_when_failures_stay_within_the_limit(
    first: int, length: int, begin: Break, more: list[Break | Exception]
) -> None:
    last = min(first + length, CONTENT.size) - 1
    harness = harness_of(begin, *more)
    assert harness.read(first, last) == part_of(first, last)
    assert sum(harness.lengths) == last - first + 1
    assert len(harness.slept) == len(harness.failures) <= len(more) + 1
    assert all(0 <= pause <= LONGEST_PAUSE for pause in harness.slept)
    assert harness.all_closed


class TestContinues:
    def test_range_continues_at_the_byte_at_which_it_broke_off(self) -> None:
        harness = harness_of(Break(1000), Break(500), Break(0))
        assert harness.read(100, 3000) == part_of(100, 3000)
        assert harness.file.requested == [(100, 3000), (1100, 3000), (1600, 3000), (1600, 3000)]
        assert harness.lengths == [1000, 500, 1401]
        assert len(harness.failures) == 3

    def test_range_continues_when_a_body_ends_early(self) -> None:
        harness = harness_of(Break(1000, is_silent=True))
        assert harness.read(0, 1999) == part_of(0, 1999)
        assert harness.file.requested == [(0, 1999), (1000, 1999)]
        assert "ended early" in str(harness.failures[0])

    def test_range_continues_when_the_source_was_unreachable(self) -> None:
        harness = harness_of(Break(1000), ZoomUnreachable("No."), ZoomUnreachable("No."))
        assert harness.read(0, 1999) == part_of(0, 1999)
        assert harness.file.requested == [(0, 1999), *[(1000, 1999)] * 3]

    def test_backoff_of_a_range_stays_within_a_limit_that_doubles_with_each_failure(self) -> None:
        harness = harness_of(*[Break(0)] * FAILURES)
        harness.read(0, 9)
        limits = [FIRST_PAUSE * 2**number for number in range(FAILURES)]
        assert all(0 <= pause <= most for pause, most in zip(harness.slept, limits, strict=True))
        assert max(limits) < LONGEST_PAUSE

    def test_pause_of_the_range_reader_lasts_as_long_as_retry_after_says(self) -> None:
        harness = harness_of(Break(5), ZoomBusy("Zoom answered 429.", 4.0))
        harness.read(0, 9)
        assert harness.slept[1] == 4.0

    def test_range_continues_after_50_failures_when_bytes_arrive_before_each_failure(self) -> None:
        harness = harness_of(*[Break(10)] * 50)
        assert harness.read(0, 600) == part_of(0, 600)
        assert len(harness.failures) == 50


class TestGivesUp:
    @pytest.mark.parametrize("error", [TransferFailed, ZoomUnreachable])
    def test_range_reader_gives_up_after_several_failures_in_a_row_without_a_byte(
        self, error: type[Exception]
    ) -> None:
        harness = harness_of(*[Break(0, error)] * 20)
        with pytest.raises(error):
            harness.read()
        assert len(harness.file.requested) == FAILURES + 1
        assert (len(harness.failures), len(harness.slept)) == (FAILURES, FAILURES)
        assert harness.all_closed

    def test_range_reader_gives_up_when_the_source_stays_unreachable(self) -> None:
        harness = harness_of(Break(7), *[ZoomUnreachable("No.")] * 20)
        with pytest.raises(ZoomUnreachable):
            harness.read()
        assert harness.lengths == [7]
        assert len(harness.file.requested) == FAILURES + 1

    def test_range_reader_gives_up_when_retry_after_is_longer_than_the_longest_pause(self) -> None:
        # S3 closes a request that sends nothing for 20 seconds, so the reader's pauses are limited.
        harness = harness_of(Break(7), ZoomBusy("Zoom answered 503.", LONGEST_PAUSE + 1))
        with pytest.raises(ZoomBusy):
            harness.read()
        assert len(harness.slept) == 1
        assert len(harness.failures) == 1

    def test_range_reader_gives_up_when_the_file_is_unavailable(self) -> None:
        harness = harness_of(Break(7), FileUnavailable("Zoom answered 400 to the download."))
        with pytest.raises(FileUnavailable):
            harness.read()
        assert len(harness.file.requested) == 2


class TestChanged:
    @pytest.mark.parametrize(
        "version",
        [
            Version(CONTENT.size + 1, VERSION.etag, VERSION.last_modified),
            Version(CONTENT.size, '"v2"', VERSION.last_modified),
            Version(CONTENT.size, VERSION.etag, "Tue, 03 Nov 2026 10:00:00 GMT"),
        ],
        ids=["size", "ETag", "Last-Modified"],
    )
    def test_source_changed_is_raised_when_the_source_has_another_version(
        self, version: Version
    ) -> None:
        harness = Harness(MemoryFile(CONTENT), version)
        with pytest.raises(SourceChanged, match=r"talk\.mp4 changed"):
            harness.reader.open(0, 9)
        assert harness.all_closed

    def test_source_changed_is_raised_when_the_version_changes_after_a_failure(self) -> None:
        harness = harness_of(Break(1000))

        def change(_: int) -> None:
            harness.file.version = Version(None, '"v2"')

        harness.at_each = change
        chunks = harness.chunks(0, 1999)
        assert next(chunks) == part_of(0, 999)
        with pytest.raises(SourceChanged):
            next(chunks)
        assert len(harness.slept) == 1
        assert harness.all_closed

    @pytest.mark.parametrize("first", [0, 1000])
    def test_source_changed_is_raised_when_the_source_answers_without_a_range(
        self, first: int
    ) -> None:
        harness = Harness(MemoryFile(CONTENT, has_ranges=False))
        with pytest.raises(SourceChanged):
            harness.reader.open(first, 1999)
        assert harness.all_closed

    def test_source_changed_is_raised_when_the_answer_has_another_offset(self) -> None:
        harness = harness_of()
        open_there = harness.file.open
        harness.file.open = lambda first, last: open_there(first + 1, last)  # type: ignore[method-assign]
        with pytest.raises(SourceChanged):
            harness.reader.open(5, 9)


class TestEnds:
    def test_chunks_of_the_range_reader_have_at_most_256_kib(self) -> None:
        harness = harness_of()
        assert [len(chunk) for chunk in harness.chunks(0, CONTENT.size - 1)] == harness.lengths
        assert max(harness.lengths) == harness.file.bodies[0].longest_read == CHUNK_BYTES

    def test_range_reader_returns_no_byte_after_the_range(self) -> None:
        harness = harness_of()
        body = harness.reader.open(0, CONTENT.size - 1)
        assert b"".join(harness.reader.chunks(body, 0, 9)) == part_of(0, 9)

    def test_range_reader_ends_when_the_callback_for_bytes_raises(self) -> None:
        harness = harness_of()
        stop = threading.Event()

        def check(_: int) -> None:
            if stop.is_set():
                raise Stopped

        harness.at_each = check
        chunks = harness.chunks(0, CONTENT.size - 1)
        next(chunks)
        stop.set()
        with pytest.raises(Stopped):
            next(chunks)
        assert harness.all_closed
        assert harness.failures == []

    def test_body_of_the_source_is_closed_when_chunks_of_the_range_reader_are_closed_early(
        self,
    ) -> None:
        # S3 may refuse a part before all its chunks are read.
        harness = harness_of()
        chunks = harness.chunks(0, CONTENT.size - 1)
        next(chunks)
        chunks.close()
        assert harness.all_closed
