"""Tests that the fake engine ends its copies as the real engine does."""

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
"""Bytes a second. A file takes 100 s."""


@dataclass
class Body:
    """A fake response of a source."""

    version: Version
    name: str = "video.mp4"
    first: int = 0
    is_range: bool = True

    def read(self, length: int) -> bytes:
        return bytes(min(length, 1))

    def close(self) -> None:
        """Do nothing, because there is no connection."""


@dataclass
class Source:
    """A fake source whose `open` raises each of `errors` once, then returns a body."""

    etag: str = '"f0"'
    errors: tuple[IngesterError, ...] = ()
    opened: int = 0

    def open(self, first: int, last: int) -> Any:
        assert (first, last) == (0, 0)
        self.opened += 1
        if self.opened <= len(self.errors):
            raise self.errors[self.opened - 1]
        return Body(Version(SIZE, self.etag))


class Harness:
    """A fake engine in a world, and its bucket."""

    def __init__(self, *faults: Fault) -> None:
        made = scenario((F0,), faults=faults)
        self.world = World(1, faults)
        self.cloud = Cloud(self.world, made)
        contents = {'"f0"': "u|f0", '"f0-2"': "u|f0"}
        self.copies = Copies(self.cloud.bucket, {"u|f0": F0}, contents)
        self.engine = FakeEngine(self.world, self.copies, RATE)

    def copy(self, *copies: Copy, seconds: float = 1e6) -> list[Copied | IngesterError]:
        """Run the copies with a time limit of `seconds`, and return their results.

        Raises:
            Exception: The error that ended the run.
        """
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


def test_fake_engine_makes_an_object_with_the_bytes_of_the_file() -> None:
    harness = Harness()
    (result,) = harness.copy(copy_of(Source()))
    assert isinstance(result, Copied)
    (made,) = harness.cloud.bucket.objects()
    assert (made.content, made.size) == (b"u|f0", SIZE)
    assert made.metadata["file_id"] == "f0"
    assert harness.cloud.bucket.open_uploads() == []


def test_fake_engine_fetches_nothing_when_the_object_has_the_same_version() -> None:
    harness = Harness()
    harness.copy(copy_of(Source()))
    (result,) = harness.copy(copy_of(Source()))
    assert isinstance(result, Copied)
    assert result.fetched == 0


def test_fake_engine_completes_a_copy_in_a_second_run_when_the_first_runs_out_of_time() -> None:
    harness = Harness()
    with pytest.raises(OutOfTime):
        harness.copy(copy_of(Source()), seconds=65.0)
    (result,) = harness.copy(copy_of(Source()), seconds=65.0)
    assert isinstance(result, Copied)


def test_fake_engine_starts_a_copy_again_when_the_source_has_another_version() -> None:
    harness = Harness()
    with pytest.raises(OutOfTime):
        harness.copy(copy_of(Source()), seconds=65.0)
    with pytest.raises(OutOfTime):
        harness.copy(copy_of(Source(etag='"f0-2"')), seconds=65.0)
    assert len(harness.cloud.bucket.open_uploads()) == 1


def test_fake_engine_fails_when_the_time_is_too_short_for_a_part() -> None:
    harness = Harness()
    with pytest.raises(TransferFailed):
        harness.copy(copy_of(Source()), seconds=5.0)


def test_tolerated_error_ends_only_its_own_copy_by_the_fake_engine() -> None:
    harness = Harness()
    gone = copy_of(Source(errors=(NotAFile("a page"),)), "a.mp4", tolerated_errors=(NotAFile,))
    first, second = harness.copy(gone, copy_of(Source(), "b.mp4"))
    assert isinstance(first, NotAFile)
    assert isinstance(second, Copied)


def test_fake_engine_raises_a_retryable_failure_after_the_other_copies() -> None:
    harness = Harness()
    bad = copy_of(Source(errors=tuple(ZoomUnreachable("no") for _ in range(9))))
    with pytest.raises(ZoomUnreachable):
        harness.copy(bad, copy_of(Source(), "b.mp4"))
    assert harness.keys() == ["b.mp4"]


def test_fake_engine_aborts_uploads_and_makes_no_later_copy_after_a_permanent_failure() -> None:
    harness = Harness(Fault(Kind.ERROR_BEFORE, "s3.CompleteMultipartUpload", 1))
    bad = copy_of(Source(errors=(FileUnavailable("no"),)), "b.mp4")
    with pytest.raises(FileUnavailable):
        harness.copy(copy_of(Source(), "a.mp4"), bad, copy_of(Source(), "c.mp4"))
    assert harness.keys() == []
    assert harness.cloud.bucket.open_uploads() == []


def test_fake_engine_leaves_no_object_when_it_crashes_before_it_completes_the_upload() -> None:
    harness = Harness(Fault(Kind.CRASH_BEFORE, "s3.CompleteMultipartUpload", 1))
    engine = harness.engine
    harness.world.start("downloader", lambda: engine.copy([copy_of(Source())]), can_crash=True)
    harness.world.run(1e6)
    assert harness.keys() == []


def test_fake_engine_fails_when_the_size_of_a_file_is_unexpected() -> None:
    harness = Harness()
    with pytest.raises(TransferFailed):
        harness.copy(replace(copy_of(Source()), expected_size=SIZE + 1))
