"""Carry out the tasks of a copy: plan the copy, mark the upload, copy the file, complete the
upload."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar

import tenacity

from ingester.errors import (
    AwsFailed,
    EmptyFile,
    SlowDown,
    SourceChanged,
    TransferFailed,
    ZoomBusy,
    ZoomUnreachable,
)
from ingester.retry import retrying
from ingester.transfer.multipart import Bucket
from ingester.transfer.parts import Part
from ingester.transfer.plan import AlreadyThere, Copied, Copy, Plan, plan_of
from ingester.transfer.progress import Progress, rate
from ingester.transfer.ranges import Body, RangeReader
from ingester.transfer.stream import BufferPool, PlainStream

logger = logging.getLogger("ingester.transfer")

ATTEMPTS = 6
RETRY_SECONDS = 180.0
"""Longest time for which a task is retried. After that time, the queue retries the whole
message."""

Result = TypeVar("Result")


class Stopped(Exception):
    """The error that ends a cancelled task: another task of the file failed, or the run ends."""


@dataclass(frozen=True)
class Worker:
    """Worker for the tasks of one file's copy, which run in several threads.

    Requests are retried after TransferFailed, ZoomUnreachable and AwsFailed. The methods raise the
    last attempt's error. Requests, and the waits between them, raise Stopped once `stop` is set.

    Attributes:
        copy: The file to copy.
        bucket: Bucket for the object.
        buffers: Buffers for a source without ranges.
        progress: Counter of bytes and retries.
        on_throttled: Called when the source or S3 asks for fewer requests.
        wait: Waits until an event is set, for at most some seconds; returns whether the event is
            set.
        clock: Monotonic clock in seconds.
        stop: Event that cancels the tasks.
        plans: All plans of this run, including those of cancelled tasks.
    """

    copy: Copy
    bucket: Bucket
    buffers: BufferPool
    progress: Progress
    on_throttled: Callable[[], None]
    wait: Callable[[threading.Event, float], bool]
    clock: Callable[[], float]
    stop: threading.Event = field(default_factory=threading.Event)
    plans: list[Plan] = field(default_factory=list)

    def plan(self, *, overwrite: bool) -> Plan | AlreadyThere:
        """Open the source, and return the work that is left of the copy.

        Args:
            overwrite: Whether to copy the file even if S3 has the object.

        Raises:
            IngesterError, BotoCoreError, ClientError: See `plan_of`.
        """
        self.progress.begin(self.clock())
        plan = self._with_retries(lambda: plan_of(self.copy, self.bucket, overwrite=overwrite))
        if isinstance(plan, Plan):
            self.plans.append(plan)
        return plan

    def copy_part(self, plan: Plan, part: Part) -> None:
        """Copy one part.

        Raises:
            SourceChanged, UploadGone: The copy needs another plan.
            IngesterError: See `RangeReader` and `Bucket.send`.
        """
        reader = RangeReader(
            self.copy.source,
            plan.version,
            sleep=self._sleep,
            on_bytes=self._count_bytes,
            on_failure=self._count_failure,
        )

        def once() -> None:
            # Open the source first, so that no request to S3 waits while the source is busy.
            body = reader.open(part.first, part.last)
            with closing(body), closing(reader.chunks(body, part.first, part.last)) as chunks:
                self.bucket.send(plan.upload, part, chunks)

        self._with_retries(once)

    def copy_stream(self, plan: Plan) -> None:
        """Copy a source without ranges. Each attempt starts at the first byte.

        Raises:
            SourceChanged: The source has another version now.
            TransferFailed: The number of bytes isn't the expected size.
            IngesterError: See `Source.open` and `PlainStream.copy`.
        """
        opened = [plan.body] if plan.body else []

        def once() -> None:
            # The first attempt reads the body that the plan opened.
            with closing(opened.pop() if opened else self._reopen(plan)) as body:
                size = PlainStream(
                    self.bucket,
                    plan.upload,
                    self.buffers,
                    on_bytes=self._count_bytes,
                    with_retries=self._with_retries,
                    expected_size=self.copy.expected_size,
                    most_bytes=self.copy.most_bytes,
                ).copy(body)
            # If the source doesn't say its size, only the expected size shows that bytes are
            # missing.
            if self.copy.expected_size not in (None, size):
                raise TransferFailed(
                    f"{size} bytes came from {body.name}, expected {self.copy.expected_size}."
                )

        self._with_retries(once)

    def mark(self, plan: Plan) -> None:
        """Mark the upload, so that another process can resume it.

        Raises:
            UploadGone, BotoCoreError, ClientError: See `Bucket.mark`.
        """
        self._with_retries(lambda: self.bucket.mark(plan.upload))

    def complete(self, plan: Plan | AlreadyThere) -> Copied:
        """Complete the upload unless S3 has the object already, and inspect the object.

        The inspection isn't retried.

        Raises:
            UploadGone, BotoCoreError, ClientError: See `Bucket.complete`.
            TransferFailed, PermanentFailure, RuntimeError, OSError: See `Copy.inspect`.
        """
        if isinstance(plan, Plan):
            key = plan.upload.destination.key
            size = self._with_retries(lambda: self.bucket.complete(plan.upload))
        else:
            key, size = plan.key, plan.size
        inspected = self.copy.inspect(key, size) if self.copy.inspect else None
        return self._copied(key, size, inspected, was_there=isinstance(plan, AlreadyThere))

    def _copied(self, key: str, size: int, inspected: Any, *, was_there: bool) -> Copied:
        progress = self.progress
        seconds = self.clock() - progress.began
        copied = Copied(key, size, inspected, progress.fetched, seconds, progress.retries)
        logger.info(
            "Already staged: %s" if was_there else "Staged %s",
            key,
            extra={
                "bytes": size,
                "fetched_bytes": copied.fetched,
                "seconds": round(seconds, 2),
                "megabytes_per_second": rate(copied.fetched, seconds),
                "retries": copied.retries,
            },
        )
        return copied

    def _reopen(self, plan: Plan) -> Body:
        body = self.copy.source.open(0, 0)
        if body.is_range or body.version != plan.version:
            body.close()
            raise SourceChanged(f"{body.name or 'The file'} changed at Zoom while it was copied.")
        return body

    def _with_retries(self, request: Callable[[], Result]) -> Result:
        """Make a request, and retry it after failures that may go away.

        Raises:
            EmptyFile: The file has no bytes, and nothing shows that it should have bytes.
            IngesterError, BotoCoreError, ClientError: The last attempt's error.
        """

        def once() -> Result:
            self._raise_if_stopped()
            try:
                return request()
            except EmptyFile as error:
                # A single answer may be wrong, and a download may break off before its first byte.
                if evidence := self._evidence_of_bytes():
                    raise TransferFailed(f"{error} {evidence}") from error
                raise

        attempt = retrying(
            (TransferFailed, ZoomUnreachable, AwsFailed),
            attempts=ATTEMPTS,
            seconds=RETRY_SECONDS,
            sleep=self._sleep,
            before=self._before_retry,
            monotonic=self.clock,
        )
        return attempt(once)

    def _evidence_of_bytes(self) -> str:
        """Return a sentence that says why the file should have bytes; "" without a reason."""
        if self.copy.expected_size:
            return f"Zoom stated {self.copy.expected_size} bytes."
        if self.progress.fetched or any(plan.version.size for plan in self.plans):
            return "An earlier answer had bytes."
        return ""

    def _before_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.info("Trying %s again: %s", self.copy.label, error)
        self._count_failure(error)

    def _count_failure(self, error: BaseException | None) -> None:
        self.progress.add_retry()
        if isinstance(error, ZoomBusy | SlowDown):
            self.on_throttled()

    def _count_bytes(self, length: int) -> None:
        self.progress.add_bytes(length)
        self._raise_if_stopped()

    def _raise_if_stopped(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def _sleep(self, seconds: float) -> None:
        if self.wait(self.stop, seconds):
            raise Stopped
