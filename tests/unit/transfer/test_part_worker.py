"""Unit tests of the tasks of a worker, which copies one file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3_settings import S3Fault
from ingester.errors import (
    AwsFailed,
    EmptyFile,
    FileUnavailable,
    SlowDown,
    SourceChanged,
    TransferFailed,
    UploadGone,
    ZoomBusy,
    ZoomUnreachable,
)
from ingester.transfer.multipart import Bucket, StoredPart, Upload
from ingester.transfer.part_worker import ATTEMPTS, RETRY_SECONDS, Stopped, Worker
from ingester.transfer.parts import Part
from ingester.transfer.plan import Copied, Copy, Plan, Target
from ingester.transfer.progress import Progress
from ingester.transfer.ranges import FAILURES, LONGEST_PAUSE
from ingester.transfer.stream import BufferPool
from tests.unit.transfer.copying import METADATA, S3, Copying, key_of, whole
from tests.unit.transfer.memory_source import Break, MemoryFile

TALK = Generated("talk", 50_000)
"""A file of one part with ranges, or of five parts as a stream."""


@dataclass
class Harness:
    """A worker for a file in memory, and the worker's waits and reports of throttling."""

    copying: Copying
    source: MemoryFile
    changes: dict[str, Any] = field(default_factory=dict)
    waited: list[float] = field(default_factory=list)
    throttled: int = 0
    at_wait: Callable[[], object] = lambda: None
    now: float = 100.0

    def __post_init__(self) -> None:
        self.worker = Worker(
            copy=Copy(
                "talk", self.source, lambda _: Target(key_of("talk"), METADATA), **self.changes
            ),
            bucket=self.copying.bucket,
            buffers=BufferPool(3, 10_000),
            progress=Progress(),
            on_throttled=self._throttled,
            wait=self._wait,
            clock=lambda: self.now,
        )

    def _throttled(self) -> None:
        self.throttled += 1

    def _wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waited.append(seconds)
        self.at_wait()
        return stop.is_set()

    def plan(self) -> Plan:
        plan = self.worker.plan(overwrite=False)
        assert isinstance(plan, Plan)
        self.source.requested.clear()
        return plan

    def part(self, *script: Break | Exception | None) -> None:
        """Copy the only part of the file, with the failures of `script`."""
        plan = self.plan()
        self.source.then(*script)
        self.worker.copy_part(plan, plan.missing[0])

    def stream(self, *script: Break | Exception | None) -> Plan:
        """Copy the file as a stream, with the failures of `script`, and return the plan."""
        plan = self.plan()
        self.source.then(*script)
        self.worker.copy_stream(plan)
        return plan

    def fault(self, **fault: Any) -> None:
        """Make S3 fail the requests that the fields of an `S3Fault` describe."""
        settings = replace(S3, faults=(S3Fault(**fault),))
        self.copying.s3.configure(settings, empty=False)


class UnreachableBucket(Bucket):
    """A fake of a bucket that can't be reached, and that reads no byte of a part."""

    def __init__(self) -> None:
        pass

    def send(self, *_: object) -> StoredPart:
        raise AwsFailed("AWS failed: UploadPart (NewConnectionError).")


class WatchedBucket(Bucket):
    """A bucket that says whether the request of a part is open."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.is_sending = False

    def send(self, upload: Upload, part: Part, chunks: Iterable[bytes | memoryview]) -> StoredPart:
        self.is_sending = True
        try:
            return self._bucket.send(upload, part, chunks)
        finally:
            self.is_sending = False


@pytest.fixture
def harness(copying: Copying) -> Harness:
    return Harness(copying, MemoryFile(TALK))


@pytest.fixture
def streaming(copying: Copying) -> Harness:
    return Harness(copying, MemoryFile(TALK, has_ranges=False))


class TestPart:
    def test_copy_of_a_part_stores_the_part_and_counts_its_bytes(self, harness: Harness) -> None:
        harness.part()
        assert harness.copying.begun() == [[1]]
        assert harness.worker.progress.fetched == TALK.size
        assert harness.waited == []

    @pytest.mark.parametrize(
        ("fault", "throttled"),
        [
            ({"kind": "status", "status": 503}, 1),
            ({"kind": "status", "status": 403, "code": "ExpiredToken"}, 0),
            ({"kind": "rst", "moment": "middle"}, 0),
        ],
        ids=["SlowDown", "refused", "reset"],
    )
    def test_part_is_retried_when_s3_fails(
        self, harness: Harness, fault: dict[str, Any], throttled: int
    ) -> None:
        harness.fault(**fault)
        harness.part()
        assert harness.copying.begun() == [[1]]
        assert harness.source.requested == [(0, TALK.size - 1)] * 2
        assert all(body.is_closed for body in harness.source.bodies)
        assert len(harness.waited) == 1
        assert (harness.worker.progress.retries, harness.throttled) == (1, throttled)

    def test_body_of_the_source_is_closed_when_s3_cannot_be_reached(self, copying: Copying) -> None:
        harness = Harness(copying, MemoryFile(TALK))
        plan = harness.plan()
        unreachable = replace(harness.worker, bucket=UnreachableBucket())
        with pytest.raises(AwsFailed, match="NewConnectionError"):
            unreachable.copy_part(plan, plan.missing[0])
        assert len(harness.source.bodies) == 1 + ATTEMPTS
        assert all(body.is_closed for body in harness.source.bodies)

    def test_part_continues_in_the_same_request_to_s3_when_the_source_breaks_off(
        self, harness: Harness
    ) -> None:
        harness.part(Break(20_000), ZoomBusy("Zoom answered 429.", 1.0))
        assert harness.source.requested[-1] == (20_000, TALK.size - 1)
        assert harness.copying.requests("UploadPart") == 1
        assert harness.worker.progress.fetched == TALK.size
        assert (harness.worker.progress.retries, harness.throttled) == (2, 1)

    def test_part_is_sent_in_one_request_to_s3_after_the_waits_when_the_source_is_busy_at_first(
        self, harness: Harness
    ) -> None:
        bucket, sending = WatchedBucket(harness.copying.bucket), []
        harness.at_wait = lambda: sending.append(bucket.is_sending)
        plan = harness.plan()
        harness.source.then(ZoomBusy("Zoom answered 503.", 60.0), ZoomUnreachable("No."))
        replace(harness.worker, bucket=bucket).copy_part(plan, plan.missing[0])
        assert sending == [False, False]
        assert harness.waited[0] == 60.0
        assert harness.throttled == 1
        assert harness.copying.requests("UploadPart") == 1

    def test_part_fails_after_the_last_attempt_when_s3_always_fails(self, harness: Harness) -> None:
        harness.fault(kind="status", status=503, times=99)
        with pytest.raises(SlowDown):
            harness.part()
        assert harness.copying.requests("UploadPart") == ATTEMPTS
        assert len(harness.waited) == ATTEMPTS - 1
        assert all(0 < pause <= 0.5 * 2**number for number, pause in enumerate(harness.waited))

    def test_part_fails_after_the_last_attempt_when_the_source_always_fails(
        self, harness: Harness
    ) -> None:
        with pytest.raises(TransferFailed):
            harness.part(*[Break(0)] * 999)
        assert len(harness.source.requested) == ATTEMPTS * (FAILURES + 1)

    def test_failure_is_counted_once_when_it_ends_an_attempt_of_the_part(
        self, harness: Harness
    ) -> None:
        harness.part(Break(20_000), ZoomBusy("Zoom answered 429.", LONGEST_PAUSE + 1))
        assert len(harness.source.requested) == 3
        assert (harness.worker.progress.retries, harness.throttled) == (2, 1)

    def test_part_fails_when_the_time_for_retries_is_over(self, harness: Harness) -> None:
        def pass_time() -> None:
            harness.now += RETRY_SECONDS

        harness.at_wait = pass_time
        with pytest.raises(ZoomUnreachable):
            harness.part(*[ZoomUnreachable("No.")] * ATTEMPTS)
        assert len(harness.source.requested) == 2

    def test_part_fails_without_waiting_when_retry_after_exceeds_the_limit(
        self, harness: Harness
    ) -> None:
        with pytest.raises(ZoomBusy):
            harness.part(ZoomBusy("Zoom answered 429.", RETRY_SECONDS + 1))
        assert harness.waited == []

    @pytest.mark.parametrize(
        "error", [FileUnavailable("Zoom answered 400."), SourceChanged("The file became shorter.")]
    )
    def test_part_is_not_retried_when_the_file_is_unavailable_or_changed(
        self, harness: Harness, error: Exception
    ) -> None:
        with pytest.raises(type(error)):
            harness.part(error)
        assert len(harness.source.requested) == 1

    def test_part_is_not_retried_when_the_upload_does_not_exist(self, harness: Harness) -> None:
        harness.fault(kind="gone")
        with pytest.raises(UploadGone):
            harness.part()
        assert len(harness.source.requested) == 1

    def test_part_worker_raises_source_changed_when_the_source_has_another_version(
        self, harness: Harness
    ) -> None:
        plan = harness.plan()
        harness.source.version = replace(harness.source.version, etag='"v2"')
        with pytest.raises(SourceChanged):
            harness.worker.copy_part(plan, plan.missing[0])
        assert harness.copying.begun() == [[]]


class TestCancellation:
    def test_no_task_is_run_when_the_worker_is_stopped(self, harness: Harness) -> None:
        plan = harness.plan()
        harness.worker.stop.set()
        for task in (
            lambda: harness.worker.plan(overwrite=False),
            lambda: harness.worker.copy_part(plan, plan.missing[0]),
            lambda: harness.worker.mark(plan),
            lambda: harness.worker.complete(plan),
        ):
            with pytest.raises(Stopped):
                task()
        assert harness.source.requested == []
        assert harness.copying.begun() == [[]]

    def test_part_ends_at_its_next_chunk_when_the_worker_is_stopped(self, harness: Harness) -> None:
        plan = harness.plan()
        harness.source.before = lambda *_: harness.worker.stop.set()
        with pytest.raises(Stopped):
            harness.worker.copy_part(plan, plan.missing[0])
        assert harness.copying.begun() == [[]]
        assert harness.waited == []
        assert harness.source.bodies[-1].is_closed

    def test_copy_of_a_stream_does_not_start_when_the_worker_is_stopped(
        self, streaming: Harness
    ) -> None:
        plan = streaming.plan()
        streaming.worker.stop.set()
        with pytest.raises(Stopped):
            streaming.worker.copy_stream(plan)

    def test_part_is_not_retried_after_the_wait_when_the_worker_is_stopped(
        self, harness: Harness
    ) -> None:
        harness.at_wait = harness.worker.stop.set
        with pytest.raises(Stopped):
            harness.part(Break(100))
        assert len(harness.waited) == 1
        assert len(harness.source.requested) == 1


class TestPlan:
    def test_planning_of_a_copy_is_retried_when_the_source_is_unreachable_or_the_transfer_fails(
        self, copying: Copying
    ) -> None:
        source = MemoryFile(TALK, script=[ZoomUnreachable("No."), TransferFailed("Not so.")])
        harness = Harness(copying, source)
        harness.worker.plan(overwrite=False)
        assert len(source.requested) == 3
        assert harness.worker.progress.began == 100.0

    def test_planning_of_a_copy_is_not_retried_when_the_file_is_unavailable(
        self, copying: Copying
    ) -> None:
        source = MemoryFile(TALK, script=[FileUnavailable("No.")])
        with pytest.raises(FileUnavailable):
            Harness(copying, source).worker.plan(overwrite=False)
        assert len(source.requested) == 1

    def test_worker_keeps_a_list_of_its_plans(self, harness: Harness) -> None:
        plan = harness.plan()
        assert harness.worker.plans == [plan]


NO_BYTES = EmptyFile("Zoom sent talk.mp4 with no bytes in it.")


class TestEmpty:
    def test_planning_is_retried_when_the_answer_is_empty_but_zoom_stated_bytes(
        self, copying: Copying
    ) -> None:
        source = MemoryFile(TALK, script=[NO_BYTES])
        harness = Harness(copying, source, {"expected_size": TALK.size})
        harness.worker.plan(overwrite=False)
        assert len(source.bodies) == 1

    @pytest.mark.parametrize("expected_size", [None, 0])
    def test_planning_is_not_retried_when_the_answer_is_empty_and_zoom_stated_no_bytes(
        self, copying: Copying, expected_size: int | None
    ) -> None:
        source = MemoryFile(TALK, script=[NO_BYTES])
        with pytest.raises(EmptyFile):
            Harness(copying, source, {"expected_size": expected_size}).plan()
        assert len(source.requested) == 1

    def test_planning_is_retried_when_the_answer_is_empty_but_an_earlier_plan_had_bytes(
        self, harness: Harness
    ) -> None:
        harness.plan()
        harness.source.then(NO_BYTES)
        harness.plan()
        assert len(harness.waited) == 1

    @pytest.mark.parametrize(
        "script", [[NO_BYTES], [Break(1000), NO_BYTES]], ids=["first", "after a failure"]
    )
    def test_part_is_retried_when_an_answer_is_empty(
        self, harness: Harness, script: list[Break | Exception]
    ) -> None:
        harness.part(*script)
        assert len(harness.copying.begun()[0]) == 1

    @pytest.mark.parametrize(
        ("is_sized", "expected_size"), [(True, None), (False, TALK.size)], ids=["source", "Zoom"]
    )
    def test_stream_starts_again_when_it_ends_before_its_first_byte_but_has_a_stated_size(
        self, copying: Copying, is_sized: bool, expected_size: int | None
    ) -> None:
        broken = Break(0, is_silent=True)
        source = MemoryFile(TALK, has_ranges=False, is_sized=is_sized, script=[broken])
        plan = Harness(copying, source, {"expected_size": expected_size}).stream(NO_BYTES)
        assert sum(part.length for part in plan.upload.stored.values()) == TALK.size

    def test_stream_starts_again_when_it_is_empty_but_an_earlier_answer_had_bytes(
        self, copying: Copying
    ) -> None:
        source = MemoryFile(TALK, has_ranges=False, is_sized=False, script=[Break(25_000)])
        plan = Harness(copying, source).stream(Break(0, is_silent=True))
        assert sum(part.length for part in plan.upload.stored.values()) == TALK.size

    def test_empty_file_error_is_raised_when_a_stream_has_no_bytes_and_no_stated_size(
        self, copying: Copying
    ) -> None:
        broken = Break(0, is_silent=True)
        source = MemoryFile(TALK, has_ranges=False, is_sized=False, script=[broken])
        with pytest.raises(EmptyFile):
            Harness(copying, source).stream()
        assert len(source.bodies) == 1


class TestStream:
    def test_stream_is_read_from_the_open_body(self, streaming: Harness) -> None:
        plan = streaming.stream()
        assert sorted(plan.upload.stored) == [1, 2, 3, 4, 5]
        assert streaming.source.requested == []
        assert streaming.source.bodies[0].is_closed

    def test_stream_starts_again_and_sends_only_missing_parts_when_it_breaks_off(
        self, copying: Copying
    ) -> None:
        streaming = Harness(copying, MemoryFile(TALK, has_ranges=False, script=[Break(25_000)]))
        streaming.stream(Break(45_000))
        assert copying.begun() == [[1, 2, 3, 4, 5]]
        assert copying.requests("UploadPart") == 5
        assert streaming.source.requested == [(0, 0)] * 2
        assert len(streaming.waited) == 2
        assert all(body.is_closed for body in streaming.source.bodies)

    def test_worker_sends_a_part_of_a_stream_again_from_its_buffer_when_s3_answers_503(
        self, streaming: Harness
    ) -> None:
        streaming.fault(kind="status", nth=3, times=2)
        streaming.stream()
        assert streaming.source.requested == []
        assert streaming.worker.progress.fetched == TALK.size
        assert streaming.throttled == 2
        assert streaming.copying.begun() == [[1, 2, 3, 4, 5]]

    def test_stream_raises_source_changed_when_the_source_has_another_version_after_a_failure(
        self, copying: Copying
    ) -> None:
        source = MemoryFile(TALK, has_ranges=False, script=[Break(25_000)])
        streaming = Harness(copying, source)
        streaming.at_wait = lambda: change(source, etag='"v2"')
        with pytest.raises(SourceChanged, match=r"talk\.mp4 changed"):
            streaming.stream()
        assert source.bodies[-1].is_closed

    def test_stream_raises_source_changed_when_the_source_supports_ranges_after_a_failure(
        self, copying: Copying
    ) -> None:
        source = MemoryFile(TALK, has_ranges=False, script=[Break(25_000)])
        streaming = Harness(copying, source)

        def change() -> None:
            source.has_ranges = True

        streaming.at_wait = change
        with pytest.raises(SourceChanged):
            streaming.stream()
        assert source.bodies[-1].is_closed

    def test_stream_starts_again_when_it_is_shorter_than_the_expected_size(
        self, copying: Copying
    ) -> None:
        # The source doesn't state its size, so only the expected size reveals a cut-off stream.
        source = MemoryFile(
            TALK, has_ranges=False, is_sized=False, script=[Break(25_000, is_silent=True)]
        )
        streaming = Harness(copying, source, {"expected_size": TALK.size})
        plan = streaming.stream()
        assert sum(part.length for part in plan.upload.stored.values()) == TALK.size
        assert len(source.bodies) == 2

    def test_stream_fails_after_the_last_attempt_when_it_never_has_the_expected_size(
        self, copying: Copying
    ) -> None:
        source = MemoryFile(TALK, has_ranges=False, is_sized=False)
        streaming = Harness(copying, source, {"expected_size": TALK.size + 1})
        with pytest.raises(TransferFailed, match=f"{TALK.size} bytes came .* {TALK.size + 1}"):
            streaming.stream()
        assert len(source.bodies) == ATTEMPTS


class TestComplete:
    def test_completion_of_a_copy_returns_the_key_the_size_and_the_result_of_the_inspection(
        self, harness: Harness
    ) -> None:
        inspected: list[tuple[str, int]] = []

        def inspect(key: str, size: int) -> str:
            inspected.append((key, size))
            return "a movie"

        harness = Harness(harness.copying, harness.source, {"inspect": inspect})
        plan = harness.plan()
        harness.worker.copy_part(plan, plan.missing[0])
        copied = harness.worker.complete(plan)
        assert copied == Copied(key_of("talk"), TALK.size, "a movie", TALK.size, 0.0, 0)
        assert inspected == [(key_of("talk"), TALK.size)]
        assert harness.copying.stored() == {key_of("talk"): whole(TALK)}

    def test_completion_of_a_copy_is_not_retried_when_botocore_raises_an_error(
        self, harness: Harness
    ) -> None:
        plan = harness.plan()
        harness.worker.copy_part(plan, plan.missing[0])
        harness.fault(kind="status", operation="CompleteMultipartUpload")
        with pytest.raises(ClientError, match="SlowDown"):
            harness.worker.complete(plan)

    def test_write_of_a_mark_is_not_retried_when_botocore_raises_an_error(
        self, harness: Harness
    ) -> None:
        plan = harness.plan()
        harness.fault(kind="status")
        with pytest.raises(ClientError, match="SlowDown"):
            harness.worker.mark(plan)
        harness.worker.mark(plan)
        assert plan.upload.is_marked


def change(source: MemoryFile, **version: Any) -> None:
    source.version = replace(source.version, **version)
