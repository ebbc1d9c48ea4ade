"""The fake engine ends its copies as the real one does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ingester.errors import (
    FileUnavailable,
    IngesterError,
    NotAFile,
    OutOfTime,
    TransferFailed,
    ZoomUnreachable,
)
from ingester.transfer.plan import Copied, Copy, Target
from ingester.transfer.ranges import Version
from tests.simulation.cloud import Cloud
from tests.simulation.engine import Copies, FakeEngine
from tests.simulation.faults import Fault, Kind
from tests.simulation.named import SIZE, file, scenario
from tests.simulation.world import World

F0 = file(0)
RATE = SIZE / 100.0
"""Bytes a second: a file takes 100 s."""


@dataclass
class Body:
    """An answer of the source."""

    version: Version
    name: str = "video.mp4"
    first: int = 0
    is_range: bool = True

    def read(self, length: int) -> bytes:
        return bytes(min(length, 1))

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Source:
    """A source that opens with these errors, then with a body."""

    etag: str = '"f0"'
    errors: tuple[IngesterError, ...] = ()
    opened: int = 0

    def open(self, first: int, last: int) -> Any:
        assert (first, last) == (0, 0)
        self.opened += 1
        if self.opened <= len(self.errors):
            raise self.errors[self.opened - 1]
        return Body(Version(SIZE, self.etag))


class Desk:
    """An engine over a bucket."""

    def __init__(self, *faults: Fault) -> None:
        made = scenario((F0,), faults=faults)
        self.world = World(1, faults)
        self.cloud = Cloud(self.world, made)
        contents = {'"f0"': "u|f0", '"f0-2"': "u|f0"}
        self.copies = Copies(self.cloud.bucket, {"u|f0": F0}, contents)
        self.engine = FakeEngine(self.world, self.copies, RATE)

    def copy(self, *copies: Copy, seconds: float = 1e6) -> list[Copied | IngesterError]:
        """What a run gives that has so much time, or the error that it ends with."""
        ends = self.world.time + seconds
        engine = replace(self.engine, time_left=lambda: ends - self.world.time)
        promise = self.world.start("downloader", lambda: engine.copy(copies))
        self.world.run(self.world.time + 1e6)
        assert promise.value is not None
        result, error = promise.value
        if error is not None:
            raise error
        assert result is not None
        return result

    def keys(self) -> list[str]:
        return [stored.key for stored in self.cloud.bucket.objects()]


def copy_of(source: Source, key: str = "a.mp4", **more: Any) -> Copy:
    target: Callable[[str], Target] = lambda _: Target(key, {"file_id": "f0"})  # noqa: E731  # an argument
    return Copy(label=key, source=source, target_of=target, expected_size=SIZE, **more)


def test_a_copy_takes_its_time_and_makes_an_object_of_the_files_bytes() -> None:
    desk = Desk()
    (result,) = desk.copy(copy_of(Source()))
    assert isinstance(result, Copied)
    (made,) = desk.cloud.bucket.objects()
    assert (made.content, made.size) == (b"u|f0", SIZE)
    assert made.metadata["file_id"] == "f0"
    assert desk.cloud.bucket.open_uploads() == []


def test_what_is_there_of_the_same_version_is_not_copied_again() -> None:
    desk = Desk()
    desk.copy(copy_of(Source()))
    (result,) = desk.copy(copy_of(Source()))
    assert isinstance(result, Copied)
    assert result.fetched == 0


def test_a_copy_that_runs_out_of_time_goes_on_in_the_next_run() -> None:
    desk = Desk()
    with pytest.raises(OutOfTime):
        desk.copy(copy_of(Source()), seconds=65.0)
    (result,) = desk.copy(copy_of(Source()), seconds=65.0)
    assert isinstance(result, Copied)


def test_a_copy_of_another_version_begins_anew() -> None:
    desk = Desk()
    with pytest.raises(OutOfTime):
        desk.copy(copy_of(Source()), seconds=65.0)
    with pytest.raises(OutOfTime):
        desk.copy(copy_of(Source(etag='"f0-2"')), seconds=65.0)
    assert len(desk.cloud.bucket.open_uploads()) == 1


def test_too_little_time_for_anything_is_a_failure() -> None:
    desk = Desk()
    with pytest.raises(TransferFailed):
        desk.copy(copy_of(Source()), seconds=5.0)


def test_a_skipped_error_ends_only_its_own_copy() -> None:
    desk = Desk()
    gone = copy_of(Source(errors=(NotAFile("a page"),)), "a.mp4", skips=(NotAFile,))
    first, second = desk.copy(gone, copy_of(Source(), "b.mp4"))
    assert isinstance(first, NotAFile)
    assert isinstance(second, Copied)


def test_a_retryable_failure_is_raised_when_the_others_are_done() -> None:
    desk = Desk()
    bad = copy_of(Source(errors=tuple(ZoomUnreachable("no") for _ in range(9))))
    with pytest.raises(ZoomUnreachable):
        desk.copy(bad, copy_of(Source(), "b.mp4"))
    assert desk.keys() == ["b.mp4"]


def test_a_permanent_failure_ends_all_and_leaves_no_upload() -> None:
    desk = Desk()
    with pytest.raises(OutOfTime):
        desk.copy(copy_of(Source(), "a.mp4"), seconds=65.0)
    bad = copy_of(Source(errors=(FileUnavailable("no"),)), "b.mp4")
    with pytest.raises(FileUnavailable):
        desk.copy(bad, copy_of(Source(), "c.mp4"))
    assert desk.keys() == []


def test_a_crash_at_the_end_of_a_copy_leaves_no_object() -> None:
    desk = Desk(Fault(Kind.CRASH_BEFORE, "s3.CompleteMultipartUpload", 1))
    engine = desk.engine
    desk.world.start("downloader", lambda: engine.copy([copy_of(Source())]), can_crash=True)
    desk.world.run(1e6)
    assert desk.keys() == []


def test_an_unexpected_size_is_a_failure() -> None:
    desk = Desk()
    with pytest.raises(TransferFailed):
        desk.copy(replace(copy_of(Source()), expected_size=SIZE + 1))
