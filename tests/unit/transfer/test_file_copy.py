"""Unit tests of the state machine of a file's copy. The tests run no task."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from bench.transfer.peers.content import Generated
from ingester.errors import (
    AwsFailed,
    EmptyFile,
    FileUnavailable,
    SourceChanged,
    TransferFailed,
    UploadGone,
    ZoomUnreachable,
)
from ingester.transfer.file_copy import IN_FLIGHT_DIVISOR, MIN_IN_FLIGHT, FileCopy, Task
from ingester.transfer.multipart import Bucket, Destination, StoredPart, Upload
from ingester.transfer.part_worker import Stopped, Worker
from ingester.transfer.parts import MIB, Part, parts_of
from ingester.transfer.plan import AlreadyThere, Copied, Copy, Plan, Target
from ingester.transfer.progress import Progress
from ingester.transfer.ranges import Version
from ingester.transfer.stream import BufferPool
from tests.unit.transfer.copying import METADATA, key_of, skip_wait
from tests.unit.transfer.memory_source import MemoryBody, MemoryFile

KEY = key_of("talk")
SIZE = (MIN_IN_FLIGHT + 4) * 5 * MIB
"""Size in bytes of a file with more parts than may be in flight at once."""
COPIED = Copied(KEY, SIZE, None, SIZE, 1.0, 0)
FAILED = TransferFailed("The line broke.")
CHANGED = SourceChanged("It changed.")
GONE = UploadGone("It is gone.")


class Aborting(Bucket):
    """A fake bucket that notes the ids of aborted uploads."""

    def __init__(self) -> None:
        self.aborted: list[str] = []

    def abort(self, upload: Upload) -> None:
        self.aborted.append(upload.upload_id)


def file_copy(**changes: Any) -> FileCopy:
    source = MemoryFile(Generated("talk", SIZE))
    return FileCopy(
        Worker(
            copy=Copy("talk", source, lambda _: Target(KEY, METADATA), **changes),
            bucket=Aborting(),
            buffers=BufferPool(1, 1),
            progress=Progress(),
            on_throttled=lambda: None,
            wait=skip_wait,
            clock=lambda: 0.0,
        )
    )


def aborted(file: FileCopy) -> list[str]:
    return cast("Aborting", file.worker.bucket).aborted


def plan_for(
    size: int = SIZE, *, stored: int = 0, marked: bool = False, body: MemoryBody | None = None
) -> Plan:
    """Return a plan for a file whose first `stored` parts are in S3, or for the stream `body`."""
    parts = () if body else parts_of(size)
    stored_parts = {
        part.number: StoredPart(part.number, part.length, "", "") for part in parts[:stored]
    }
    upload = Upload(Destination(KEY, METADATA, {}), "u-1", "", stored_parts, is_marked=marked)
    return Plan(Version(size), upload, parts[stored:], body)


def name_of(task: Task | None) -> str:
    """Return the name of the worker's method that a task calls, or "" without a task."""
    return cast("partial[object]", task.run).func.__name__ if task else ""


def begin_all(file: FileCopy, *, parts: bool = True) -> list[str]:
    """Start all tasks that may start now, and return the names of their methods."""
    return [name_of(task) for task in iter(lambda: file.next_task(parts=parts), None)]


def opened(file: FileCopy, plan: Plan | AlreadyThere) -> FileCopy:
    """Check that only planning starts, finish the planning with `plan`, and return the file."""
    assert begin_all(file) == ["plan"]
    if isinstance(plan, Plan):
        file.worker.plans.append(plan)
    file.finish_task(plan, None)
    return file


class TestOrder:
    def test_tasks_of_a_copy_are_plan_mark_parts_and_complete(self) -> None:
        file = opened(file_copy(), plan_for(12 * MIB))
        assert begin_all(file) == ["mark", "copy_part", "copy_part", "copy_part"]
        for _ in range(3):
            file.finish_task(None, None)
            assert begin_all(file) == []
        file.finish_task(None, None)
        assert begin_all(file) == ["complete"]
        before = file.has_ended
        file.finish_task(COPIED, None)
        assert (before, file.has_ended) == (False, True)
        assert (file.result, file.error) == (COPIED, None)
        assert begin_all(file) == []

    def test_task_of_a_copy_names_a_part_only_when_the_task_copies_a_part(self) -> None:
        plan = plan_for()
        file = opened(file_copy(), plan)
        tasks = [file.next_task() for _ in range(3)]
        first, second = plan.missing[:2]
        assert [(name_of(task), task.part) for task in tasks if task] == [
            ("mark", None),
            ("copy_part", first),
            ("copy_part", second),
        ]

    def test_parts_are_copied_in_the_order_of_the_file(self) -> None:
        plan = plan_for(marked=True)
        file = opened(file_copy(), plan)
        tasks = [file.next_task() for _ in range(4)]
        arguments = [cast("partial[object]", task.run).args for task in tasks if task]
        assert arguments == [(plan, part) for part in plan.missing[:4]]

    def test_parts_that_are_stored_in_s3_are_not_copied(self) -> None:
        file = opened(file_copy(), plan_for(12 * MIB, stored=1, marked=True))
        assert begin_all(file) == ["copy_part", "copy_part"]

    @pytest.mark.parametrize(
        ("plan", "tasks"),
        [
            (plan_for(1000), ["copy_part"]),
            (plan_for(12 * MIB, stored=2), ["copy_part"]),
            (plan_for(12 * MIB, stored=3, marked=True), ["complete"]),
            (AlreadyThere(KEY, SIZE), ["complete"]),
        ],
        ids=["one part", "the last part", "all parts are there", "the object is there"],
    )
    def test_upload_is_not_marked_when_at_most_one_part_is_missing(
        self, plan: Plan | AlreadyThere, tasks: list[str]
    ) -> None:
        assert begin_all(opened(file_copy(), plan)) == tasks

    @pytest.mark.parametrize(
        ("marked", "tasks"), [(False, ["copy_stream", "mark"]), (True, ["copy_stream"])]
    )
    def test_upload_of_a_stream_is_marked_unless_the_upload_has_a_mark(
        self, marked: bool, tasks: list[str]
    ) -> None:
        body = MemoryFile(Generated("talk", SIZE), has_ranges=False).open(0, 0)
        file = opened(file_copy(), plan_for(marked=marked, body=body))
        assert begin_all(file) == tasks

    def test_tasks_plan_mark_and_complete_are_started_when_there_is_no_time_for_parts(self) -> None:
        file = file_copy()
        assert begin_all(file, parts=False) == ["plan"]
        file.finish_task(plan_for(), None)
        assert begin_all(file, parts=False) == ["mark"]
        file.finish_task(None, None)
        assert begin_all(file, parts=False) == []
        file = opened(file_copy(), plan_for(1000))
        assert begin_all(file) == ["copy_part"]
        file.finish_task(None, None)
        assert begin_all(file, parts=False) == ["complete"]


class TestInFlight:
    @pytest.mark.parametrize("size", [SIZE, 1_400_000_000, 10_000_000_000])
    def test_parts_in_flight_are_a_quarter_of_the_file_or_eight_parts_whichever_is_more(
        self, size: int
    ) -> None:
        # After a crash, the parts in flight have to be copied again.
        file = opened(file_copy(), plan_for(size, marked=True))
        begun = len(begin_all(file))
        share = size / 4 / parts_of(size)[0].length
        assert begun == max(8, int(share))

    def test_more_parts_are_in_flight_at_the_end_of_a_file_where_parts_are_small(self) -> None:
        # The small parts let all connections end at about the same time.
        size = 512_000_000
        file = opened(file_copy(), plan_for(size, marked=True))
        running: list[Part] = []
        counts = []
        while True:
            while (task := file.next_task()) and task.part:
                running.append(task.part)
            if not running:
                break
            assert sum(part.length for part in running) <= size // IN_FLIGHT_DIVISOR
            counts.append(len(running))
            file.finish_task(None, None, running.pop(0))
        assert max(counts) > counts[0]

    def test_next_part_is_started_when_another_part_has_ended(self) -> None:
        file = opened(file_copy(), plan_for(marked=True))
        assert len(begin_all(file)) == MIN_IN_FLIGHT
        file.finish_task(None, None)
        assert begin_all(file) == ["copy_part"]


class TestFailures:
    def test_copy_ends_with_its_first_failure_when_all_tasks_have_ended(self) -> None:
        file = opened(file_copy(), plan_for(marked=True))
        in_flight = len(begin_all(file))
        file.finish_task(None, FAILED)
        assert file.worker.stop.is_set()
        assert begin_all(file) == []
        for _ in range(in_flight - 3):
            file.finish_task(None, Stopped())
        file.finish_task(None, None)
        assert not file.has_ended
        file.finish_task(None, ZoomUnreachable("A later one."))
        assert (file.result, file.error) == (FAILED, FAILED)
        assert aborted(file) == []

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (ClientError({"Error": {"Code": "AccessDenied"}}, "ListParts"), "ListParts.*AccessDen"),
            (EndpointConnectionError(endpoint_url="https://s3"), "EndpointConnectionError"),
        ],
    )
    def test_error_of_a_copy_says_how_aws_failed_when_botocore_raises_an_error(
        self, error: Exception, text: str
    ) -> None:
        file = file_copy()
        file.next_task()
        file.finish_task(None, error)
        assert isinstance(file.error, AwsFailed)
        with pytest.raises(AwsFailed, match=text):
            raise file.error

    def test_unexpected_error_of_a_task_is_raised_when_the_task_is_finished(self) -> None:
        file = opened(file_copy(), plan_for(1000))
        file.next_task()
        with pytest.raises(ZeroDivisionError):
            file.finish_task(None, ZeroDivisionError())

    def test_error_of_a_copy_is_none_when_the_copy_tolerates_it(self) -> None:
        file = file_copy(tolerated_errors=(EmptyFile,))
        file.next_task()
        file.finish_task(None, EmptyFile("No bytes."))
        assert isinstance(file.result, EmptyFile)
        assert file.error is None
        assert file.has_ended

    def test_error_of_a_copy_is_kept_when_the_copy_tolerates_only_other_types(self) -> None:
        file = file_copy(tolerated_errors=(EmptyFile,))
        file.next_task()
        file.finish_task(None, FileUnavailable("Gone."))
        assert isinstance(file.error, FileUnavailable)

    def test_copy_has_not_ended_when_it_was_cancelled(self) -> None:
        # Another run resumes the upload of a cancelled copy.
        file = opened(file_copy(), plan_for(stored=2, marked=True))
        file.next_task()
        file.cancel()
        file.finish_task(None, Stopped())
        assert (file.has_ended, file.result) == (False, None)
        assert file.release(abort=False) == 10 * MIB
        assert aborted(file) == []


class TestRestarts:
    def fail(self, file: FileCopy, error: Exception, plan: Plan | None = None) -> None:
        opened(file, plan or plan_for(1000))
        assert begin_all(file) == ["copy_part"]
        file.finish_task(None, error)

    @pytest.mark.parametrize("error", [CHANGED, GONE])
    def test_copy_restarts_when_its_source_has_changed_or_its_upload_is_gone(
        self, error: Exception
    ) -> None:
        # The upload is kept, because a single wrong answer can look like another version.
        file = file_copy()
        self.fail(file, error)
        assert not file.has_ended
        assert not file.worker.stop.is_set()
        assert aborted(file) == []
        opened(file, plan_for(1000))
        assert begin_all(file) == ["copy_part"]

    @pytest.mark.parametrize("error", [CHANGED, GONE])
    def test_copy_fails_at_the_next_error_after_three_restarts(self, error: Exception) -> None:
        file = file_copy()
        for _ in range(3):
            self.fail(file, error)
            assert not file.has_ended
        self.fail(file, error)
        assert file.error is error

    def test_copy_restarts_only_when_all_its_tasks_have_ended(self) -> None:
        # The source has changed, so the remaining tasks of the earlier plan are dropped.
        file = opened(file_copy(), plan_for())
        assert begin_all(file, parts=False) == ["mark"]
        assert name_of(file.next_task()) == "copy_part"
        file.finish_task(None, CHANGED)
        assert begin_all(file) == []
        file.finish_task(None, Stopped())
        opened(file, plan_for(1000))
        assert begin_all(file) == ["copy_part"]
        file.finish_task(None, None)
        assert begin_all(file) == ["complete"]

    def test_restarted_copy_has_no_mark_task_of_the_earlier_plan_of_a_stream(self) -> None:
        body = MemoryFile(Generated("talk", SIZE), has_ranges=False).open(0, 0)
        file = opened(file_copy(), plan_for(body=body))
        assert name_of(file.next_task()) == "copy_stream"
        file.finish_task(None, CHANGED)
        opened(file, plan_for(1000))
        assert begin_all(file) == ["copy_part"]

    def test_copy_restarts_and_overwrites_the_existing_object_when_the_object_fails_its_check(
        self,
    ) -> None:
        file = file_copy()
        assert not self.overwrites(file)
        file.finish_task(AlreadyThere(KEY, SIZE), None)
        assert begin_all(file) == ["complete"]
        file.finish_task(None, FAILED)
        assert not file.has_ended
        assert self.overwrites(file)

    def test_copy_fails_when_the_new_object_fails_its_check_as_well(self) -> None:
        file = opened(file_copy(), AlreadyThere(KEY, SIZE))
        begin_all(file)
        file.finish_task(None, FAILED)
        opened(file, plan_for(1000))
        assert begin_all(file) == ["copy_part"]
        file.finish_task(None, None)
        assert begin_all(file) == ["complete"]
        file.finish_task(None, FAILED)
        assert file.error is FAILED

    def overwrites(self, file: FileCopy) -> bool:
        """Start the next plan task, and return whether the task overwrites an object."""
        task = file.next_task()
        assert task
        return bool(cast("partial[object]", task.run).keywords["overwrite"])


class TestProperties:
    def test_size_of_a_copy_is_the_size_in_its_plan_or_else_the_expected_size(self) -> None:
        assert file_copy().size is None
        assert file_copy(expected_size=7).size == 7
        assert opened(file_copy(), plan_for(1000)).size == 1000
        assert opened(file_copy(), AlreadyThere(KEY, 5)).size == 5

    def test_stored_bytes_of_a_copy_count_the_bytes_in_s3(self) -> None:
        assert file_copy().stored == 0
        assert opened(file_copy(), plan_for(stored=3)).stored == 15 * MIB
        assert opened(file_copy(), AlreadyThere(KEY, 5)).stored == 5

    @pytest.mark.parametrize("size", [SIZE, None])
    def test_copy_counts_as_completed_only_when_the_next_run_can_recognize_the_object(
        self, size: int | None
    ) -> None:
        file = file_copy()
        begin_all(file)
        plan = plan_for(1000)
        file.finish_task(Plan(Version(size), plan.upload, plan.missing), None)
        begin_all(file)
        file.finish_task(None, None)
        begin_all(file)
        assert not file.was_completed
        file.finish_task(COPIED, None)
        assert file.was_completed == (size is not None)

    def test_copy_does_not_count_as_completed_when_the_object_existed_before(self) -> None:
        file = opened(file_copy(), AlreadyThere(KEY, 5))
        begin_all(file)
        file.finish_task(COPIED, None)
        assert not file.was_completed


class TestRelease:
    def test_release_of_a_copy_aborts_nothing_when_the_copy_succeeded(self) -> None:
        file = opened(file_copy(), plan_for(1000))
        for outcome in (None, COPIED):
            begin_all(file)
            file.finish_task(outcome, None)
        assert file.release(abort=True) == 0
        assert aborted(file) == []

    def test_release_with_abort_aborts_the_upload_of_a_copy_in_progress(self) -> None:
        file = opened(file_copy(), plan_for(stored=2, marked=True))
        assert file.release(abort=True) == 0
        assert aborted(file) == ["u-1"]

    def test_release_of_a_copy_aborts_an_upload_begun_after_the_cancellation(self) -> None:
        # A file's plan can be completed after another file has failed.
        body = MemoryFile(Generated("talk", SIZE), has_ranges=False).open(0, 0)
        file = file_copy()
        begin_all(file)
        file.cancel()
        file.worker.plans.append(plan_for(body=body))
        assert file.release(abort=True) == 0
        assert aborted(file) == ["u-1"]
        assert body.is_closed

    @pytest.mark.parametrize("abort", [True, False])
    def test_release_of_a_copy_closes_an_open_stream(self, abort: bool) -> None:
        body = MemoryFile(Generated("talk", SIZE), has_ranges=False).open(0, 0)
        file = opened(file_copy(), plan_for(body=body))
        file.release(abort=abort)
        assert body.is_closed

    def test_release_of_a_copy_returns_0_when_the_copy_was_never_opened(self) -> None:
        assert file_copy().release(abort=False) == 0
