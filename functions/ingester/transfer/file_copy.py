"""The state machine of one file's copy, which returns small tasks and processes their results.

The tasks are: open the source, mark the upload, copy the missing parts or the whole stream,
complete the upload. Tasks run in worker threads. The state changes only in the main thread, which
asks for the next task and reports the result of each task.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingester.errors import AwsFailed, IngesterError, SourceChanged, TransferFailed, UploadGone
from ingester.transfer.part_worker import Stopped, Worker
from ingester.transfer.parts import Part
from ingester.transfer.plan import AlreadyThere, Copied, Plan

RESTARTS = 3
"""Maximum number of restarts of a copy within one run, because its source changed, its upload was
gone, or the object that S3 already had is invalid."""

IN_FLIGHT_DIVISOR = 4
MIN_IN_FLIGHT = 8
"""Limits of the parts in flight, which are lost in a crash: a quarter of the file or 8 parts,
whichever is larger. The quarter is counted in bytes, so that more of the small parts at the end of
a file are in flight. Then all connections end at about the same time."""


class Stage(Enum):
    """The phase that a copy has reached."""

    NEW = auto()
    OPENING = auto()
    COPYING = auto()
    COMPLETING = auto()
    FAILING = auto()
    ENDED = auto()


@dataclass(frozen=True)
class Task:
    """Work for one thread. `part` is the part that the task copies; None for other work."""

    run: Callable[[], Any]
    part: Part | None = None


class FileCopy:
    """The copy of one file.

    Attributes:
        worker: Worker that carries out the tasks.
        result: Result of the copy: Copied or an error. None while the copy is in progress.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.result: Copied | IngesterError | None = None
        self._stage = Stage.NEW
        self._plan: Plan | AlreadyThere | None = None
        self._ready: deque[Task] = deque()
        self._missing: deque[Part] = deque()
        self._in_flight = 0
        self._bytes_in_flight = 0
        self._restarts_left = RESTARTS
        self._overwrite = False
        self._failure: BaseException | None = None

    @property
    def has_ended(self) -> bool:
        return self._stage is Stage.ENDED

    @property
    def label(self) -> str:
        return self.worker.copy.label

    @property
    def error(self) -> IngesterError | None:
        """The error that ended the copy; None without an error, or for a tolerated error."""
        if isinstance(self.result, self.worker.copy.tolerated_errors):
            return None
        return self.result if isinstance(self.result, IngesterError) else None

    @property
    def was_completed(self) -> bool:
        """Whether this run created an object that the next run recognizes."""
        if not isinstance(self.result, Copied) or not isinstance(self._plan, Plan):
            return False
        return self._plan.version.size is not None

    @property
    def size(self) -> int | None:
        """Size of the file in bytes; None while the size is unknown."""
        if isinstance(self._plan, Plan):
            return self._plan.version.size
        return self._plan.size if self._plan else self.worker.copy.expected_size

    @property
    def stored(self) -> int:
        """Number of bytes of the file that S3 has stored."""
        if isinstance(self._plan, Plan):
            return sum(part.length for part in list(self._plan.upload.stored.values()))
        return self._plan.size if self._plan else 0

    def next_task(self, *, parts: bool = True) -> Task | None:
        """Return the next task, which counts as in flight from now on; None if no task can start.

        Args:
            parts: Whether there is time to copy a part.
        """
        task: Task | None = None
        if self._stage is Stage.NEW:
            self._stage = Stage.OPENING
            task = Task(partial(self.worker.plan, overwrite=self._overwrite))
        elif self._stage is Stage.COPYING and self._ready:
            task = self._ready.popleft()
        elif self._stage is Stage.COPYING and self._missing and isinstance(self._plan, Plan):
            if parts and self._may_start(self._missing[0]):
                part = self._missing.popleft()
                task = Task(partial(self.worker.copy_part, self._plan, part), part)
        elif self._stage is Stage.COPYING and not self._in_flight and self._plan:
            self._stage = Stage.COMPLETING
            task = Task(partial(self.worker.complete, self._plan))
        if task:
            self._in_flight += 1
            self._bytes_in_flight += task.part.length if task.part else 0
        return task

    def finish_task(
        self, result: Any, error: BaseException | None, part: Part | None = None
    ) -> None:
        """Process the result or the error of a task. `part` is the part that the task copied.

        Raises:
            BaseException: The copy's first error, once no task is in flight, if that error is
                neither an IngesterError nor botocore's: a bug, or a video's check doesn't start.
        """
        self._in_flight -= 1
        self._bytes_in_flight -= part.length if part else 0
        if error is not None:
            self._fail(error)
        elif self._stage is Stage.OPENING:
            self._plan = result
            self._prepare_tasks(result)
            self._stage = Stage.COPYING
        elif self._stage is Stage.COMPLETING:
            self._end(result)
        if self._stage is Stage.FAILING and not self._in_flight:
            self._restart_or_end()

    def cancel(self) -> None:
        """Drop the work that hasn't begun, and stop tasks at their next chunk or request."""
        self.worker.stop.set()
        self._ready.clear()
        self._missing.clear()

    def release(self, *, abort: bool) -> int:
        """Close the open bodies of a copy that didn't succeed.

        Args:
            abort: Whether to abort the copy's uploads as well.

        Returns:
            Number of bytes that S3 has stored for the current Plan; 0 without a Plan, after a
            success, or with `abort`.
        """
        if isinstance(self.result, Copied):
            return 0
        for plan in self.worker.plans:
            if plan.body:
                plan.body.close()
            if abort:
                self.worker.bucket.abort(plan.upload)
        if abort:
            return 0
        return self.stored if isinstance(self._plan, Plan) else 0

    def _may_start(self, part: Part) -> bool:
        """Return whether the limits of the parts in flight allow one more part, `part`."""
        most_bytes = (self.size or 0) // IN_FLIGHT_DIVISOR
        is_cheap = self._bytes_in_flight + part.length <= most_bytes
        return is_cheap or self._in_flight < MIN_IN_FLIGHT

    def _prepare_tasks(self, plan: Plan | AlreadyThere) -> None:
        if isinstance(plan, AlreadyThere):
            return
        if plan.body:
            self._ready.append(Task(partial(self.worker.copy_stream, plan)))
        if (plan.body or len(plan.missing) > 1) and not plan.upload.is_marked:
            self._ready.append(Task(partial(self.worker.mark, plan)))
        self._missing.extend(plan.missing)

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, Stopped):
            self._failure = self._failure or error
        self._stage = Stage.FAILING
        self.cancel()

    def _restart_or_end(self) -> None:
        """Start the copy again or end it with its failure, once no task is in flight.

        Raises:
            BaseException: See `finish_task`.
        """
        failure, self._failure = self._failure, None
        if failure is None:
            return
        is_object_bad = isinstance(failure, TransferFailed) and isinstance(self._plan, AlreadyThere)
        has_changed = isinstance(failure, SourceChanged | UploadGone)
        if (is_object_bad or has_changed) and self._restarts_left:
            self._restarts_left -= 1
            self._overwrite = self._overwrite or is_object_bad
            # Keep the upload, because a single wrong answer also looks like another version. The
            # next plan compares upload and source, and removes the upload if they differ.
            self.release(abort=False)
            self._plan = None
            self._stage = Stage.NEW
            self.worker.stop.clear()
        elif isinstance(failure, BotoCoreError | ClientError):
            self._end(AwsFailed.of(failure))
        elif isinstance(failure, IngesterError):
            self._end(failure)
        else:
            raise failure

    def _end(self, result: Copied | IngesterError) -> None:
        self.result = result
        self._stage = Stage.ENDED
