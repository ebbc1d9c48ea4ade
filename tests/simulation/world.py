"""A simulated world: a heap of timed events, and processes that are greenlets.

A process is, for example, an invocation of a function, a webhook event by Zoom or an ingest in
Opencast. Each outbound call of a process goes through `World.call`. During the call, time passes,
other processes run, and planned faults happen. So crashes and interleavings need no threads, and a
seed always gives the same world.
"""

from __future__ import annotations

import heapq
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Generic, TypeVar

from botocore.exceptions import ClientError, ReadTimeoutError
from greenlet import greenlet  # type: ignore[import-untyped]  # no stubs are installed

from tests.simulation.faults import ON_CALLS, Fault, Kind

T = TypeVar("T")

BEGIN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""The beginning of every world: a Monday, 7:00 in US/Eastern."""

DAY = 86400.0

LATENCIES = {
    "dynamodb": 0.01,
    "sqs": 0.02,
    "ssm": 0.04,
    "s3": 0.05,
    "zoom": 0.25,
    "opencast": 0.15,
    "webhook": 0.03,
}
"""Average seconds of a call, by service. A call's name begins with the service."""

SLOW_SHARE = 0.01
"""Share of calls that take up to two seconds longer."""

HALF, THROTTLED = "half", "throttled"
"""Values of `Fault.detail`: half of an outage's calls fail, or the failed calls fail quickly."""

Failure = Callable[[bool], Exception]
"""A function that makes the error of a failed call, given whether the call had its effect."""


class Killed(BaseException):
    """The exception that ends a process, and that `except Exception` doesn't catch."""


class Endless(Exception):
    """The error of a world with too many events or messages."""


@dataclass
class Promise(Generic[T]):
    """The outcome of a process, for which other processes can wait."""

    value: T | None = None
    is_kept: bool = False
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def keep(self, value: T) -> None:
        """Set the outcome and call the waiting functions. Ignore a second outcome."""
        if self.is_kept:
            return
        self.value, self.is_kept = value, True
        for wake in self.waiting:
            wake()


class Process:
    """A greenlet that makes outbound calls and waits.

    With `can_crash`, a call may crash the process.
    """

    def __init__(self, name: str, number: int, seed: int) -> None:
        self.name = name
        self.number = number
        self.ends: float | None = None
        """The world's time at which the process is killed, or None without a time limit."""
        self.is_dead = False
        self.is_over = False
        self.can_crash = False
        self.ticket = 0
        self.greenlet: greenlet | None = None
        self._seed = seed
        self._chance: Random | None = None

    @property
    def chance(self) -> Random:
        """The process's own random source, so that other processes don't change its draws."""
        if self._chance is None:
            self._chance = Random(f"{self._seed}/{self.name}/{self.number}")
        return self._chance

    def __str__(self) -> str:
        return f"{self.name}-{self.number}"


@dataclass(frozen=True)
class StoryLine:
    """One step of a world: the time in seconds of the world, the actor, and a description."""

    at: float
    who: str
    what: str


class World:
    """A simulated world. With `story`, the world keeps a line for each step."""

    def __init__(self, seed: int, faults: Iterable[Fault] = (), *, story: bool = False) -> None:
        self.seed = seed
        self.time = 0.0
        self.current: Process | None = None
        self.story: list[StoryLine] | None = [] if story else None
        self.struck: list[Fault] = []
        """The faults that have happened so far, without those that had no effect."""
        self.calls: Counter[str] = Counter()
        self.failure: Exception | None = None
        """An error that `run` raises after the current event."""
        self._count = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._hub = greenlet.getcurrent()
        self._numbers: Counter[str] = Counter()
        self._ids = Random(f"{seed}/ids")
        self._chance = Random(f"{seed}/world")
        faults = list(faults)
        self._strikes = {
            (fault.target, fault.nth): fault for fault in faults if fault.kind in ON_CALLS
        }
        self._outages = [fault for fault in faults if fault.kind is Kind.OUTAGE]

    def now(self) -> datetime:
        """Return the world's time as a datetime, as production's clocks do."""
        return BEGIN + timedelta(seconds=self.time)

    def monotonic(self) -> float:
        return self.time

    def random_fraction(self) -> float:
        """Return a random number in [0, 1).

        The number comes from the running process's source, or from the world's source if no process
        runs.
        """
        return (self.current.chance if self.current else self._chance).random()

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def at(self, time: float, event: Callable[[], None]) -> None:
        """Plan an event for a time, or for now if that time has passed."""
        self._count += 1
        heapq.heappush(self._heap, (max(time, self.time), self._count, event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self.at(self.time + seconds, event)

    def run(self, until: float, most_events: int = 200_000) -> None:
        """Run the events until a time, or until none is planned.

        Raises:
            Endless: More than `most_events` events run.
            Exception: An event has set `failure`, which is raised.
        """
        heap = self._heap
        left = most_events
        while heap and heap[0][0] <= until:
            self.time, _, event = heapq.heappop(heap)
            event()
            if self.failure is not None:
                raise self.failure
            left -= 1
            if left < 0:
                raise Endless(f"{most_events} events by {self.time:.0f} s")

    def reach(self, time: float) -> None:
        """Advance the time to a moment without events, unless the world has ended already."""
        if self._heap:
            self.time = max(self.time, time)

    @property
    def has_ended(self) -> bool:
        """Whether no event is planned."""
        return not self._heap

    def start(
        self,
        name: str,
        work: Callable[[], T],
        *,
        seconds: float | None = None,
        can_crash: bool = False,
    ) -> Promise[tuple[T | None, BaseException | None]]:
        """Start a process. Kill the process after `seconds`, or never if `seconds` is None.

        The promise holds the process's result or None, and the error that ended it or None.
        """
        self._numbers[name] += 1
        process = Process(name, self._numbers[name], self.seed)
        process.can_crash = can_crash
        promise: Promise[tuple[T | None, BaseException | None]] = Promise()

        def live() -> None:
            outcome: tuple[T | None, BaseException | None]
            try:
                outcome = (work(), None)
            except Exception as error:  # noqa: BLE001  # the caller decides
                outcome = (None, error)
            except Killed as error:
                outcome = (None, error)
            process.is_over = True
            promise.keep((None, Killed()) if process.is_dead else outcome)

        process.greenlet = greenlet(live, parent=self._hub)
        if seconds is not None:
            process.ends = self.time + seconds
            self.after(seconds, lambda: self.kill(process))
        self.after(0.0, lambda: self._switch(process))
        return promise

    def kill(self, process: Process) -> None:
        """End a waiting process. Only code outside of all processes may call `kill`."""
        if process.is_over or process.is_dead or process.greenlet is None:
            return
        self.record("is ended by its time limit", str(process))
        process.is_dead = True
        process.ticket += 1
        self.current = process
        process.greenlet.throw(Killed())
        self.current = None

    def time_left(self) -> float:
        """Return the seconds until the running process's time limit, or infinity without one."""
        ends = self.current.ends if self.current else None
        return float("inf") if ends is None else ends - self.time

    def wait(self, promise: Promise[Any], seconds: float) -> bool:
        """Wait for a promise, at most `seconds`. Return whether the promise is kept.

        Raises:
            Killed: The process is dead, or is killed during the wait.
            AssertionError: No process runs.
        """
        process = self._running()
        if promise.is_kept:
            return True
        process.ticket += 1
        ticket = process.ticket
        promise.waiting.append(lambda: self.after(0.0, lambda: self._wake(process, ticket)))
        self.after(seconds, lambda: self._wake(process, ticket))
        self._park(process)
        return promise.is_kept

    def sleep(self, seconds: float) -> None:
        """Make time pass for the running process. Do nothing outside of processes.

        Raises:
            Killed: The process is dead, or is killed during the sleep.
        """
        process = self.current
        if process is None:
            return
        self.check()
        process.ticket += 1
        ticket = process.ticket
        self.after(max(0.0, seconds), lambda: self._wake(process, ticket))
        self._park(process)

    def check(self) -> None:
        """Raise Killed if the running process is dead."""
        if self.current is not None and self.current.is_dead:
            raise Killed

    def _running(self) -> Process:
        self.check()
        if self.current is None:
            raise AssertionError("Only a process can wait.")
        return self.current

    def _park(self, process: Process) -> None:
        self._hub.switch()
        if process.is_dead:
            raise Killed

    def _wake(self, process: Process, ticket: int) -> None:
        if process.ticket == ticket and not process.is_over:
            process.ticket += 1
            self._switch(process)

    def _switch(self, process: Process) -> None:
        if process.is_over or process.is_dead or process.greenlet is None:
            return
        self.current = process
        process.greenlet.switch()
        self.current = None

    def call(self, name: str, effect: Callable[[], T], failure: Failure | None = None) -> T:
        """Make an outbound call: let time pass, and let an outage or a planned fault strike.

        Outside of processes, only `effect` runs. `failure` makes the error of a failed call, by
        default botocore's error.

        Raises:
            Killed: The process is dead, is killed during the call, or crashes.
            Exception: The call fails (see `failure`), or `effect` raises an error.
        """
        process = self.current
        if process is None:
            return effect()
        self.check()
        self.sleep(self._latency(process, name))
        fail = failure or (lambda done: aws_error(name, done))
        outage = self._outage_of(name.partition(".")[0], process)
        if outage is not None:
            self._record_call(name, "is out of reach")
            quick = outage.detail == THROTTLED
            self.sleep(0.4 if quick else 2.0 + 4.0 * process.chance.random())
            raise fail(False)
        fault = self._fault_of(name, process)
        if fault is None:
            return self._done(name, effect)
        return self._struck(fault, process, name, effect, fail)

    def is_out(self, service: str, process: Process | None = None) -> bool:
        """Return whether a call to a service fails now.

        A partial outage counts only for a process, and then by chance.
        """
        return self._outage_of(service, process) is not None

    def back_at(self, service: str) -> float | None:
        """Return the time at which the service's outage ends, or None without a full outage."""
        outage = self._outage_of(service, None)
        return outage.at + outage.seconds if outage else None

    def _outage_of(self, service: str, process: Process | None) -> Fault | None:
        for outage in self._outages:
            if outage.target == service and outage.at <= self.time < outage.at + outage.seconds:
                if outage not in self.struck:
                    self.struck.append(outage)
                if outage.detail != HALF or (process and process.chance.random() < 0.5):
                    return outage
        return None

    def _latency(self, process: Process, name: str) -> float:
        chance = process.chance.random
        average = LATENCIES.get(name.partition(".")[0], 0.05)
        seconds = average * (0.5 + chance())
        return seconds + 2.0 * chance() if chance() < SLOW_SHARE else seconds

    def _fault_of(self, name: str, process: Process) -> Fault | None:
        self.calls[name] += 1
        if process.can_crash:
            self.calls["*"] += 1
        if not self._strikes:
            return None
        found = self._strikes.pop((name, self.calls[name]), None)
        if found is None and process.can_crash:
            found = self._strikes.pop(("*", self.calls["*"]), None)
        if found is None or not _has_effect(found.kind, name, process):
            return None
        self.struck.append(found)
        return found

    def _done(self, name: str, effect: Callable[[], T]) -> T:
        if self.story is None:
            return effect()
        try:
            answer = effect()
        except Exception as error:
            self._record_call(name, f"→ {type(error).__name__}: {str(error)[:100]}")
            raise
        self._record_call(name, "")
        return answer

    def _struck(
        self,
        fault: Fault,
        process: Process,
        name: str,
        effect: Callable[[], T],
        fail: Failure,
    ) -> T:
        kind = fault.kind
        self._record_call(name, f"— {kind}")
        if kind is Kind.CRASH_BEFORE:
            self._die(process)
        if kind is Kind.ERROR_BEFORE:
            self.sleep(0.4 if fault.detail == THROTTLED else 3.0 * process.chance.random())
            raise fail(False)
        if kind is Kind.SLOW:
            self.sleep(60.0 * process.chance.random())
        if kind is Kind.SENT_TWICE:
            self._silently(effect)
            self.sleep(5.0 * process.chance.random())
        if kind in (Kind.SLOW, Kind.SENT_TWICE):
            return self._done(name, effect)
        effect()
        if kind is Kind.CRASH_AFTER:
            self._die(process)
        self.sleep(5.0 + 25.0 * process.chance.random())
        raise fail(True)

    def _silently(self, effect: Callable[[], Any]) -> None:
        try:
            effect()
        except ClientError:
            self.record("its first request failed")

    def _die(self, process: Process) -> None:
        process.is_dead = True
        self.record("crashes")
        raise Killed

    def record(self, what: str, who: str = "") -> None:
        """Add a line to the story, if the world keeps a story.

        `who` is the actor, by default the current process or "world".
        """
        if self.story is not None:
            who = who or (str(self.current) if self.current else "world")
            self.story.append(StoryLine(self.time, who, what))

    def _record_call(self, name: str, how: str) -> None:
        if self.story is not None:
            self.record(f"{name} {how}".rstrip())


def _has_effect(kind: Kind, name: str, process: Process) -> bool:
    """Return whether a fault has an effect on the process's call `name`."""
    if kind in (Kind.CRASH_BEFORE, Kind.CRASH_AFTER):
        return process.can_crash
    return kind is not Kind.SENT_TWICE or is_aws(name)


def is_aws(name: str) -> bool:
    """Return whether a call goes through botocore, which retries failed requests."""
    return name.partition(".")[0] in ("dynamodb", "sqs", "s3", "ssm")


def aws_error(name: str, done: bool) -> Exception:
    """Make botocore's error for a call: a read timeout if AWS has `done` the call, else a 503."""
    if done:
        return ReadTimeoutError(endpoint_url="https://aws.example")
    operation = name.partition(".")[2]
    response: Any = {
        "Error": {"Code": "ServiceUnavailable", "Message": "Service Unavailable"},
        "ResponseMetadata": {"HTTPStatusCode": 503, "RetryAttempts": 3},
    }
    return ClientError(response, operation)


def story_text(world: World) -> str:
    """Return the world's story as text, with a line for each step."""
    return "\n".join(f"{_clock(line.at)}  {line.who:<18} {line.what}" for line in world.story or ())


def _clock(seconds: float) -> str:
    days, rest = divmod(seconds, DAY)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{int(days)}d {int(hours):02}:{int(minutes):02}:{rest:06.3f}"
