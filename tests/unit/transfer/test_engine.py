"""Files from Zoom into S3, many at once: each whole, or what it means if it isn't."""

from __future__ import annotations

import itertools
import threading
import tracemalloc
from dataclasses import replace

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
from ingester.transfer.engine import Budget, Total
from ingester.transfer.multipart import IDENTITY, Destination
from ingester.transfer.parts import MARK_NUMBER, MIB
from ingester.transfer.plan import Copied
from tests.local.processes_of import wait_for
from tests.unit.transfer.copying import (
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

NAMES = ("talk", "slides", "chat")
SIZES = (TALK, SLIDES, CHAT)


class TestWhole:
    @pytest.mark.parametrize("kind", ["copying", "tls_copying"])
    def test_several_files(self, request: pytest.FixtureRequest, kind: str) -> None:
        copying: Copying = request.getfixturevalue(kind)
        results = copying.run([copying.copy_of(name) for name in NAMES])
        assert [(one.key, one.size, one.fetched) for one in copied(results)] == [
            (key_of(name), size, size) for name, size in zip(NAMES, SIZES, strict=True)
        ]
        assert copying.stored() == {
            key_of(name): whole(copying.zoom.content(name)) for name in NAMES
        }
        for one in copying.s3.objects():
            assert one.metadata.pop(IDENTITY)
            assert one.metadata == METADATA
        assert copying.begun() == []
        assert copying.s3.stats().rejected == {"NoSuchKey": len(NAMES)}
        assert copying.zoom.stats().body_bytes == sum(SIZES) + len(NAMES)

    @pytest.mark.parametrize("content_length", [True, False], ids=["known size", "unknown size"])
    def test_from_a_host_without_ranges(self, copying: Copying, content_length: bool) -> None:
        copying.zoom.configure(replace(ZOOM, ranges=False, content_length=content_length))
        [one] = copied(copying.run())
        assert (one.size, one.fetched) == (TALK, TALK)
        assert copying.stored() == {key_of("talk"): whole(copying.zoom.content("talk"))}
        assert copying.zoom.stats().body_bytes == TALK
        assert copying.begun() == []

    def test_nothing(self, copying: Copying) -> None:
        assert copying.run([]) == []

    @pytest.mark.parametrize("connections", [1, 2])
    def test_all_files_share_the_connections(self, copying: Copying, connections: int) -> None:
        copies = [copying.copy_of(name) for name in NAMES]
        copying.run(copies, budget=Budget(connections=connections))
        assert copying.zoom.stats().most_bodies <= connections
        assert copying.s3.stats().most_bodies <= connections

    def test_memory_is_bounded(self, copying: Copying) -> None:
        """Four connections hold a chunk each, and both peers a MiB or two for each of them."""
        copying.zoom.configure(replace(ZOOM, files={"talk": 64 * MIB}))
        copying.s3.configure(replace(S3, mode="discard"))
        tracemalloc.start()
        try:
            [one] = copied(copying.run(budget=Budget(connections=4)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert one.size == 64 * MIB
        assert peak < 16 * MIB


class TestFails:
    def test_what_a_copy_skips_ends_it_alone(self, copying: Copying) -> None:
        page = NotAFile("Zoom answered with an HTML page.")
        lost = MemoryFile(Generated("lost", 10), script=[page])
        results = copying.run(
            [copying.copy_of("lost", lost, skips=(NotAFile,)), copying.copy_of("chat")]
        )
        assert results[0] is page
        assert isinstance(results[1], Copied)
        assert list(copying.stored()) == [key_of("chat")]

    def test_for_good_and_the_others_stop(self, copying: Copying) -> None:
        """Nothing of theirs stays in S3: nobody would go on with it."""
        under_way, gone = threading.Semaphore(0), FileUnavailable("Zoom answered 400.")

        def wait(stop: threading.Event, seconds: float) -> bool:
            under_way.release()
            return until_stopped(stop, seconds)

        away = [ZoomUnreachable("No.")] * 9
        other = MemoryFile(Generated("other", TALK), script=[None, None, *away])
        lost = MemoryFile(
            Generated("lost", 10),
            script=[gone],
            before=lambda *_: [under_way.acquire(timeout=10) for _ in range(2)],
        )
        copies = [copying.copy_of("other", other), copying.copy_of("lost", lost)]
        with pytest.raises(FileUnavailable) as raised:
            copying.run(copies, wait=wait, budget=Budget(first_connections=8))
        assert raised.value is gone
        assert copying.s3.stats().operations["AbortMultipartUpload"] == 1
        assert copying.s3.stats().open_uploads == 0
        assert copying.s3.objects() == []

    @pytest.mark.parametrize("has_ranges", [True, False])
    def test_nor_does_what_is_only_being_opened_then(
        self, copying: Copying, has_ranges: bool
    ) -> None:
        """The engine is asked for the time a third time when the failure is known."""
        opening, asked, noticed = threading.Event(), itertools.count(1), threading.Event()

        def open_slowly(*_: int) -> None:
            opening.set()
            assert noticed.wait(10)

        def time_left() -> float:
            if next(asked) == 3:
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

    def test_for_now_and_the_others_are_finished(self, copying: Copying) -> None:
        """The next run goes on with what is there of the one that failed."""
        tries, failed = [], threading.Event()

        def fail(first: int, _: int) -> None:
            if first == 5 * MIB:
                tries.append(first)
                failed.set()
                raise ZoomUnreachable("Zoom answered 500 to the download.")

        talk = MemoryFile(Generated("talk", TALK), before=fail)
        chat = MemoryFile(Generated("chat", CHAT), before=lambda *_: failed.wait(10))
        copies = [copying.copy_of("talk", talk), copying.copy_of("chat", chat)]
        budget = Budget(first_connections=8)
        with pytest.raises(ZoomUnreachable, match="500"):
            copying.run(copies, budget=budget)
        assert len(tries) == 6
        assert list(copying.stored()) == [key_of("chat")]
        [[*there, mark]] = copying.begun()
        assert (mark, set(there) <= {1, 3}) == (MARK_NUMBER, True)
        talk.before = lambda *_: None
        again = copied(copying.run(copies, budget=budget))
        missing = {1, 2, 3} - set(there)
        lengths = {1: 5 * MIB, 2: 5 * MIB, 3: TALK - 10 * MIB}
        assert [one.fetched for one in again] == [sum(lengths[one] for one in missing), 0]
        assert copying.stored()[key_of("talk")] == whole(talk.content)

    def test_a_later_failure_for_good_goes_before_one_for_now(self, copying: Copying) -> None:
        """What is for good is what an operator has to know."""
        tired = MemoryFile(Generated("tired", 10), script=[None, *[TransferFailed("No.")] * 99])
        lost = MemoryFile(Generated("lost", 10), script=[None, FileUnavailable("Gone.")])
        copies = [copying.copy_of("tired", tired), copying.copy_of("lost", lost)]
        with pytest.raises(FileUnavailable):
            copying.run(copies, budget=Budget(connections=1))

    @pytest.mark.parametrize("operation", ["HeadObject", "CreateMultipartUpload", "ListParts"])
    def test_a_call_to_aws(self, copying: Copying, operation: str) -> None:
        copying.bucket.begin(Destination(key_of("talk"), {}, {}))
        fault = S3Fault(what="status", operation=operation, status=400, code="Odd", times=9)
        copying.s3.configure(replace(S3, faults=(fault,)), empty=False)
        with pytest.raises(AwsFailed, match=rf"{operation} answered \w+\.$"):
            copying.run()

    def test_s3_that_has_too_much_to_do(self, copying: Copying) -> None:
        fault = S3Fault(what="status", nth=2, times=99)
        copying.s3.configure(replace(S3, faults=(fault,)))
        with pytest.raises(SlowDown):
            copying.run(budget=Budget(connections=1))
        assert copying.begun() == [[MARK_NUMBER]]

    def test_an_aws_that_breaks_off(self, copying: Copying) -> None:
        """Here in the middle of the mark, which goes through botocore."""
        fault = S3Fault(what="rst", operation="UploadPart")
        copying.s3.configure(replace(S3, faults=(fault,)))
        with pytest.raises(AwsFailed, match=r"answered ConnectionClosedError\.$"):
            copying.run(budget=Budget(connections=1))

    def test_a_bug_is_raised_and_reported(self, copying: Copying) -> None:
        totals: list[Total] = []
        broken = MemoryFile(Generated("broken", CHAT), script=[None, ZeroDivisionError()])
        with pytest.raises(ZeroDivisionError):
            copying.run([copying.copy_of("broken", broken)], report=totals.append)
        assert len(totals) == 1


class TestAlreadyThere:
    def test_it_is_not_copied_again(self, copying: Copying) -> None:
        copies = [copying.copy_of(name) for name in NAMES]
        first = copied(copying.run(copies))
        copying.zoom.configure(ZOOM, anew=False)
        copying.s3.configure(S3, empty=False)
        again = copied(copying.run(copies))
        assert [(one.key, one.size) for one in again] == [(one.key, one.size) for one in first]
        assert [one.fetched for one in again] == [0, 0, 0]
        # The peer counts a byte when it has sent it: it may be here before that.
        wait_for(lambda: copying.zoom.stats().body_bytes >= len(NAMES))
        assert copying.zoom.stats().body_bytes == len(NAMES)
        assert copying.s3.stats().operations == {"HeadObject": len(NAMES)}

    def test_another_version_is_copied(self, copying: Copying) -> None:
        copying.run([copying.copy_of("chat")])
        changed = ZoomFault(what="changed", request=1)
        copying.zoom.configure(replace(ZOOM, faults=(changed,)), anew=False)
        [one] = copied(copying.run([copying.copy_of("chat")]))
        assert one.fetched == CHAT
        assert copying.stored()[key_of("chat")] == whole(copying.zoom.content("chat"))

    def test_what_is_inspected_comes_along(self, copying: Copying) -> None:
        copy = copying.copy_of("chat", inspect=lambda key, size: (key, size))
        for _ in range(2):
            [one] = copied(copying.run([copy]))
            assert one.inspected == (key_of("chat"), CHAT)

    @pytest.mark.parametrize("is_mended", [True, False])
    def test_an_object_that_is_no_good_is_copied_anew_once(
        self, copying: Copying, is_mended: bool
    ) -> None:
        copying.run([copying.copy_of("chat")])
        looked: list[str] = []

        def inspect(key: str, _: int) -> str:
            looked.append(key)
            if len(looked) == 1 or not is_mended:
                raise TransferFailed(f"{key} is not a whole MP4.")
            return "a movie"

        copies = [copying.copy_of("chat", inspect=inspect)]
        if is_mended:
            [one] = copied(copying.run(copies))
            assert (one.fetched, one.inspected) == (CHAT, "a movie")
        else:
            with pytest.raises(TransferFailed, match="not a whole MP4"):
                copying.run(copies)
        assert len(looked) == 2
        assert copying.requests("CompleteMultipartUpload") == 2

    def test_the_time_s3_takes_to_answer_makes_no_second_object(self, copying: Copying) -> None:
        """The answer to the completion is lost, and with it the upload; the object is there."""
        fault = S3Fault(what="status", operation="CompleteMultipartUpload", moment="done")
        gone = replace(fault, status=404, code="NoSuchUpload")
        copying.s3.configure(replace(S3, faults=(gone,)))
        [one] = copied(copying.run())
        assert one.size == TALK
        assert copying.requests("UploadPart") == 4
        assert copying.stored() == {key_of("talk"): whole(copying.zoom.content("talk"))}


def copied(results: list[Copied | IngesterError]) -> list[Copied]:
    """The results, if none of them is an error."""
    found = [result for result in results if isinstance(result, Copied)]
    assert len(found) == len(results), results
    return found
