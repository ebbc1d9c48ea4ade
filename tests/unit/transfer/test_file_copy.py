"""What a file's copy does next, as a machine that is only asked and told: nothing runs here."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from bench.transfer.peers.content import Generated
from ingester.errors import (
    AwsFailed,
    FileUnavailable,
    SourceChanged,
    TransferFailed,
    UploadGone,
    ZoomUnreachable,
)
from ingester.transfer.file_copy import IN_FLIGHT_DIVISOR, MIN_IN_FLIGHT, FileCopy, Task
from ingester.transfer.multipart import Bucket, Destination, StoredPart, Upload
from ingester.transfer.part_worker import Stopped, Worker
from ingester.transfer.parts import MIB, parts_of
from ingester.transfer.plan import AlreadyThere, Copied, Copy, Plan, Target
from ingester.transfer.progress import Progress
from ingester.transfer.ranges import EmptyFile, Version
from ingester.transfer.stream import BufferPool
from tests.unit.transfer.copying import METADATA, at_once, key_of
from tests.unit.transfer.memory_source import MemoryBody, MemoryFile

KEY = key_of("talk")
SIZE = (MIN_IN_FLIGHT + 4) * 5 * MIB
"""More parts than are under way at once."""
COPIED = Copied(KEY, SIZE, None, SIZE, 1.0, 0)
FAILED = TransferFailed("The line broke.")
CHANGED = SourceChanged("It changed.")
GONE = UploadGone("It is gone.")


class Aborting(Bucket):
    """Only remembers which uploads it was to abort."""

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
            wait=at_once,
            clock=lambda: 0.0,
        )
    )


def aborted(file: FileCopy) -> list[str]:
    return cast("Aborting", file.worker.bucket).aborted


def plan_for(
    size: int = SIZE, *, there: int = 0, marked: bool = False, body: MemoryBody | None = None
) -> Plan:
    """A plan of which so many parts are there already."""
    parts = () if body else parts_of(size)
    stored = {part.number: StoredPart(part.number, part.length, "", "") for part in parts[:there]}
    upload = Upload(Destination(KEY, METADATA, {}), "u-1", "", stored, is_marked=marked)
    return Plan(Version(size), upload, parts[there:], body)


def name_of(task: Task | None) -> str:
    """What a task does."""
    return cast("partial[object]", task.run).func.__name__ if task else ""


def begin_all(file: FileCopy, *, parts: bool = True) -> list[str]:
    """Begins all that can be begun now."""
    return [name_of(task) for task in iter(lambda: file.next_task(parts=parts), None)]


def opened(file: FileCopy, plan: Plan | AlreadyThere) -> FileCopy:
    """As it is when the source was opened."""
    assert begin_all(file) == ["plan"]
    if isinstance(plan, Plan):
        file.worker.plans.append(plan)
    file.finish_task(plan, None)
    return file


class TestOrder:
    def test_open_mark_parts_close(self) -> None:
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

    def test_only_parts_can_be_left_for_later(self) -> None:
        file = opened(file_copy(), plan_for())
        tasks = [file.next_task() for _ in range(3)]
        assert [(name_of(task), task.is_part) for task in tasks if task] == [
            ("mark", False),
            ("copy_part", True),
            ("copy_part", True),
        ]

    def test_parts_come_in_the_files_order(self) -> None:
        plan = plan_for(marked=True)
        file = opened(file_copy(), plan)
        tasks = [file.next_task() for _ in range(4)]
        arguments = [cast("partial[object]", task.run).args for task in tasks if task]
        assert arguments == [(plan, part) for part in plan.missing[:4]]

    def test_what_is_there_is_left_out(self) -> None:
        file = opened(file_copy(), plan_for(12 * MIB, there=1, marked=True))
        assert begin_all(file) == ["copy_part", "copy_part"]

    @pytest.mark.parametrize(
        ("plan", "tasks"),
        [
            (plan_for(1000), ["copy_part"]),
            (plan_for(12 * MIB, there=2), ["copy_part"]),
            (plan_for(12 * MIB, there=3, marked=True), ["complete"]),
            (AlreadyThere(KEY, SIZE), ["complete"]),
        ],
        ids=["one part", "the last part", "all parts are there", "the object is there"],
    )
    def test_a_mark_is_made_only_where_it_can_be_of_use(
        self, plan: Plan | AlreadyThere, tasks: list[str]
    ) -> None:
        assert begin_all(opened(file_copy(), plan)) == tasks

    @pytest.mark.parametrize(
        ("marked", "tasks"), [(False, ["copy_stream", "mark"]), (True, ["copy_stream"])]
    )
    def test_a_stream(self, marked: bool, tasks: list[str]) -> None:
        body = MemoryFile(Generated("talk", SIZE), has_ranges=False).open(0, 0)
        file = opened(file_copy(), plan_for(marked=marked, body=body))
        assert begin_all(file) == tasks

    def test_without_time_no_part_is_begun_but_what_is_short_is(self) -> None:
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
    def test_no_more_than_a_share_of_the_file(self, size: int) -> None:
        """A crash costs what is under way."""
        file = opened(file_copy(), plan_for(size, marked=True))
        begun = len(begin_all(file))
        share = size / IN_FLIGHT_DIVISOR / parts_of(size)[0].length
        assert begun == max(MIN_IN_FLIGHT, int(share))

    def test_that_is_no_large_one(self) -> None:
        assert IN_FLIGHT_DIVISOR >= 4
        assert MIN_IN_FLIGHT <= 8

    def test_when_one_has_ended_the_next_begins(self) -> None:
        file = opened(file_copy(), plan_for(marked=True))
        assert len(begin_all(file)) == MIN_IN_FLIGHT
        file.finish_task(None, None)
        assert begin_all(file) == ["copy_part"]


class TestFails:
    def test_the_others_are_stopped_and_it_ends_when_they_have(self) -> None:
        file = opened(file_copy(), plan_for(marked=True))
        under_way = len(begin_all(file))
        file.finish_task(None, FAILED)
        assert file.worker.stop.is_set()
        assert begin_all(file) == []
        for _ in range(under_way - 3):
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
    def test_botocores_errors_are_ours_then(self, error: Exception, text: str) -> None:
        file = file_copy()
        file.next_task()
        file.finish_task(None, error)
        assert isinstance(file.error, AwsFailed)
        with pytest.raises(AwsFailed, match=text):
            raise file.error

    def test_a_bug_is_raised(self) -> None:
        file = opened(file_copy(), plan_for(1000))
        file.next_task()
        with pytest.raises(ZeroDivisionError):
            file.finish_task(None, ZeroDivisionError())

    def test_an_error_that_the_copy_skips_is_none(self) -> None:
        file = file_copy(skips=(EmptyFile,))
        file.next_task()
        file.finish_task(None, EmptyFile("No bytes."))
        assert isinstance(file.result, EmptyFile)
        assert file.error is None
        assert file.has_ended

    def test_others_are_not_skipped(self) -> None:
        file = file_copy(skips=(EmptyFile,))
        file.next_task()
        file.finish_task(None, FileUnavailable("Gone."))
        assert isinstance(file.error, FileUnavailable)

    def test_who_is_given_up_has_not_ended(self) -> None:
        """Its upload is another run's business."""
        file = opened(file_copy(), plan_for(there=2, marked=True))
        file.next_task()
        file.cancel()
        file.finish_task(None, Stopped())
        assert (file.has_ended, file.result) == (False, None)
        assert file.release(abort=False) == 10 * MIB
        assert aborted(file) == []


class TestBeginsAnew:
    def fail(self, file: FileCopy, error: Exception, plan: Plan | None = None) -> None:
        opened(file, plan or plan_for(1000))
        assert begin_all(file) == ["copy_part"]
        file.finish_task(None, error)

    @pytest.mark.parametrize("error", [CHANGED, GONE])
    def test_when_source_or_upload_are_others(self, error: Exception) -> None:
        """What is stored stays: one wrong answer looks like another version as well."""
        file = file_copy()
        self.fail(file, error)
        assert not file.has_ended
        assert not file.worker.stop.is_set()
        assert aborted(file) == []
        opened(file, plan_for(1000))
        assert begin_all(file) == ["copy_part"]

    @pytest.mark.parametrize("error", [CHANGED, GONE])
    def test_but_not_for_ever(self, error: Exception) -> None:
        file = file_copy()
        for _ in range(3):
            self.fail(file, error)
            assert not file.has_ended
        self.fail(file, error)
        assert file.error is error

    def test_only_when_all_that_was_under_way_has_ended(self) -> None:
        """And without what was still to be done of the other plan."""
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

    def test_also_a_stream_whose_mark_was_still_to_be_made(self) -> None:
        body = MemoryFile(Generated("talk", SIZE), has_ranges=False).open(0, 0)
        file = opened(file_copy(), plan_for(body=body))
        assert name_of(file.next_task()) == "copy_stream"
        file.finish_task(None, CHANGED)
        opened(file, plan_for(1000))
        assert begin_all(file) == ["copy_part"]

    def test_when_the_object_that_is_there_is_no_good(self) -> None:
        file = file_copy()
        assert not self.is_anew(file)
        file.finish_task(AlreadyThere(KEY, SIZE), None)
        assert begin_all(file) == ["complete"]
        file.finish_task(None, FAILED)
        assert not file.has_ended
        assert self.is_anew(file)

    def test_when_the_new_one_is_no_good_either_that_is_the_end(self) -> None:
        file = opened(file_copy(), AlreadyThere(KEY, SIZE))
        begin_all(file)
        file.finish_task(None, FAILED)
        opened(file, plan_for(1000))
        assert begin_all(file) == ["copy_part"]
        file.finish_task(None, None)
        assert begin_all(file) == ["complete"]
        file.finish_task(None, FAILED)
        assert file.error is FAILED

    def is_anew(self, file: FileCopy) -> bool:
        """Whether the next opening trusts no object."""
        task = file.next_task()
        assert task
        return bool(cast("partial[object]", task.run).keywords["overwrite"])


class TestTold:
    def test_the_size(self) -> None:
        assert file_copy().size is None
        assert file_copy(expected_size=7).size == 7
        assert opened(file_copy(), plan_for(1000)).size == 1000
        assert opened(file_copy(), AlreadyThere(KEY, 5)).size == 5

    def test_what_s3_has(self) -> None:
        assert file_copy().stored == 0
        assert opened(file_copy(), plan_for(there=3)).stored == 15 * MIB
        assert opened(file_copy(), AlreadyThere(KEY, 5)).stored == 5

    @pytest.mark.parametrize("size", [SIZE, None])
    def test_whether_the_next_run_finds_it_done(self, size: int | None) -> None:
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

    def test_what_was_there_before_is_not_this_runs_doing(self) -> None:
        file = opened(file_copy(), AlreadyThere(KEY, 5))
        begin_all(file)
        file.finish_task(COPIED, None)
        assert not file.was_completed


class TestReleased:
    def test_a_copy_that_is_whole_is_left_alone(self) -> None:
        file = opened(file_copy(), plan_for(1000))
        for outcome in (None, COPIED):
            begin_all(file)
            file.finish_task(outcome, None)
        assert file.release(abort=True) == 0
        assert aborted(file) == []

    def test_all_that_it_began_is_aborted(self) -> None:
        file = opened(file_copy(), plan_for(there=2, marked=True))
        assert file.release(abort=True) == 0
        assert aborted(file) == ["u-1"]

    def test_also_what_it_began_before_it_was_given_up(self) -> None:
        """Nobody waits for an opening that ends while another file has failed."""
        body = MemoryFile(Generated("talk", SIZE), has_ranges=False).open(0, 0)
        file = file_copy()
        begin_all(file)
        file.cancel()
        file.worker.plans.append(plan_for(body=body))
        assert file.release(abort=True) == 0
        assert aborted(file) == ["u-1"]
        assert body.is_closed

    @pytest.mark.parametrize("abort", [True, False])
    def test_an_open_stream_is_closed(self, abort: bool) -> None:
        body = MemoryFile(Generated("talk", SIZE), has_ranges=False).open(0, 0)
        file = opened(file_copy(), plan_for(body=body))
        file.release(abort=abort)
        assert body.is_closed

    def test_one_that_was_never_opened(self) -> None:
        assert file_copy().release(abort=False) == 0
