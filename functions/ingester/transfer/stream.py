"""Copy a source without ranges: divide one plain stream into parts while it is received.

The source can't send a single part again. So each part stays in a buffer until S3 has stored the
part. The next part is read while earlier ones are sent. All files of a recording share a few
buffers.
"""

from __future__ import annotations

import contextvars
import queue
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from zlib_ng import zlib_ng

from ingester.errors import EmptyFile, FileTooLarge, TransferFailed
from ingester.transfer.multipart import Bucket, Upload
from ingester.transfer.parts import MAX_PARTS, Part
from ingester.transfer.ranges import CHUNK_BYTES, Body

SENDERS = 3
"""Number of threads that send parts. One connection to S3 may be slower than the stream."""

WithRetries = Callable[[Callable[[], object]], object]
"""A function that calls its argument, and calls the argument again after a failure."""


class BufferPool:
    """A pool of `count` buffers of `length` bytes."""

    def __init__(self, count: int, length: int) -> None:
        self.length = length
        self._free: queue.LifoQueue[bytearray | None] = queue.LifoQueue()
        for _ in range(count):
            # A buffer is created when it is first used, because most recordings need none.
            self._free.put(None)

    def acquire(self) -> bytearray:
        """Wait until a buffer is free, and return that buffer."""
        return self._free.get() or bytearray(self.length)

    def release(self, buffer: bytearray) -> None:
        """Put a buffer back into the pool."""
        self._free.put(buffer)


@dataclass(frozen=True)
class PlainStream:
    """Copier of whole bodies into an upload.

    Attributes:
        bucket: The bucket.
        upload: The upload.
        buffers: Buffers for the parts.
        on_bytes: Called with the length of each chunk; may raise to end the copy.
        with_retries: Makes a request to S3 with retries.
        expected_size: Expected size of the body in bytes; None if unknown. The copy fails at the
            part that exceeds this size.
        most_bytes: Largest size in bytes that is copied; None without a limit.
    """

    bucket: Bucket
    upload: Upload
    buffers: BufferPool
    on_bytes: Callable[[int], None]
    with_retries: WithRetries
    expected_size: int | None = None
    most_bytes: int | None = None

    def copy(self, body: Body) -> int:
        """Copy a body, and return the number of bytes.

        A part that an earlier attempt has stored with the same checksum isn't sent again.

        Raises:
            EmptyFile: The body has no bytes.
            TransferFailed: The body breaks off or stalls; the number of its bytes isn't the size
                that the source says, or exceeds `expected_size`; or the body has `MAX_PARTS` parts
                or more.
            FileTooLarge: The body has more than `most_bytes`.
            IngesterError: See `Bucket.send`.
        """
        size = 0
        sent: list[Future[None]] = []
        with ThreadPoolExecutor(SENDERS) as senders:
            for part, buffer in self._parts(body):
                size = part.last + 1
                run_in_context = contextvars.copy_context().run
                sent.append(senders.submit(run_in_context, self._store, part, buffer))
                for done in [future for future in sent if future.done()]:
                    done.result()
                    sent.remove(done)
        for future in sent:
            future.result()
        # Stored parts after the last one are from an earlier attempt with a longer stream.
        last = -(-size // self.buffers.length)
        for number in [number for number in self.upload.stored if number > last]:
            del self.upload.stored[number]
        if size == 0:
            raise EmptyFile(f"Zoom sent {body.name or 'a file'} with no bytes in it.")
        if body.version.size not in (None, size):
            expected = body.version.size
            raise TransferFailed(f"{size} bytes came from {body.name}, expected {expected}.")
        return size

    def _parts(self, body: Body) -> Iterator[tuple[Part, bytearray]]:
        """Yield the body's parts, each with its buffer, which the caller has to release.

        Raises:
            TransferFailed: The body breaks off or stalls, exceeds `expected_size`, or has
                `MAX_PARTS` parts or more.
            FileTooLarge: The body has more than `most_bytes`.
        """
        first = 0
        for number in range(1, MAX_PARTS + 1):
            buffer = self.buffers.acquire()
            try:
                length = self._fill(body, buffer)
            except BaseException:
                self.buffers.release(buffer)
                raise
            if not length:
                self.buffers.release(buffer)
                return
            if self.most_bytes is not None and first + length > self.most_bytes:
                self.buffers.release(buffer)
                raise FileTooLarge(f"{body.name} has more than {self.most_bytes} bytes.")
            yield Part(number, first, first + length - 1), buffer
            first += length
            if self.expected_size is not None and first > self.expected_size:
                raise TransferFailed(f"More bytes came from {body.name} than {self.expected_size}.")
        raise TransferFailed(f"{body.name} is too large for a download without ranges.")

    def _fill(self, body: Body, buffer: bytearray) -> int:
        filled = 0
        while filled < len(buffer):
            chunk = body.read(min(CHUNK_BYTES, len(buffer) - filled))
            if not chunk:
                break
            buffer[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
            self.on_bytes(len(chunk))
        return filled

    def _store(self, part: Part, buffer: bytearray) -> None:
        """Send a part unless S3 has stored it, and release the part's buffer."""
        try:
            content = memoryview(buffer)[: part.length]
            crc32 = b64encode(zlib_ng.crc32(content).to_bytes(4, "big")).decode()
            stored = self.upload.stored.get(part.number)
            if stored is None or (stored.length, stored.crc32) != (part.length, crc32):
                self.with_retries(lambda: self.bucket.send(self.upload, part, _chunks(content)))
        finally:
            self.buffers.release(buffer)


def _chunks(content: memoryview) -> Iterator[memoryview]:
    for first in range(0, len(content), CHUNK_BYTES):
        yield content[first : first + CHUNK_BYTES]
