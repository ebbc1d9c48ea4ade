"""What moves a file's bytes: a part, a plain stream, and the end of it all."""

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
from ingester.transfer.stream import Buffers, PlainStream

logger = logging.getLogger("ingester.transfer")

ATTEMPTS = 6
PATIENCE_SECONDS = 180.0
"""How long one request or part is tried again; what takes longer is the queue's business."""

Result = TypeVar("Result")


class Stopped(Exception):
    """A work was given up: its file failed elsewhere, or the time is up."""


@dataclass(frozen=True)
class Carrier:
    """Does one file's works, each called in a thread of its own, until `stop` is set.

    `wait(event, seconds)` waits until the event is set, which it tells, or the seconds are over
    (`threading.Event.wait`). `throttled` is told when the source or S3 want less at once.
    `plans` are all that were made in this run, also those that nobody waited for.
    """

    copy: Copy
    bucket: Bucket
    buffers: Buffers
    progress: Progress
    throttled: Callable[[], None]
    wait: Callable[[threading.Event, float], bool]
    clock: Callable[[], float]
    stop: threading.Event = field(default_factory=threading.Event)
    plans: list[Plan] = field(default_factory=list)

    def plan(self, *, anew: bool) -> Plan | AlreadyThere:
        """Opens the source and looks what S3 has."""
        self.progress.begin(self.clock())
        plan = self._again(lambda: plan_of(self.copy, self.bucket, anew=anew))
        if isinstance(plan, Plan):
            self.plans.append(plan)
        return plan

    def part(self, plan: Plan, part: Part) -> None:
        """Copies one part. SourceChanged and UploadGone: this plan is of no use any more."""
        reader = RangeReader(
            self.copy.source,
            plan.version,
            sleep=self._sleep,
            got=self._got,
            broke=self._broke,
        )

        def once() -> None:
            # The source first: while it is busy, nothing is begun with S3.
            body = reader.open(part.first, part.last)
            with closing(body), closing(reader.chunks(body, part.first, part.last)) as chunks:
                self.bucket.send(plan.upload, part, chunks)

        self._again(once)

    def stream(self, plan: Plan) -> None:
        """Copies a source that answers no ranges, each try from its beginning."""
        begun = [plan.body] if plan.body else []

        def once() -> None:
            with closing(begun.pop() if begun else self._reopened(plan)) as body:
                size = PlainStream(
                    self.bucket,
                    plan.upload,
                    self.buffers,
                    got=self._got,
                    again=self._again,
                ).copy(body)
            # Where the source tells no size, its end can be one that was cut off.
            if self.copy.expected_size not in (None, size):
                raise TransferFailed(
                    f"{size} bytes came of {body.name}, told were {self.copy.expected_size}."
                )

        self._again(once)

    def mark(self, plan: Plan) -> None:
        """Makes the upload one that another process can go on with."""
        self._again(lambda: self.bucket.mark(plan.upload))

    def close(self, plan: Plan | AlreadyThere) -> Copied:
        """Completes the upload, unless the object is there, and inspects the object."""
        if isinstance(plan, Plan):
            key = plan.upload.destination.key
            size = self._again(lambda: self.bucket.complete(plan.upload))
        else:
            key, size = plan.key, plan.size
        inspected = self.copy.inspect(key, size) if self.copy.inspect else None
        return self._copied(key, size, inspected)

    def _copied(self, key: str, size: int, inspected: Any) -> Copied:
        progress = self.progress
        seconds = self.clock() - progress.began
        copied = Copied(key, size, inspected, progress.fetched, seconds, progress.retries)
        logger.info(
            "Staged %s" if copied.fetched else "Already staged: %s",
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

    def _reopened(self, plan: Plan) -> Body:
        body = self.copy.source.open(0, 0)
        if body.is_range or body.version != plan.version:
            body.close()
            raise SourceChanged(f"{body.name or 'The file'} changed at Zoom while it was copied.")
        return body

    def _again(self, work: Callable[[], Result]) -> Result:
        def once() -> Result:
            self._check()
            return work()

        attempt = retrying(
            (TransferFailed, ZoomUnreachable, AwsFailed),
            attempts=ATTEMPTS,
            seconds=PATIENCE_SECONDS,
            sleep=self._sleep,
            before=self._before_the_next,
        )
        return attempt(once)

    def _before_the_next(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.info("Trying %s again: %s", self.copy.label, error)
        self._broke(error)

    def _broke(self, error: BaseException | None) -> None:
        self.progress.broke()
        if isinstance(error, ZoomBusy | SlowDown):
            self.throttled()

    def _got(self, length: int) -> None:
        self.progress.got(length)
        self._check()

    def _check(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def _sleep(self, seconds: float) -> None:
        if self.wait(self.stop, seconds):
            raise Stopped
