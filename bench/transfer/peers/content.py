"""What is transferred: files of any size that nobody has to write, any range of them at once.

Generated content is one MiB of pseudo-random bytes again and again, each with its number in its
first eight bytes, so that parts that were swapped, repeated or left out show in a checksum.
"""

import hashlib
import mmap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

BLOCK = 1 << 20
NUMBER = 8
"""Bytes at the beginning of a block that hold its number, the most significant first."""


class Content(Protocol):
    """One version of a file."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def version(self) -> int:
        """1 at first, one more with each change."""

    def views(self, offset: int, length: int) -> Iterator[memoryview]:
        """The bytes of a range in pieces of at most a MiB, each good until the next is taken.

        Ends early where the file ends.
        """

    def read(self, offset: int, length: int) -> bytes:
        """The bytes of a range; fewer where the file ends."""

    def crc32(self, first: int, last: int) -> int:
        """The CRC32 of the bytes from `first` to `last`, both of them included."""


class Ranges:
    """`read` and `crc32` of a content that has `views`."""

    def views(self, offset: int, length: int) -> Iterator[memoryview]:
        """See Content."""
        raise NotImplementedError

    def read(self, offset: int, length: int) -> bytes:
        """See Content."""
        return b"".join(bytes(view) for view in self.views(offset, length))

    def crc32(self, first: int, last: int) -> int:
        """See Content."""
        value = 0
        for view in self.views(first, last - first + 1):
            value = zlib.crc32(view, value)
        return value


@dataclass(frozen=True)
class Generated(Ranges):
    """Bytes that follow from name and version."""

    name: str
    size: int
    version: int = 1

    def views(self, offset: int, length: int) -> Iterator[memoryview]:
        """See Content."""
        block = bytearray(_block(self.name, self.version))
        whole = memoryview(block)
        end = min(offset + length, self.size)
        while offset < end:
            number, start = divmod(offset, BLOCK)
            block[:NUMBER] = number.to_bytes(NUMBER, "big")
            stop = min(BLOCK, start + end - offset)
            yield whole[start:stop]
            offset += stop - start


@dataclass(frozen=True)
class Filed(Ranges):
    """The bytes of a file on disk. They are the same in every version."""

    path: Path
    version: int = 1

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    def views(self, offset: int, length: int) -> Iterator[memoryview]:
        """See Content."""
        end = min(offset + length, self.size)
        if offset >= end:
            return
        with (
            self.path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
        ):
            for start in range(offset, end, BLOCK):
                with whole[start : min(start + BLOCK, end)] as view:
                    yield view


@lru_cache(maxsize=64)
def _block(name: str, version: int) -> bytes:
    return hashlib.shake_256(f"{name} {version}".encode()).digest(BLOCK)
