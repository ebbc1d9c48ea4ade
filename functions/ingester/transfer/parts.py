"""Divide a file into the parts of a multipart upload.

S3 takes 10,000 parts, each of 5 MiB to 5 GiB except the last
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html). The parts depend on the file's
size alone, so that every process that resumes an upload divides the file in the same way. Most
parts are large, because each request costs CPU. Parts at the end of the file are small, so that all
connections finish at about the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
SMALLEST = 5 * MIB
PREFERRED_MAX = 16 * MIB
"""Maximum size of the large parts, unless the file would have too many parts."""

DESIRED_COUNT = 40
"""Minimum number of a file's parts, unless the parts would be smaller than 5 MiB. A crash costs the
parts in flight, so a small file needs small parts."""

END_SHARE = 8
LONGEST_END = 128 * MIB
"""Limits of a file's end, which is divided into parts of 5 MiB: an eighth of the file, and 128 MiB.
The last large part may reach into the end."""

MARK_NUMBER = 10_000
"""Part number of the mark, which identifies an upload: the highest number that S3 takes."""

MAX_PARTS = MARK_NUMBER - 1
"""Maximum number of parts of a file."""


@dataclass(frozen=True, slots=True)
class Part:
    """Part `number` (from 1) of a file: the bytes from `first` to `last` inclusive."""

    number: int
    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def part_bytes(size: int) -> int:
    """Return the size in bytes of the large parts of a file of `size` bytes."""
    desired = min(max(size // DESIRED_COUNT, SMALLEST), PREFERRED_MAX) // MIB
    # The small parts at the end take about LONGEST_END // SMALLEST of the part numbers.
    needed = -(-size // (MAX_PARTS - LONGEST_END // SMALLEST) // MIB)
    return max(desired, needed) * MIB


def parts_of(size: int) -> tuple[Part, ...]:
    """Divide a file of `size` bytes into parts, in order: large ones, and small ones at the end.

    An empty file has no parts.
    """
    large = part_bytes(size)
    end = size - min(size // END_SHARE, LONGEST_END)
    parts: list[Part] = []
    first = 0
    while first < size:
        length = large if first < end else SMALLEST
        parts.append(Part(len(parts) + 1, first, min(first + length, size) - 1))
        first += length
    return tuple(parts)
