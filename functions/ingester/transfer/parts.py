"""How a file is cut into the parts of a multipart upload.

S3 takes 10,000 parts, each but the last of 5 MiB to 5 GiB
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html). The cut follows from the file's
size alone, so that whoever goes on with an upload cuts as the one before. The parts are large, for
a request each costs CPU, and small at the file's end, so that no connection is left alone there.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
SMALLEST = 5 * MIB
LARGEST = 16 * MIB
WANTED_COUNT = 40
"""A small file has so many parts or more, since a crash costs the parts under way."""
END_SHARE = 8
LONGEST_END = 128 * MIB
"""The end of a file is cut small: an eighth of it, but no more than this."""
MARK_NUMBER = 10_000
"""S3's last part number. It is no part of any file: it marks whose parts an upload holds."""
MOST = MARK_NUMBER - 1


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `first` to `last` of a file, both counted in, as part `number` (from 1)."""

    number: int
    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def part_bytes(size: int) -> int:
    """Bytes of the large parts of a file of `size` bytes."""
    wanted = min(max(size // WANTED_COUNT, SMALLEST), LARGEST) // MIB
    needed = -(-size // (MOST - LONGEST_END // SMALLEST) // MIB)
    return max(wanted, needed) * MIB


def parts_of(size: int) -> tuple[Part, ...]:
    """The parts of a file of `size` bytes, in order; none of an empty one."""
    large = part_bytes(size)
    end = size - min(size // END_SHARE, LONGEST_END)
    parts: list[Part] = []
    first = 0
    while first < size:
        length = large if first < end else SMALLEST
        parts.append(Part(len(parts) + 1, first, min(first + length, size) - 1))
        first += length
    return tuple(parts)
