"""One file's copy as a row of small works: open it, copy each part that is missing, close it.

What comes next follows from the stage. The works run in threads; the stage changes only in the one
thread that asks for the next work and tells how each ended.
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
from ingester.transfer.part_worker import Carrier, Stopped
from ingester.transfer.parts import Part, part_bytes
from ingester.transfer.plan import AlreadyThere, Copied, Plan

RESTARTS = 3
"""How often a copy begins anew in one run because its source or its upload became another."""
SHARE_UNDER_WAY = 4
LEAST_UNDER_WAY = 8
"""A crash costs the parts under way: at most a quarter of a file, or eight."""


class Stage(Enum):
    """What a copy is at."""

    NEW = auto()
    OPENING = auto()
    COPYING = auto()
    CLOSING = auto()
    FAILING = auto()
    ENDED = auto()


@dataclass(frozen=True)
class Work:
    """Something to be done in a thread. `is_part`: it copies a part, and can be left for later."""

    run: Callable[[], Any]
    is_part: bool = False


class FileCopy:
    """One copy under way. `result` is how it ended: Copied, or an error."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.result: Copied | IngesterError | None = None
        self._stage = Stage.NEW
        self._plan: Plan | AlreadyThere | None = None
        self._ready: deque[Work] = deque()
        self._missing: deque[Part] = deque()
        self._under_way = 0
        self._most_under_way = LEAST_UNDER_WAY
        self._restarts = RESTARTS
        self._distrusts = False
        self._failure: BaseException | None = None

    @property
    def has_ended(self) -> bool:
        return self._stage is Stage.ENDED

    @property
    def label(self) -> str:
        return self.carrier.copy.label

    @property
    def error(self) -> IngesterError | None:
        """The error that it ended with, if it isn't one that the copy skips."""
        if isinstance(self.result, self.carrier.copy.skips):
            return None
        return self.result if isinstance(self.result, IngesterError) else None

    @property
    def was_completed(self) -> bool:
        """Whether this run made the object, and the next one will find it and leave it alone."""
        if not isinstance(self.result, Copied) or not isinstance(self._plan, Plan):
            return False
        return self._plan.version.size is not None

    @property
    def size(self) -> int | None:
        """In bytes, once it is known."""
        if isinstance(self._plan, Plan):
            return self._plan.version.size
        return self._plan.size if self._plan else self.carrier.copy.expected_size

    @property
    def stored(self) -> int:
        """Bytes of it that S3 has."""
        if isinstance(self._plan, Plan):
            return sum(part.length for part in list(self._plan.upload.stored.values()))
        return self._plan.size if self._plan else 0

    def next_work(self, *, parts: bool = True) -> Work | None:
        """What can be begun now; None if something else has to end before.

        No part is begun unless `parts`: there is no time for it.
        """
        work: Work | None = None
        if self._stage is Stage.NEW:
            self._stage = Stage.OPENING
            work = Work(partial(self.carrier.plan, anew=self._distrusts))
        elif self._stage is Stage.COPYING and self._ready:
            work = self._ready.popleft()
        elif self._stage is Stage.COPYING and self._missing and isinstance(self._plan, Plan):
            if parts and self._under_way < self._most_under_way:
                part = self._missing.popleft()
                work = Work(partial(self.carrier.part, self._plan, part), is_part=True)
        elif self._stage is Stage.COPYING and not self._under_way and self._plan:
            self._stage = Stage.CLOSING
            work = Work(partial(self.carrier.close, self._plan))
        if work:
            self._under_way += 1
        return work

    def settle(self, outcome: Any, error: BaseException | None) -> None:
        """Takes the end of a work: what it returned, or raised.

        An error that no type of ours explains is raised: it is a bug.
        """
        self._under_way -= 1
        if error is not None:
            self._fail(error)
        elif self._stage is Stage.OPENING:
            self._plan = outcome
            self._prepare(outcome)
            self._stage = Stage.COPYING
        elif self._stage is Stage.CLOSING:
            self._end(outcome)
        if self._stage is Stage.FAILING and not self._under_way:
            self._failed()

    def give_up(self) -> None:
        """Ends what is under way, at its next chunk."""
        self.carrier.stop.set()
        self._ready.clear()
        self._missing.clear()

    def release(self, *, abort: bool) -> int:
        """Lets go of a copy that hasn't ended well; the bytes that stay in S3 for the next run."""
        if isinstance(self.result, Copied):
            return 0
        for plan in self.carrier.plans:
            if plan.body:
                plan.body.close()
            if abort:
                self.carrier.bucket.abort(plan.upload)
        if abort:
            return 0
        return self.stored if isinstance(self._plan, Plan) else 0

    def _prepare(self, plan: Plan | AlreadyThere) -> None:
        if isinstance(plan, AlreadyThere):
            return
        if plan.body:
            self._ready.append(Work(partial(self.carrier.stream, plan)))
        else:
            size = plan.version.size or 0
            share = size // SHARE_UNDER_WAY // part_bytes(size)
            self._most_under_way = max(LEAST_UNDER_WAY, share)
        if (plan.body or len(plan.missing) > 1) and not plan.upload.is_marked:
            self._ready.append(Work(partial(self.carrier.mark, plan)))
        self._missing.extend(plan.missing)

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, Stopped):
            self._failure = self._failure or error
        self._stage = Stage.FAILING
        self.give_up()

    def _failed(self) -> None:
        """Everything that was under way has ended: begin anew, or it is the end."""
        failure, self._failure = self._failure, None
        if failure is None:
            return
        broken = isinstance(failure, TransferFailed) and isinstance(self._plan, AlreadyThere)
        changed = isinstance(failure, SourceChanged | UploadGone)
        if (broken or changed) and self._restarts:
            self._restarts -= 1
            self._distrusts = self._distrusts or broken
            # One wrong answer looks like another version. Opening the source anew tells whether
            # what is stored is of use, and removes it if it isn't.
            self.release(abort=False)
            self._plan = None
            self._stage = Stage.NEW
            self.carrier.stop.clear()
        elif isinstance(failure, BotoCoreError | ClientError):
            self._end(AwsFailed.of(failure))
        elif isinstance(failure, IngesterError):
            self._end(failure)
        else:
            raise failure

    def _end(self, result: Copied | IngesterError) -> None:
        self.result = result
        self._stage = Stage.ENDED
