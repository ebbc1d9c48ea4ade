"""Test of a copy of 100 GB of zeros to a fake bucket that keeps no bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from ingester.errors import OutOfTime
from ingester.transfer.engine import Budget, Engine
from ingester.transfer.multipart import Bucket, Destination, StoredPart, Upload
from ingester.transfer.parts import MARK_NUMBER, SMALLEST, Part
from ingester.transfer.plan import Copied, Copy, Target
from ingester.transfer.ranges import CHUNK_BYTES, Version

SIZE = 100_000_000_000
PARTS_A_RUN = 2000
ZEROS = bytes(CHUNK_BYTES)
ZEROS_VERSION = Version(SIZE, '"zeros"')


@dataclass
class ZeroBody:
    """A fake of a download's body, which returns zeros."""

    first: int
    left: int
    version: Version = ZEROS_VERSION
    is_range: bool = True
    name: str = "zeros.mp4"

    def read(self, length: int) -> bytes:
        length = min(length, self.left)
        self.left -= length
        return ZEROS if length == CHUNK_BYTES else ZEROS[:length]

    def close(self) -> None:
        pass


class ZeroFile:
    """A fake of a file at Zoom, which contains zeros."""

    def open(self, first: int, last: int) -> ZeroBody:
        return ZeroBody(first, last - first + 1)


@dataclass
class CountingBucket:
    """A fake of a Bucket with one upload that several engines continue."""

    upload: Upload | None = None
    object_parts: list[Part] = field(default_factory=list)
    sent: list[Part] = field(default_factory=list)

    def size_of(self, _: Destination) -> int | None:
        return None

    def resume(self, destination: Destination) -> Upload | None:
        if self.upload is None or not self.upload.is_marked:
            return None
        assert destination == self.upload.destination
        return replace(self.upload, stored=dict(self.upload.stored))

    def begin(self, destination: Destination) -> Upload:
        assert self.upload is None
        self.upload = Upload(destination, "upload", "https://bucket.example/key")
        return self.upload

    def mark(self, upload: Upload) -> None:
        upload.is_marked = True

    def send(self, upload: Upload, part: Part, chunks: Iterable[bytes]) -> StoredPart:
        assert self.upload
        assert sum(map(len, chunks)) == part.length
        stored = StoredPart(part.number, part.length, '"etag"', "AAAAAA==")
        upload.stored[part.number] = self.upload.stored[part.number] = stored
        self.sent.append(part)
        return stored

    def complete(self, upload: Upload) -> int:
        sent = {part.number: part for part in self.sent}
        self.object_parts = [sent[number] for number in sorted(upload.stored)]
        return sum(part.length for part in self.object_parts)


def engine_of(bucket: CountingBucket) -> Engine:
    """Return an engine with time for `PARTS_A_RUN` parts, which take a second each."""
    begun = len(bucket.sent)

    def now() -> float:
        return float(len(bucket.sent) - begun)

    def left() -> float:
        return PARTS_A_RUN + Budget().reserve_seconds - now()

    return Engine(cast("Bucket", bucket), time_left=left, clock=now)


def test_large_file_is_copied_in_thousands_of_parts_by_several_invocations() -> None:
    bucket = CountingBucket()
    zeros = Copy("zeros", ZeroFile(), lambda name: Target(name, {}), SIZE)
    for _ in range(3):
        with pytest.raises(OutOfTime) as ended:
            engine_of(bucket).copy([zeros])
        assert ended.value.stored == sum(part.length for part in bucket.sent)
    [copied] = engine_of(bucket).copy([zeros])
    assert isinstance(copied, Copied)
    assert copied.size == SIZE
    parts = bucket.object_parts
    assert sorted(bucket.sent, key=lambda part: part.number) == parts
    assert 5000 < len(parts) == parts[-1].number < MARK_NUMBER
    assert [part.first for part in parts] == [0, *(part.last + 1 for part in parts[:-1])]
    assert parts[-1].last == SIZE - 1
    assert min(part.length for part in parts[:-1]) >= SMALLEST
