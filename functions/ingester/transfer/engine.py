"""Copy files from sources into a bucket: many files at once, with limited connections and time.

The main thread schedules tasks, and worker threads carry out the tasks. Most tasks copy one part
straight from the source into S3. The main thread alone decides on the next task, the number of
connections and the end of the run. All files share the connections, so that ten files need no more
memory than one.

Whatever fails, an object in S3 is either complete or doesn't exist. A later run, also in another
process, continues with the parts that S3 has stored. A later run begins a copy again if the upload
has no mark yet or was aborted after a permanent failure, if the file has changed, or if the source
has no ranges.
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
from ingester.transfer.concurrency import ConcurrencyLimit
from ingester.transfer.file_copy import FileCopy, Task
from ingester.transfer.multipart import Bucket
from ingester.transfer.part_worker import Worker
from ingester.transfer.plan import Copied, Copy
from ingester.transfer.progress import Progress
from ingester.transfer.stream import BufferPool

logger = logging.getLogger("ingester.transfer")

TICK_SECONDS = 0.25
REPORT_SECONDS = 5.0
GRACE_SECONDS = 1.0
"""Longest wait for cancelled tasks to end, in seconds."""

PART_MARGIN = 1.5
"""Factor for the slowest part's duration. A part starts only if the time left, without the reserve,
is longer than the product."""


@dataclass(frozen=True)
class Budget:
    """Limits of a run.

    Attributes:
        connections: Maximum number of concurrent connections to the sources; the same for S3.
        first_connections: Limit of concurrent connections at the beginning.
        buffers: Maximum number of buffers for sources without ranges.
        buffer_bytes: Size of a buffer in bytes.
        reserve_seconds: Seconds that a run leaves for the work after the copy.
    """

    connections: int = 16
    first_connections: int = 8
    buffers: int = 6
    buffer_bytes: int = 5 * 1024 * 1024
    reserve_seconds: float = 5.0


def no_time_limit() -> float:
    """Return infinity, as the time left of a run without a deadline."""
    return float("inf")


@dataclass(frozen=True)
class Total:
    """Totals of a run.

    Attributes:
        fetched: Bytes fetched from the sources.
        seconds: Duration of the run.
        retries: Number of retries.
        is_complete: Whether every file was copied, or failed with an error that the file's copy
            tolerates.
    """

    fetched: int
    seconds: float
    retries: int
    is_complete: bool


@dataclass(frozen=True)
class Engine:
    """Engine that copies files into a bucket.

    Attributes:
        bucket: Bucket for the objects.
        budget: Limits of a run.
        time_left: Returns the seconds until the run and the work after the copy have to end.
        clock: Monotonic clock in seconds.
        wait: Waits until an event is set, for at most some seconds; returns whether the event is
            set.
        report: Called with the totals at the end of each run, even after an error.
    """

    bucket: Bucket
    budget: Budget = Budget()
    time_left: Callable[[], float] = no_time_limit
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    report: Callable[[Total], None] = lambda _: None

    def copy(self, copies: Sequence[Copy]) -> list[Copied | IngesterError]:
        """Copy all files.

        Returns:
            The result of each copy, in order. An error is a result only if the copy tolerates it.

        Raises:
            PermanentFailure: A copy failed for good, with an error that the copy doesn't tolerate.
                All unfinished uploads of the run are aborted.
            RetryableFailure: A copy failed, and the others continued while there was time; or the
                time was too short for progress that the next run keeps.
            OutOfTime: The time ran out after progress. The next run continues.
            BaseException: Any other error; see `FileCopy.finish_task`.
        """
        return _Run(self, copies).results()


class _Run:
    """One call of `Engine.copy`."""

    def __init__(self, engine: Engine, copies: Sequence[Copy]) -> None:
        self._engine = engine
        self._budget = engine.budget
        self._limit = ConcurrencyLimit(engine.budget.first_connections, engine.budget.connections)
        self._is_throttled = threading.Event()
        buffers = BufferPool(engine.budget.buffers, engine.budget.buffer_bytes)
        self._files = [
            FileCopy(
                Worker(
                    copy=copy,
                    bucket=engine.bucket,
                    buffers=buffers,
                    progress=Progress(),
                    on_throttled=self._is_throttled.set,
                    wait=engine.wait,
                    clock=engine.clock,
                )
            )
            for copy in copies
        ]
        self._executor = ThreadPoolExecutor(engine.budget.connections, "transfer")
        self._running: dict[Future[object], tuple[FileCopy, Task, float]] = {}
        self._in_use = self._parts_copied = self._fetched = 0
        self._slowest_part = 0.0
        self._began = self._last_tick = self._last_report = engine.clock()

    def results(self) -> list[Copied | IngesterError]:
        """Run until all files have ended, a file has failed for good, or the time is up.

        Returns or raises as `Engine.copy` does.
        """
        try:
            while not all(file.has_ended for file in self._files) and self._may_continue():
                self._start_tasks()
                if not self._running:
                    break
                self._finish_tasks()
                self._tick()
            return self._outcome()
        finally:
            self._release_files()
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._engine.report(self._total(self._engine.clock()))

    def _may_continue(self) -> bool:
        has_time = self._engine.time_left() > self._budget.reserve_seconds
        return has_time and self._permanent_failure() is None

    def _permanent_failure(self) -> PermanentFailure | None:
        """Return the first permanent failure, which ends the run; None without such a failure."""
        errors = (file.error for file in self._files)
        return next((error for error in errors if isinstance(error, PermanentFailure)), None)

    def _start_tasks(self) -> None:
        """Start as many tasks as the limit allows, file by file."""
        needed = self._budget.reserve_seconds + PART_MARGIN * self._slowest_part
        may_copy_parts = self._engine.time_left() > needed
        for file in self._files:
            while len(self._running) < self._limit.connections:
                task = file.next_task(parts=may_copy_parts)
                if task is None:
                    break
                # The context carries the recording's uuid into the thread's log records.
                run_in_context = contextvars.copy_context().run
                future = self._executor.submit(run_in_context, task.run)
                self._running[future] = (file, task, self._engine.clock())
        self._in_use = len(self._running)

    def _finish_tasks(self) -> None:
        """Wait at most a tick until a task ends, and pass each ended task's result to its file."""
        done, _ = wait(self._running, TICK_SECONDS, FIRST_COMPLETED)
        for future in done:
            file, task, began = self._running.pop(future)
            error = future.exception()
            if task.part and error is None:
                self._parts_copied += 1
                self._slowest_part = max(self._slowest_part, self._engine.clock() - began)
            file.finish_task(None if error else future.result(), error, task.part)

    def _tick(self) -> None:
        """Adapt the concurrency limit each tick, and log the progress every few seconds."""
        now = self._engine.clock()
        if now - self._last_tick < TICK_SECONDS:
            return
        fetched = self._total(now).fetched
        speed = (fetched - self._fetched) / (now - self._last_tick)
        self._last_tick, self._fetched = now, fetched
        if self._is_throttled.is_set():
            self._is_throttled.clear()
            self._limit.back_off()
        else:
            self._limit.adapt(speed, self._in_use)
        if now - self._last_report >= REPORT_SECONDS:
            self._last_report = now
            logger.info("Copying", extra=self._progress_fields(speed))

    def _total(self, now: float) -> Total:
        counts = [file.worker.progress for file in self._files]
        fetched = sum(progress.fetched for progress in counts)
        retries = sum(progress.retries for progress in counts)
        is_complete = all(file.has_ended and file.error is None for file in self._files)
        return Total(fetched, now - self._began, retries, is_complete=is_complete)

    def _progress_fields(self, speed: float) -> dict[str, object]:
        return {
            "bytes": sum(file.stored for file in self._files),
            "total_bytes": sum(file.size or 0 for file in self._files),
            "megabytes_per_second": round(speed / 1e6, 1),
            "connections": self._in_use,
            "retries": self._total(self._last_tick).retries,
        }

    def _outcome(self) -> list[Copied | IngesterError]:
        """Return the results of all copies, or raise one error.

        A permanent failure comes first, then the first other error, then OutOfTime. Without
        progress that the next run keeps, TransferFailed takes the place of OutOfTime.
        """
        for error in (self._permanent_failure(), *(file.error for file in self._files)):
            if error is not None:
                raise error
        results = [file.result for file in self._files if file.result is not None]
        if len(results) == len(self._files):
            return results
        # After OutOfTime, the next invocation continues, and no receive is spent. So OutOfTime is
        # only raised after progress that the next run keeps. Otherwise invocations would never end.
        if self._parts_copied or any(file.was_completed for file in self._files):
            sizes = [file.size for file in self._files]
            total = None if None in sizes else sum(size or 0 for size in sizes)
            raise OutOfTime(sum(file.stored for file in self._files), total)
        raise TransferFailed("Nothing could be copied in the time that was left.")

    def _release_files(self) -> None:
        """Cancel the running tasks, and end the copies.

        If a permanent failure ended the run, all unfinished uploads are aborted. If a permanent
        failure ended only its own copy, that copy's uploads are aborted. The next run continues
        other uploads.
        """
        for file in self._files:
            file.cancel()
        wait(self._running, GRACE_SECONDS)
        is_permanent = self._permanent_failure() is not None
        for file in self._files:
            left = file.release(abort=is_permanent or isinstance(file.result, PermanentFailure))
            if left:
                logger.info(
                    "The next run continues the copy: %s", file.label, extra={"bytes": left}
                )
