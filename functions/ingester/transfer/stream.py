"""A source that doesn't answer ranges: one plain stream, cut into parts as it comes.

No byte can be asked for twice but by beginning anew, so each part is kept until S3 has it, and
while one is sent the next is read. The buffers are few and shared by all files of a recording.
"""

from __future__ import annotations

import contextvars
import queue
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from zlib_ng import zlib_ng

from ingester.errors import EmptyFile, TransferFailed
from ingester.transfer.multipart import Bucket, Upload
from ingester.transfer.parts import MOST, Part
from ingester.transfer.ranges import CHUNK_BYTES, Body

SENDERS = 3
"""More than one, because a connection to S3 can be slower than the stream that feeds it."""

Send = Callable[[Callable[[], object]], object]


class Buffers:
    """`count` buffers of `length` bytes; whoever wants one more waits."""

    def __init__(self, count: int, length: int) -> None:
        self.length = length
        self._free: queue.LifoQueue[bytearray | None] = queue.LifoQueue()
        for _ in range(count):
            # Made when it is wanted: most recordings need none.
            self._free.put(None)

    def take(self) -> bytearray:
        return self._free.get() or bytearray(self.length)

    def give_back(self, buffer: bytearray) -> None:
        self._free.put(buffer)


@dataclass(frozen=True)
class PlainStream:
    """Copies a body to its end into an upload.

    `got` is told the length of each chunk and may raise to end it. `again` runs a request until it
    succeeds.
    """

    bucket: Bucket
    upload: Upload
    buffers: Buffers
    got: Callable[[int], None]
    again: Send

    def copy(self, body: Body) -> int:
        """The size in bytes of what is stored. TransferFailed if it isn't the size that was told.

        A part that S3 has from an earlier try, with the same checksum, isn't sent again.
        """
        size = 0
        sent: list[Future[None]] = []
        with ThreadPoolExecutor(SENDERS) as senders:
            for part, buffer in self._parts(body):
                size = part.last + 1
                run = contextvars.copy_context().run
                sent.append(senders.submit(run, self._store, part, buffer))
                for done in [future for future in sent if future.done()]:
                    done.result()
                    sent.remove(done)
        for future in sent:
            future.result()
        # What an earlier, longer stream left is no part of this one.
        last = -(-size // self.buffers.length)
        for number in [number for number in self.upload.stored if number > last]:
            del self.upload.stored[number]
        if size == 0:
            raise EmptyFile(f"Zoom handed out {body.name or 'a file'} with no bytes in it.")
        if body.version.size not in (None, size):
            told = body.version.size
            raise TransferFailed(f"{size} bytes came of {body.name}, told were {told}.")
        return size

    def _parts(self, body: Body) -> Iterator[tuple[Part, bytearray]]:
        """Numbered parts, each in a buffer that has to be given back."""
        first = 0
        for number in range(1, MOST + 1):
            buffer = self.buffers.take()
            try:
                length = self._fill(body, buffer)
            except BaseException:
                self.buffers.give_back(buffer)
                raise
            if not length:
                self.buffers.give_back(buffer)
                return
            yield Part(number, first, first + length - 1), buffer
            first += length
        raise TransferFailed(f"{body.name} is too large for a download without ranges.")

    def _fill(self, body: Body, buffer: bytearray) -> int:
        filled = 0
        while filled < len(buffer):
            chunk = body.read(min(CHUNK_BYTES, len(buffer) - filled))
            if not chunk:
                break
            buffer[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
            self.got(len(chunk))
        return filled

    def _store(self, part: Part, buffer: bytearray) -> None:
        try:
            content = memoryview(buffer)[: part.length]
            crc32 = b64encode(zlib_ng.crc32(content).to_bytes(4, "big")).decode()
            known = self.upload.stored.get(part.number)
            if known is None or (known.length, known.crc32) != (part.length, crc32):
                self.again(lambda: self.bucket.send(self.upload, part, _chunks(content)))
        finally:
            self.buffers.give_back(buffer)


def _chunks(content: memoryview) -> Iterator[memoryview]:
    for first in range(0, len(content), CHUNK_BYTES):
        yield content[first : first + CHUNK_BYTES]
