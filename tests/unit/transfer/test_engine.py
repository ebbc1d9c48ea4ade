"""Unit tests of the transfer's engine."""

from __future__ import annotations

import itertools
import threading
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3_settings import S3Fault
from bench.transfer.peers.zoom_settings import ZoomFault
from ingester.errors import (
    AwsFailed,
    FileUnavailable,
    IngesterError,
    NotAFile,
    SlowDown,
    TransferFailed,
    ZoomUnreachable,
)
from ingester.recording.staging_bucket import RELEASED
from ingester.transfer.engine import Budget, Total
from ingester.transfer.multipart import IDENTITY_KEY, Destination
from ingester.transfer.parts import MARK_NUMBER, MIB
from ingester.transfer.plan import Copied
from tests.unit.transfer.copying import (
    BUCKET,
    CHAT,
    METADATA,
    S3,
    SLIDES,
    TALK,
    ZOOM,
    Copying,
    key_of,
    until_stopped,
    whole,
)
from tests.unit.transfer.memory_source import MemoryFile

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

NAMES = ("talk", "slides", "chat")
SIZES = (TALK, SLIDES, CHAT)


class TestWhole:
    @pytest.mark.parametrize("kind", ["copying", "tls_copying"])
    def test_engine_copies_several_files_completely(
        self, request: pytest.FixtureRequest, kind: str
    ) -> None:
        copying: Copying = request.getfixturevalue(kind)
        results = copying.run([copying.copy_of(name) for name in NAMES])
        assert [(file.key, file.size, file.fetched) for file in copied(results)] == [
            (key_of(name), size, size) for name, size in zip(NAMES, SIZES, strict=True)
        ]
        assert copying.stored() == {
            key_of(name): whole(copying.zoom.content(name)) for name in NAMES
        }
        for stored in copying.s3.objects():
            assert stored.metadata.pop(IDENTITY_KEY)
            assert stored.metadata == METADATA
        assert copying.begun() == []
        assert copying.s3.stats().rejected == {"NoSuchKey": len(NAMES)}
        assert copying.zoom.stats().body_bytes == sum(SIZES) + len(NAMES)

    @pytest.mark.parametrize("content_length", [True, False], ids=["known size", "unknown size"])
    def test_engine_copies_a_file_completely_when_the_host_has_no_ranges(
        self, copying: Copying, content_length: bool
    ) -> None:
        copying.zoom.configure(replace(ZOOM, ranges=False, content_length=content_length))
        [file] = copied(copying.run())
        assert (file.size, file.fetched) == (TALK, TALK)
        assert copying.stored() == {key_of("talk"): whole(copying.zoom.content("talk"))}
        assert copying.zoom.stats().body_bytes == TALK
        assert copying.begun() == []

    def test_engine_returns_no_results_when_there_are_no_copies(self, copying: Copying) -> None:
        assert copying.run([]) == []

    @pytest.mark.parametrize("connections", [1, 2])
    def test_engine_uses_no_more_connections_for_all_files_than_the_budget_allows(
        self, copying: Copying, connections: int
    ) -> None:
        copies = [copying.copy_of(name) for name in NAMES]
        copying.run(copies, budget=Budget(connections=connections))
        assert copying.zoom.stats().most_bodies <= connections
        assert copying.s3.stats().most_bodies <= connections

    def test_engine_needs_less_than_16_mib_of_memory_for_a_large_file(
        self, copying: Copying
    ) -> None:
        # For each of the four connections, the engine holds a chunk, and each peer holds up to
        # 1 MiB.
        copying.zoom.configure(replace(ZOOM, files={"talk": 64 * MIB}))
        copying.s3.configure(replace(S3, mode="discard"))
        tracemalloc.start()
        try:
            [file] = copied(copying.run(budget=Budget(connections=4)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert file.size == 64 * MIB
        assert peak < 16 * MIB


class TestFails:
    def test_other_copies_continue_when_a_copy_fails_with_a_tolerated_error(
        self, copying: Copying
    ) -> None:
        page = NotAFile("Zoom answered with an HTML page.")
        lost = MemoryFile(Generated("lost", 10), script=[page])
        results = copying.run(
            [copying.copy_of("lost", lost, tolerated_errors=(NotAFile,)), copying.copy_of("chat")]
        )
        assert results[0] is page
        assert isinstance(results[1], Copied)
        assert list(copying.stored()) == [key_of("chat")]

    def test_other_copies_are_aborted_when_a_copy_fails_permanently(self, copying: Copying) -> None:
        # The uploads of the other copies are removed, because no later run would resume the copies.
        in_flight, gone = threading.Semaphore(0), FileUnavailable("Zoom answered 400.")

        def wait(stop: threading.Event, seconds: float) -> bool:
            in_flight.release()
            return until_stopped(stop, seconds)

        away = [ZoomUnreachable("No.")] * 9
        other = MemoryFile(Generated("other", TALK), script=[None, None, *away])
        lost = MemoryFile(
            Generated("lost", 10),
            script=[gone],
            before=lambda *_: [in_flight.acquire(timeout=10) for _ in range(2)],
        )
        copies = [copying.copy_of("other", other), copying.copy_of("lost", lost)]
        with pytest.raises(FileUnavailable) as raised:
            copying.run(copies, wait=wait, budget=Budget(first_connections=8))
        assert raised.value is gone
        assert copying.s3.stats().operations["AbortMultipartUpload"] == 1
        assert copying.s3.stats().open_uploads == 0
        assert copying.s3.objects() == []

    @pytest.mark.parametrize("has_ranges", [True, False])
    def test_copy_that_is_being_opened_is_aborted_when_another_copy_fails_permanently(
        self, copying: Copying, has_ranges: bool
    ) -> None:
        # The engine's third call of `time_left` comes after the engine has noticed the failure.
        opening, calls, noticed = threading.Event(), itertools.count(1), threading.Event()

        def open_slowly(*_: int) -> None:
            opening.set()
            assert noticed.wait(10)

        def time_left() -> float:
            if next(calls) == 3:
                noticed.set()
            return 100.0

        gone = FileUnavailable("Zoom answered 400.")
        other = MemoryFile(Generated("other", TALK), before=open_slowly, has_ranges=has_ranges)
        lost = MemoryFile(Generated("lost", 10), script=[gone], before=lambda *_: opening.wait(10))
        copies = [copying.copy_of("other", other), copying.copy_of("lost", lost)]
        with pytest.raises(FileUnavailable):
            copying.run(copies, time_left=time_left)
        for thread in threading.enumerate():
            if thread.name.startswith("transfer"):
                thread.join(10)
        assert copying.requests("CreateMultipartUpload") == 1
        assert copying.s3.stats().open_uploads == 0
        assert other.bodies[0].is_closed

    def test_other_copies_are_finished_when_a_copy_fails_with_a_retryable_error(
        self, copying: Copying
    ) -> None:
        # The next run resumes the copy that failed.
        attempts, failed = [], threading.Event()

        def fail(first: int, _: int) -> None:
            if first == 5 * MIB:
                attempts.append(first)
                failed.set()
                raise ZoomUnreachable("Zoom answered 500 to the download.")

        talk = MemoryFile(Generated("talk", TALK), before=fail)
        chat = MemoryFile(Generated("chat", CHAT), before=lambda *_: failed.wait(10))
        copies = [copying.copy_of("talk", talk), copying.copy_of("chat", chat)]
        budget = Budget(first_connections=8)
        with pytest.raises(ZoomUnreachable, match="500"):
            copying.run(copies, budget=budget)
        assert len(attempts) == 6
        assert list(copying.stored()) == [key_of("chat")]
        [[*stored, mark]] = copying.begun()
        assert (mark, set(stored) <= {1, 3}) == (MARK_NUMBER, True)
        talk.before = lambda *_: None
        again = copied(copying.run(copies, budget=budget))
        missing = {1, 2, 3} - set(stored)
        lengths = {1: 5 * MIB, 2: 5 * MIB, 3: TALK - 10 * MIB}
        missing_bytes = sum(lengths[number] for number in missing)
        assert [file.fetched for file in again] == [missing_bytes, 0]
        assert copying.stored()[key_of("talk")] == whole(talk.content)

    def test_permanent_failure_is_raised_when_a_retryable_failure_precedes_it(
        self, copying: Copying
    ) -> None:
        # An operator has to learn of the permanent failure.
        tired = MemoryFile(Generated("tired", 10), script=[None, *[TransferFailed("No.")] * 99])
        lost = MemoryFile(Generated("lost", 10), script=[None, FileUnavailable("Gone.")])
        copies = [copying.copy_of("tired", tired), copying.copy_of("lost", lost)]
        with pytest.raises(FileUnavailable):
            copying.run(copies, budget=Budget(connections=1))

    @pytest.mark.parametrize("operation", ["HeadObject", "CreateMultipartUpload", "ListParts"])
    def test_aws_failed_is_raised_when_an_operation_of_s3_fails(
        self, copying: Copying, operation: str
    ) -> None:
        copying.bucket.begin(Destination(key_of("talk"), {}, {}))
        fault = S3Fault(kind="status", operation=operation, status=400, code="Odd", times=9)
        copying.s3.configure(replace(S3, faults=(fault,)), empty=False)
        with pytest.raises(AwsFailed, match=rf"{operation} answered \w+\.$"):
            copying.run()

    def test_slow_down_error_is_raised_when_s3_throttles_every_part(self, copying: Copying) -> None:
        fault = S3Fault(kind="status", nth=2, times=99)
        copying.s3.configure(replace(S3, faults=(fault,)))
        with pytest.raises(SlowDown):
            copying.run(budget=Budget(connections=1))
        assert copying.begun() == [[MARK_NUMBER]]

    def test_aws_failed_is_raised_when_the_connection_breaks_while_the_mark_is_sent(
        self, copying: Copying
    ) -> None:
        # The error comes from botocore, which sends the mark.
        fault = S3Fault(kind="rst", operation="UploadPart")
        copying.s3.configure(replace(S3, faults=(fault,)))
        with pytest.raises(AwsFailed, match=r"answered ConnectionClosedError\.$"):
            copying.run(budget=Budget(connections=1))

    def test_total_of_a_run_is_reported_when_the_engine_raises_an_unexpected_error(
        self, copying: Copying
    ) -> None:
        totals: list[Total] = []
        broken = MemoryFile(Generated("broken", CHAT), script=[None, ZeroDivisionError()])
        with pytest.raises(ZeroDivisionError):
            copying.run([copying.copy_of("broken", broken)], report=totals.append)
        assert len(totals) == 1


class TestAlreadyThere:
    def test_file_is_not_copied_when_s3_has_the_object_in_the_same_version(
        self, copying: Copying
    ) -> None:
        copies = [copying.copy_of(name) for name in NAMES]
        first = copied(copying.run(copies))
        copying.zoom.configure(ZOOM, replace_files=False)
        copying.s3.configure(S3, empty=False)
        again = copied(copying.run(copies))
        assert [(file.key, file.size) for file in again] == [
            (file.key, file.size) for file in first
        ]
        assert [file.fetched for file in again] == [0, 0, 0]
        assert copying.zoom.stats().body_bytes == len(NAMES)
        count = len(NAMES)
        operations = {"HeadObject": count, "GetObjectTagging": count}
        assert copying.s3.stats().operations == operations

    def test_file_is_copied_again_when_the_staged_object_is_released(
        self, copying: Copying, client: S3Client
    ) -> None:
        # The bucket's lifecycle rule may delete a released object that the uploader still needs.
        (first,) = copied(copying.run([copying.copy_of(NAMES[0])]))
        tags: Any = {"TagSet": [{"Key": RELEASED, "Value": "yes"}]}
        client.put_object_tagging(Bucket=BUCKET, Key=first.key, Tagging=tags)
        (again,) = copied(copying.run([copying.copy_of(NAMES[0])]))
        assert again.fetched == again.size
        (third,) = copied(copying.run([copying.copy_of(NAMES[0])]))
        assert third.fetched == 0

    def test_file_is_copied_when_s3_has_an_object_of_another_version(
        self, copying: Copying
    ) -> None:
        copying.run([copying.copy_of("chat")])
        changed = ZoomFault(kind="changed", request=1)
        copying.zoom.configure(replace(ZOOM, faults=(changed,)), replace_files=False)
        [file] = copied(copying.run([copying.copy_of("chat")]))
        assert file.fetched == CHAT
        assert copying.stored()[key_of("chat")] == whole(copying.zoom.content("chat"))

    def test_result_of_a_copy_contains_the_result_of_the_inspection(self, copying: Copying) -> None:
        copy = copying.copy_of("chat", inspect=lambda key, size: (key, size))
        for _ in range(2):
            [file] = copied(copying.run([copy]))
            assert file.inspected == (key_of("chat"), CHAT)

    @pytest.mark.parametrize("is_mended", [True, False])
    def test_object_is_copied_again_once_when_the_inspection_rejects_the_object(
        self, copying: Copying, is_mended: bool
    ) -> None:
        copying.run([copying.copy_of("chat")])
        inspected: list[str] = []

        def inspect(key: str, _: int) -> str:
            inspected.append(key)
            if len(inspected) == 1 or not is_mended:
                raise TransferFailed(f"{key} is not a whole MP4.")
            return "a movie"

        copies = [copying.copy_of("chat", inspect=inspect)]
        if is_mended:
            [file] = copied(copying.run(copies))
            assert (file.fetched, file.inspected) == (CHAT, "a movie")
        else:
            with pytest.raises(TransferFailed, match="not a whole MP4"):
                copying.run(copies)
        assert len(inspected) == 2
        assert copying.requests("CompleteMultipartUpload") == 2

    def test_file_is_copied_once_when_the_answer_to_complete_multipart_upload_is_lost(
        self, copying: Copying
    ) -> None:
        # S3 has completed the object, so the retry finds no unfinished upload.
        fault = S3Fault(kind="status", operation="CompleteMultipartUpload", moment="done")
        gone = replace(fault, status=404, code="NoSuchUpload")
        copying.s3.configure(replace(S3, faults=(gone,)))
        [file] = copied(copying.run())
        assert file.size == TALK
        assert copying.requests("UploadPart") == 4
        assert copying.stored() == {key_of("talk"): whole(copying.zoom.content("talk"))}


def copied(results: list[Copied | IngesterError]) -> list[Copied]:
    """Return the results, and fail if any of the results is an error."""
    files = [result for result in results if isinstance(result, Copied)]
    assert len(files) == len(results), results
    return files
