"""Unit tests of the engine's time limit: the last part, progress, and tasks in flight."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.transfer.peers.content import Generated
from ingester.errors import OutOfTime, TransferFailed, ZoomUnreachable
from ingester.transfer.engine import Budget, Total
from ingester.transfer.parts import MARK_NUMBER, MIB
from ingester.transfer.plan import Copied
from tests.unit.transfer.copying import (
    CHAT,
    Clock,
    Copying,
    TimedBucket,
    key_of,
    until_stopped,
    whole,
)
from tests.unit.transfer.memory_source import Break, MemoryFile

SIZE = 12 * MIB
"""Size in bytes of a file of three parts."""
TALK = Generated("talk", SIZE)
ONE_BY_ONE = Budget(connections=1, reserve_seconds=5.0)


def ends_at(clock: Clock, seconds: float) -> Callable[[], float]:
    """Return a `time_left` function whose deadline is `seconds` from now."""
    end = clock.now + seconds
    return lambda: end - clock.now


@pytest.fixture
def clock(timed: TimedBucket) -> Clock:
    return timed.clock


@pytest.fixture
def slow(copying: Copying, timed: TimedBucket) -> Copying:
    """Return a harness in which each part takes ten seconds."""
    return replace(copying, bucket=timed)


class TestOutOfTime:
    @pytest.mark.parametrize(("seconds", "parts"), [(30.0, 1), (30.1, 2), (40.0, 2), (40.1, 3)])
    def test_part_is_not_started_when_it_cannot_be_finished_before_the_deadline(
        self, slow: Copying, clock: Clock, seconds: float, parts: int
    ) -> None:
        # A part starts only if more time is left than 1.5 times the slowest part's duration plus
        # five seconds.
        talk = MemoryFile(TALK)
        run = {"clock": clock, "time_left": ends_at(clock, seconds), "budget": ONE_BY_ONE}
        if parts == 3:
            [file] = slow.run([slow.copy_of(source=talk)], **run)
            assert isinstance(file, Copied)
            return
        with pytest.raises(OutOfTime) as raised:
            slow.run([slow.copy_of(source=talk)], **run)
        assert (raised.value.stored, raised.value.total) == (parts * 5 * MIB, SIZE)
        assert slow.begun() == [[*range(1, parts + 1), MARK_NUMBER]]
        assert len(talk.requested) == 1 + parts

    def test_next_run_copies_only_the_missing_parts_when_the_time_ran_out(
        self, slow: Copying, clock: Clock
    ) -> None:
        copies = [slow.copy_of(source=MemoryFile(TALK))]
        with pytest.raises(OutOfTime, match=r"^5 of 13 MB are copied; the next invocation goes on"):
            slow.run(copies, clock=clock, time_left=ends_at(clock, 20), budget=ONE_BY_ONE)
        [file] = slow.run(copies)
        assert isinstance(file, Copied)
        assert (file.size, file.fetched) == (SIZE, SIZE - 5 * MIB)
        assert slow.stored() == {key_of("talk"): whole(TALK)}
        assert slow.requests("UploadPart") == 4

    @pytest.mark.parametrize("has_ranges", [True, False])
    def test_out_of_time_is_raised_when_the_run_completed_only_one_of_two_files(
        self, copying: Copying, clock: Clock, has_ranges: bool
    ) -> None:
        # A stream counts as progress only when completed, because a stream has no tasks for parts.
        chat = MemoryFile(Generated("chat", CHAT), has_ranges=has_ranges)
        talk = MemoryFile(TALK, before=lambda *_: time_passes(clock, 100))
        copies = [copying.copy_of("chat", chat), copying.copy_of(source=talk)]
        with pytest.raises(OutOfTime) as raised:
            copying.run(copies, time_left=ends_at(clock, 50), budget=ONE_BY_ONE)
        assert raised.value.stored == CHAT
        assert list(copying.stored()) == [key_of("chat")]

    def test_out_of_time_error_has_no_total_size_when_the_size_of_a_file_is_unknown(
        self, slow: Copying, clock: Clock
    ) -> None:
        unsized = MemoryFile(Generated("slides", 10), is_sized=False, has_ranges=False)
        copies = [slow.copy_of(source=MemoryFile(TALK)), slow.copy_of("slides", unsized)]
        with pytest.raises(OutOfTime, match=r"^5 MB are copied") as raised:
            slow.run(copies, clock=clock, time_left=ends_at(clock, 20), budget=ONE_BY_ONE)
        assert raised.value.total is None

    def test_object_is_completed_when_no_time_is_left_for_another_part(
        self, slow: Copying, clock: Clock
    ) -> None:
        copies = [slow.copy_of("chat")]
        [file] = slow.run(copies, clock=clock, time_left=ends_at(clock, 16), budget=ONE_BY_ONE)
        assert isinstance(file, Copied)
        assert list(slow.stored()) == [key_of("chat")]


class TestNoProgress:
    def test_transfer_failed_is_raised_without_any_request_when_no_time_is_left(
        self, copying: Copying
    ) -> None:
        with pytest.raises(TransferFailed, match="Nothing could be copied"):
            copying.run(time_left=lambda: 4.9)
        assert copying.s3.stats().operations == {}
        assert copying.zoom.stats().requests == {}

    def test_transfer_failed_is_raised_when_no_part_can_be_finished(
        self, copying: Copying, clock: Clock
    ) -> None:
        # Otherwise, the next invocation would continue a copy that makes no progress.
        def wait(stop: threading.Event, seconds: float) -> bool:
            clock.now += 100
            return until_stopped(stop, seconds)

        away = MemoryFile(TALK, script=[None, *[ZoomUnreachable("No.")] * 99])
        with pytest.raises(TransferFailed, match="Nothing could be copied"):
            copying.run([copying.copy_of(source=away)], wait=wait, time_left=ends_at(clock, 50))
        assert copying.begun() == [[MARK_NUMBER]]

    def test_transfer_failed_is_raised_when_only_an_earlier_run_copied_something(
        self, copying: Copying, clock: Clock
    ) -> None:
        # Otherwise, the next invocation would continue a copy whose file always fails.
        copying.run([copying.copy_of("chat")])
        talk = MemoryFile(TALK, before=lambda *_: time_passes(clock, 100))
        copies = [copying.copy_of("chat"), copying.copy_of(source=talk)]
        with pytest.raises(TransferFailed, match="Nothing could be copied"):
            copying.run(copies, time_left=ends_at(clock, 50), budget=ONE_BY_ONE)

    def test_transfer_failed_is_raised_when_a_stream_was_not_finished(
        self, copying: Copying, clock: Clock
    ) -> None:
        stream = MemoryFile(TALK, has_ranges=False, script=[Break(11 * MIB), *[Break(0)] * 99])

        def wait(stop: threading.Event, seconds: float) -> bool:
            clock.now += 100
            return until_stopped(stop, seconds)

        copies = [copying.copy_of(source=stream)]
        with pytest.raises(TransferFailed, match="Nothing could be copied"):
            copying.run(copies, wait=wait, time_left=ends_at(clock, 50))
        assert copying.begun() == [[1, 2, MARK_NUMBER]]
        stream.then()
        [file] = copying.run(copies)
        assert isinstance(file, Copied)
        assert file.fetched == SIZE
        assert copying.requests("UploadPart") == 4


class TestEnd:
    def test_engine_cancels_tasks_in_flight_when_the_time_is_up(
        self, copying: Copying, clock: Clock
    ) -> None:
        totals: list[Total] = []

        def wait(stop: threading.Event, seconds: float) -> bool:
            clock.now += 100
            return until_stopped(stop, seconds)

        def before(first: int, _: int) -> None:
            if first:
                raise ZoomUnreachable("No.")

        copies = [copying.copy_of(source=MemoryFile(TALK, before=before))]
        changes = {"wait": wait, "time_left": ends_at(clock, 50), "budget": ONE_BY_ONE}
        with pytest.raises(OutOfTime):
            copying.run(copies, report=totals.append, **changes)
        assert copying.begun() == [[1, MARK_NUMBER]]
        assert [(total.fetched, total.retries, total.is_complete) for total in totals] == [
            (5 * MIB, 1, False)
        ]

    def test_engine_closes_an_open_stream_when_the_time_is_up(
        self, copying: Copying, clock: Clock
    ) -> None:
        stream = MemoryFile(TALK, has_ranges=False, before=lambda *_: time_passes(clock, 100))
        with pytest.raises(TransferFailed):
            copying.run([copying.copy_of(source=stream)], time_left=ends_at(clock, 50))
        assert stream.bodies[0].is_closed

    def test_report_of_the_engine_gets_the_total_of_the_run(
        self, slow: Copying, clock: Clock
    ) -> None:
        totals: list[Total] = []
        slow.run(clock=clock, report=totals.append, budget=ONE_BY_ONE)
        assert totals == [Total(TALK.size + 345, 30.0, 0, is_complete=True)]


def time_passes(clock: Clock, seconds: float) -> None:
    clock.now += seconds
