"""Generated files of any size. Any range can be read, although no file is stored.

A file repeats a block of one MiB of pseudo-random bytes. The first eight bytes of each block are
the block's number, so that a checksum reveals parts that were swapped, repeated or left out.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

BLOCK = 1 << 20
NUMBER = 8
"""Length in bytes of a block's number, which is big-endian."""


@dataclass(frozen=True)
class Generated:
    """One version of a file. Name and version determine the content. `size` is in bytes."""

    name: str
    size: int
    version: int = 1

    def views(self, offset: int, length: int) -> Iterator[memoryview]:
        """Yield a range in chunks of at most one MiB, up to the end of the file.

        Each chunk overwrites the previous chunk, because both chunks have the same buffer.
        """
        block = bytearray(_block(self.name, self.version))
        whole = memoryview(block)
        end = min(offset + length, self.size)
        while offset < end:
            number, start = divmod(offset, BLOCK)
            block[:NUMBER] = number.to_bytes(NUMBER, "big")
            stop = min(BLOCK, start + end - offset)
            yield whole[start:stop]
            offset += stop - start

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes of a range, up to the end of the file."""
        return b"".join(bytes(view) for view in self.views(offset, length))

    def crc32(self, first: int, last: int) -> int:
        """Return the CRC32 of the bytes from `first` to `last`, both included."""
        value = 0
        for view in self.views(first, last - first + 1):
            value = zlib.crc32(view, value)
        return value


@lru_cache(maxsize=64)
def _block(name: str, version: int) -> bytes:
    return hashlib.shake_256(f"{name} {version}".encode()).digest(BLOCK)
