"""Copies files from sources into a bucket: many at once, over few connections, in a given time.

One thread decides, the others each carry one part, from the source straight into S3. What is done
next, on how many connections, and when it has to stop is decided in one place and between two
parts. All files share the connections, so that ten files need no more memory than one.

Whatever goes wrong, an object is either whole or not there, and what S3 has confirmed is not copied
again: neither by this run nor by the next one, in another process.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from ingester.errors import IngesterError, OutOfTime, PermanentFailure, TransferFailed
from ingester.transfer.concurrency import Pace
from ingester.transfer.file_copy import FileCopy, Work
from ingester.transfer.multipart import Bucket
from ingester.transfer.part_worker import Carrier
from ingester.transfer.plan import Copied, Copy
from ingester.transfer.progress import Progress
from ingester.transfer.stream import Buffers

logger = logging.getLogger("ingester.transfer")

TICK_SECONDS = 0.25
REPORT_SECONDS = 5.0
GRACE_SECONDS = 1.0
"""How long works that are given up may take to notice it."""
PART_MARGIN = 1.5
"""A part is begun only if so many times what the slowest took is left."""


@dataclass(frozen=True)
class Budget:
    """What a run may use.

    `connections` is the most at once to the sources, and as many to S3; `buffers` is for sources
    without ranges. `reserve_seconds` of the time are left for what comes after the copy.
    """

    connections: int = 16
    first_connections: int = 4
    buffers: int = 6
    buffer_bytes: int = 5 * 1024 * 1024
    reserve_seconds: float = 5.0


def forever() -> float:
    """Time that doesn't run out."""
    return float("inf")


@dataclass(frozen=True)
class Total:
    """What a run has moved: bytes from the sources, in how many seconds, with how many retries."""

    fetched: int
    seconds: float
    retries: int


@dataclass(frozen=True)
class Engine:
    """Copies into `bucket` within `budget`, while `time_left()` seconds are left.

    `report` is told the total of each run, however it ends.
    """

    bucket: Bucket
    budget: Budget = Budget()
    time_left: Callable[[], float] = forever
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    report: Callable[[Total], None] = lambda _: None

    def copy(self, copies: Sequence[Copy]) -> list[Copied | IngesterError]:
        """Copies all files; for each how it ended, an error only if the copy `skips` it.

        A PermanentFailure of one ends all, and nothing of theirs stays behind. With a
        RetryableFailure the others are finished first. OutOfTime: it was not enough time for
        all, and the next run goes on.
        """
        return _Run(self, copies).results()


class _Run:
    """One call of `Engine.copy`."""

    def __init__(self, engine: Engine, copies: Sequence[Copy]) -> None:
        self._engine = engine
        self._budget = engine.budget
        self._pace = Pace(engine.budget.first_connections, engine.budget.connections)
        self._throttled = threading.Event()
        buffers = Buffers(engine.budget.buffers, engine.budget.buffer_bytes)
        self._files = [
            FileCopy(
                Carrier(
                    copy=copy,
                    bucket=engine.bucket,
                    buffers=buffers,
                    progress=Progress(),
                    throttled=self._throttled.set,
                    wait=engine.wait,
                    clock=engine.clock,
                )
            )
            for copy in copies
        ]
        self._executor = ThreadPoolExecutor(engine.budget.connections, "transfer")
        self._running: dict[Future[object], tuple[FileCopy, Work, float]] = {}
        self._in_use = self._parts = self._fetched = 0
        self._slowest_part = 0.0
        self._began = self._ticked = self._reported = engine.clock()

    def results(self) -> list[Copied | IngesterError]:
        """Runs until all files have ended, one failed for good, or the time is up."""
        try:
            while not all(file.has_ended for file in self._files) and self._may_go_on():
                self._begin()
                if not self._running:
                    break
                self._settle()
                self._tick()
            return self._outcome()
        finally:
            self._leave()
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._engine.report(self._total(self._engine.clock()))

    def _may_go_on(self) -> bool:
        in_time = self._engine.time_left() > self._budget.reserve_seconds
        return in_time and self._fatal() is None

    def _fatal(self) -> PermanentFailure | None:
        """The error of a file that makes the others pointless."""
        errors = (file.error for file in self._files)
        return next((error for error in errors if isinstance(error, PermanentFailure)), None)

    def _begin(self) -> None:
        """Begins as many works as there may be connections, file by file."""
        needed = self._budget.reserve_seconds + PART_MARGIN * self._slowest_part
        parts = self._engine.time_left() > needed
        for file in self._files:
            while len(self._running) < self._pace.connections:
                work = file.next_work(parts=parts)
                if work is None:
                    break
                # So that log records of the threads tell the recording as well.
                run = contextvars.copy_context().run
                future = self._executor.submit(run, work.run)
                self._running[future] = (file, work, self._engine.clock())
        self._in_use = len(self._running)

    def _settle(self) -> None:
        """Waits until some work has ended, but not longer than a tick."""
        done, _ = wait(self._running, TICK_SECONDS, FIRST_COMPLETED)
        for future in done:
            file, work, began = self._running.pop(future)
            error = future.exception()
            if work.is_part and error is None:
                self._parts += 1
                self._slowest_part = max(self._slowest_part, self._engine.clock() - began)
            file.settle(None if error else future.result(), error)

    def _tick(self) -> None:
        """Adapts the connections, and tells how it goes, every now and then."""
        now = self._engine.clock()
        if now - self._ticked < TICK_SECONDS:
            return
        fetched = self._total(now).fetched
        speed = (fetched - self._fetched) / (now - self._ticked)
        self._ticked, self._fetched = now, fetched
        if self._throttled.is_set():
            self._throttled.clear()
            self._pace.throttled()
        else:
            self._pace.measured(speed, self._in_use)
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            logger.info("Copying", extra=self._how_it_goes(speed))

    def _total(self, now: float) -> Total:
        counts = [file.carrier.progress for file in self._files]
        fetched, retries = sum(one.fetched for one in counts), sum(one.retries for one in counts)
        return Total(fetched, now - self._began, retries)

    def _how_it_goes(self, speed: float) -> dict[str, object]:
        return {
            "bytes": sum(file.stored for file in self._files),
            "total_bytes": sum(file.size or 0 for file in self._files),
            "megabytes_per_second": round(speed / 1e6, 1),
            "connections": self._in_use,
            "retries": self._total(self._ticked).retries,
        }

    def _outcome(self) -> list[Copied | IngesterError]:
        for error in (self._fatal(), *(file.error for file in self._files)):
            if error is not None:
                raise error
        results = [file.result for file in self._files if file.result is not None]
        if len(results) == len(self._files):
            return results
        # Only what the next run need not do again: else message after message would go round.
        if self._parts or any(file.was_completed for file in self._files):
            sizes = [file.size for file in self._files]
            total = None if None in sizes else sum(size or 0 for size in sizes)
            raise OutOfTime(sum(file.stored for file in self._files), total)
        raise TransferFailed("Nothing could be copied in the time that was left.")

    def _leave(self) -> None:
        """Ends what is still under way; unfinished uploads stay for the next run, or go."""
        for file in self._files:
            file.give_up()
        wait(self._running, GRACE_SECONDS)
        fatal = self._fatal() is not None
        for file in self._files:
            left = file.release(abort=fatal or isinstance(file.result, PermanentFailure))
            if left:
                logger.info(
                    "Left unfinished, to be gone on with: %s", file.label, extra={"bytes": left}
                )
