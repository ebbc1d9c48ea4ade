"""Unit tests of the copy of a stream."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import accumulate, count

import pytest

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3_settings import S3Fault
from ingester.errors import EmptyFile, FileTooLarge, SlowDown, TransferFailed
from ingester.transfer.multipart import Bucket, Destination, Upload
from ingester.transfer.part_worker import Stopped
from ingester.transfer.parts import MARK_NUMBER
from ingester.transfer.ranges import CHUNK_BYTES
from ingester.transfer.stream import BufferPool, PlainStream
from tests.unit.transfer.copying import METADATA, S3, Copying, key_of
from tests.unit.transfer.memory_source import VERSION, Break, MemoryBody, MemoryFile

LENGTH = 600_000
"""Length of a buffer in bytes. S3 allows small parts until an upload is completed.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""
TALK = Generated("talk", 4 * LENGTH + 77)


@dataclass
class Streaming:
    """A harness to copy streams into one upload."""

    bucket: Bucket
    upload: Upload
    lengths: list[int] = field(default_factory=list)
    with_retries: Callable[[Callable[[], object]], object] = lambda send: send()
    check: Callable[[], object] = lambda: None
    most_bytes: int | None = None

    def __post_init__(self) -> None:
        self.use(3, LENGTH)

    def use(self, count: int, length: int) -> None:
        """Use `count` buffers of `length` bytes."""
        self.count, self.buffers = count, BufferPool(count, length)

    def copy(self, body: MemoryBody) -> int:
        def on_bytes(length: int) -> None:
            self.lengths.append(length)
            self.check()

        stream = PlainStream(
            self.bucket,
            self.upload,
            self.buffers,
            on_bytes=on_bytes,
            with_retries=self.with_retries,
            most_bytes=self.most_bytes,
        )
        try:
            return stream.copy(body)
        finally:
            self.check_all_released()

    def check_all_released(self) -> None:
        """Assert that all buffers are released."""
        with ThreadPoolExecutor(1) as thread:
            acquired = [thread.submit(self.buffers.acquire).result(5) for _ in range(self.count)]
        for buffer in acquired:
            self.buffers.release(buffer)


@pytest.fixture
def streaming(bucket: Bucket) -> Streaming:
    destination = Destination(key_of("talk"), METADATA, {"etag": '"v1"', "part": None})
    return Streaming(bucket, bucket.begin(destination))


def body_of(
    content: Generated = TALK, failure: Break | None = None, *, is_sized: bool = True
) -> MemoryBody:
    return MemoryFile(content, has_ranges=False, is_sized=is_sized, script=[failure]).open(0, 0)


def is_in_s3(copying: Copying, content: Generated) -> bool:
    """Return whether the parts of the only unfinished upload have the content, in order."""
    [upload] = copying.s3.uploads()
    ends = list(accumulate(part.size for part in upload.parts))
    firsts = [0, *ends][:-1]
    crc32s = [content.crc32(first, end - 1) for first, end in zip(firsts, ends, strict=True)]
    return ends[-1] == content.size and crc32s == [part.crc32 for part in upload.parts]


class Endless(MemoryBody):
    """A body that never ends."""

    def read(self, length: int) -> bytes:
        return bytes(length)


class TestComplete:
    @pytest.mark.parametrize("is_sized", [True, False], ids=["of known size", "of unknown size"])
    def test_stream_is_copied_completely_in_parts_of_the_length_of_a_buffer(
        self, copying: Copying, streaming: Streaming, is_sized: bool
    ) -> None:
        assert streaming.copy(body_of(is_sized=is_sized)) == TALK.size
        assert is_in_s3(copying, TALK)
        assert [part.length for _, part in sorted(streaming.upload.stored.items())] == [
            *[LENGTH] * 4,
            77,
        ]
        assert sum(streaming.lengths) == TALK.size
        assert max(streaming.lengths) <= CHUNK_BYTES

    @pytest.mark.parametrize("size", [1, LENGTH - 1, LENGTH, LENGTH + 1, 2 * LENGTH])
    def test_stream_is_copied_completely_whatever_its_size(
        self, copying: Copying, streaming: Streaming, size: int
    ) -> None:
        content = Generated("talk", size)
        assert streaming.copy(body_of(content)) == size
        assert is_in_s3(copying, content)
        assert copying.begun() == [list(range(1, -(-size // LENGTH) + 1))]

    def test_empty_file_error_is_raised_when_a_stream_has_no_bytes(
        self, streaming: Streaming
    ) -> None:
        with pytest.raises(EmptyFile, match=r"talk\.mp4 with no bytes"):
            streaming.copy(body_of(Generated("talk", 0), is_sized=False))

    def test_transfer_failed_is_raised_when_a_stream_has_fewer_bytes_than_the_source_states(
        self, streaming: Streaming
    ) -> None:
        with pytest.raises(TransferFailed, match=f"700000 bytes came .*{TALK.size}"):
            streaming.copy(body_of(failure=Break(700_000, is_silent=True)))

    def test_transfer_failed_is_raised_when_a_stream_has_more_parts_than_s3_accepts(
        self, copying: Copying, streaming: Streaming
    ) -> None:
        streaming.use(3, 1)
        streaming.with_retries = lambda _: None
        with pytest.raises(TransferFailed, match="too large for a download without ranges"):
            streaming.copy(Endless(TALK, VERSION, 0, 0))
        assert len(streaming.lengths) == MARK_NUMBER - 1
        assert copying.begun() == [[]]


class TestRetries:
    def test_part_of_a_stream_is_not_sent_again_when_s3_has_it(
        self, copying: Copying, streaming: Streaming
    ) -> None:
        with pytest.raises(TransferFailed, match="line broke"):
            streaming.copy(body_of(failure=Break(3 * LENGTH + 5)))
        assert copying.begun() == [[1, 2, 3]]
        assert streaming.copy(body_of()) == TALK.size
        assert is_in_s3(copying, TALK)
        assert copying.requests("UploadPart") == 5

    def test_part_of_a_stream_is_sent_again_when_its_checksum_differs(
        self, copying: Copying, streaming: Streaming
    ) -> None:
        streaming.copy(body_of(replace(TALK, version=2)))
        streaming.copy(body_of())
        assert is_in_s3(copying, TALK)
        assert copying.requests("UploadPart") == 10

    def test_last_parts_of_an_earlier_longer_stream_are_dropped_when_the_stream_is_shorter(
        self, streaming: Streaming
    ) -> None:
        streaming.copy(body_of())
        shorter = Generated("talk", LENGTH + 7)
        streaming.copy(body_of(shorter))
        assert sorted(streaming.upload.stored) == [1, 2]
        assert sum(part.length for part in streaming.upload.stored.values()) == shorter.size

    def test_part_of_a_stream_is_sent_again_from_its_buffer_when_s3_answers_503(
        self, copying: Copying, streaming: Streaming
    ) -> None:
        fault = S3Fault(kind="status", nth=2, times=2)
        copying.s3.configure(replace(S3, faults=(fault,)), empty=False)

        def with_retries(send: Callable[[], object]) -> object:
            try:
                return send()
            except SlowDown:
                return with_retries(send)

        streaming.with_retries = with_retries
        assert streaming.copy(body_of()) == TALK.size
        assert is_in_s3(copying, TALK)
        assert sum(streaming.lengths) == TALK.size
        assert copying.requests("UploadPart") == 7

    @pytest.mark.parametrize("number", [1, 5], ids=["the first", "one in the middle"])
    def test_copy_of_a_stream_reads_at_most_two_more_parts_when_sending_a_part_fails(
        self, streaming: Streaming, number: int
    ) -> None:
        numbers = count(1)

        def with_retries(send: Callable[[], object]) -> object:
            if next(numbers) == number:
                raise SlowDown("AWS failed: UploadPart answered SlowDown.")
            return send()

        streaming.with_retries = with_retries
        streaming.use(1, LENGTH)
        with pytest.raises(SlowDown):
            streaming.copy(body_of(Generated("talk", 10 * LENGTH)))
        assert sum(streaming.lengths) <= (number + 2) * LENGTH


class TestEnds:
    def test_copy_of_a_stream_ends_when_the_callback_for_bytes_raises(
        self, streaming: Streaming
    ) -> None:
        def check() -> None:
            if len(streaming.lengths) == 4:
                raise Stopped

        streaming.check = check
        with pytest.raises(Stopped):
            streaming.copy(body_of())

    def test_three_parts_of_a_stream_are_sent_at_the_same_time(self, streaming: Streaming) -> None:
        # Each of the three requests waits until the other two have begun.
        together = threading.Barrier(3)

        def with_retries(send: Callable[[], object]) -> object:
            together.wait(10)
            return send()

        streaming.with_retries = with_retries
        content = Generated("talk", 3 * LENGTH)
        assert streaming.copy(body_of(content)) == content.size


class TestBuffers:
    def test_buffer_pool_waits_when_all_buffers_are_in_use(self) -> None:
        buffers = BufferPool(2, 10)
        first, second = buffers.acquire(), buffers.acquire()
        with ThreadPoolExecutor(1) as thread:
            third = thread.submit(buffers.acquire)
            assert not third.done()
            buffers.release(first)
            assert third.result(5) is first
        assert second is not first
        assert {len(first), len(second)} == {10}

    def test_file_too_large_is_raised_before_a_stream_sends_the_part_that_exceeds_the_limit(
        self, streaming: Streaming
    ) -> None:
        streaming.most_bytes = 2 * LENGTH
        assert streaming.copy(body_of(Generated("small", 2 * LENGTH))) == 2 * LENGTH
        with pytest.raises(FileTooLarge):
            streaming.copy(body_of(Generated("large", 2 * LENGTH + 1)))
        assert set(streaming.upload.stored) <= {1, 2}

    def test_buffer_pool_reuses_a_released_buffer(self) -> None:
        buffers = BufferPool(2, 10)
        first = buffers.acquire()
        buffers.release(first)
        assert buffers.acquire() is first

    def test_several_streams_are_copied_at_the_same_time_with_one_buffer(
        self, copying: Copying, bucket: Bucket
    ) -> None:
        buffers = BufferPool(1, LENGTH)
        contents = [Generated(name, 2 * LENGTH) for name in ("a", "b", "c")]

        def copied(content: Generated) -> int:
            upload = bucket.begin(Destination(key_of(content.name), METADATA, {}))
            stream = PlainStream(
                bucket, upload, buffers, on_bytes=lambda _: None, with_retries=lambda send: send()
            )
            return stream.copy(body_of(content))

        with ThreadPoolExecutor(3) as threads:
            assert list(threads.map(copied, contents)) == [2 * LENGTH] * 3
        assert copying.begun() == [[1, 2]] * 3
