"""100 GB, without moving them: a file of nothing, and a bucket that only counts."""

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
PARTS_A_CALL = 2000
NOTHING = bytes(CHUNK_BYTES)
HOLLOW = Version(SIZE, '"hollow"')


@dataclass
class HollowBody:
    """As many zeros as were asked for."""

    first: int
    left: int
    version: Version = HOLLOW
    is_range: bool = True
    name: str = "hollow.mp4"

    def read(self, length: int) -> bytes:
        length = min(length, self.left)
        self.left -= length
        return NOTHING if length == CHUNK_BYTES else NOTHING[:length]

    def close(self) -> None:
        pass


class HollowFile:
    """A source of zeros."""

    def open(self, first: int, last: int) -> HollowBody:
        return HollowBody(first, last - first + 1)


@dataclass
class Counting:
    """What is asked of a Bucket, without one: one upload that outlives the engines."""

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


def engine_of(counting: Counting) -> Engine:
    """An engine with time for some parts more. A second is as long as a part takes."""
    begun = len(counting.sent)

    def now() -> float:
        return float(len(counting.sent) - begun)

    def left() -> float:
        return PARTS_A_CALL + Budget().reserve_seconds - now()

    return Engine(cast("Bucket", counting), time_left=left, clock=now)


def test_thousands_of_parts_in_several_invocations() -> None:
    counting = Counting()
    hollow = Copy("hollow", HollowFile(), lambda name: Target(name, {}), SIZE)
    for _ in range(3):
        with pytest.raises(OutOfTime) as ended:
            engine_of(counting).copy([hollow])
        assert ended.value.stored == sum(part.length for part in counting.sent)
    [copied] = engine_of(counting).copy([hollow])
    assert isinstance(copied, Copied)
    assert copied.size == SIZE
    parts = counting.object_parts
    assert sorted(counting.sent, key=lambda part: part.number) == parts
    assert 5000 < len(parts) == parts[-1].number < MARK_NUMBER
    assert [part.first for part in parts] == [0, *(part.last + 1 for part in parts[:-1])]
    assert parts[-1].last == SIZE - 1
    assert min(part.length for part in parts[:-1]) >= SMALLEST
