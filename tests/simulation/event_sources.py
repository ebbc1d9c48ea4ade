"""Fakes of Lambda, API Gateway and SQS's event sources, which run the functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from botocore.exceptions import ClientError

from ingester.runtime.container import Container
from tests.simulation.aws.sqs import FakeQueues
from tests.simulation.cloud import Cloud
from tests.simulation.world import Killed, Promise, World

Kept = TypeVar("Kept")
Outcome = tuple[Any, BaseException | None]

COLD_SECONDS = 0.9
IDLE_SECONDS = 2400.0
GATEWAY_SECONDS = 29.0


@dataclass(frozen=True)
class Context:
    """A fake of Lambda's context, with the members that production reads."""

    world: World
    ends: float
    aws_request_id: str = "simulated"

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.ends - self.world.time))


@dataclass
class Warm(Generic[Kept]):
    """A container between two invocations. `used` is the world's time at the last use."""

    container: Container[Kept]
    used: float


class LambdaFunction(Generic[Kept]):
    """A function with its warm containers, cold starts and time limit."""

    def __init__(
        self,
        world: World,
        name: str,
        build: Callable[[], Kept],
        handle: Callable[[Any, Container[Kept], Context], Any],
        seconds: float,
    ) -> None:
        self.name = name
        self.errors: list[Exception] = []
        """Errors that the handler raised."""
        self.seconds: list[float] = []
        """Seconds of each invocation, with its cold start."""
        self.running = self.most_at_once = 0
        self._world = world
        self._build = build
        self._handle = handle
        self._seconds = seconds
        self._idle: list[Warm[Kept]] = []

    def invoke(self, event: Any) -> Promise[Outcome]:
        """Start an invocation, and return a promise of its answer or of the error that ended it."""
        return self._world.start(
            self.name, lambda: self._timed(event), seconds=self._seconds, can_crash=True
        )

    def _timed(self, event: Any) -> Any:
        began = self._world.time
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            return self._run(event)
        finally:
            self.running -= 1
            self.seconds.append(self._world.time - began)

    def _run(self, event: Any) -> Any:
        world = self._world
        ends = world.time + world.time_left()
        warm = self._taken()
        if warm is None:
            world.sleep(COLD_SECONDS * (0.5 + world.random_fraction()))
            warm = Warm(Container(self._build, clock=world.monotonic), world.time)
        # A crash skips the lines that put the container back. So a crash ends the container too.
        try:
            answer = self._handle(event, warm.container, Context(world, ends))
        except Exception as error:
            world.record(f"fails: {type(error).__name__}: {error}")
            self.errors.append(error)
            self._put_back(warm)
            raise
        self._put_back(warm)
        return answer

    def _taken(self) -> Warm[Kept] | None:
        self._idle = [warm for warm in self._idle if self._world.time - warm.used < IDLE_SECONDS]
        return self._idle.pop() if self._idle else None

    def _put_back(self, warm: Warm[Kept]) -> None:
        warm.used = self._world.time
        self._idle.append(warm)


class Gateway:
    """A route of API Gateway to a function."""

    def __init__(self, world: World, function: LambdaFunction[Any]) -> None:
        self._world = world
        self._function = function

    def post(
        self, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> tuple[int, bytes] | None:
        """Send a POST, and return the status and body.

        Return None if no answer comes within `seconds`, or during an outage of the webhook. As
        API Gateway does, return 504 after `GATEWAY_SECONDS`, and 502 after an error. Source of the
        limit: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
        """
        world = self._world
        event = {"headers": dict(headers), "body": body.decode(), "isBase64Encoded": False}
        if world.is_out("webhook"):
            world.sleep(min(seconds, 1.0))
            return None
        world.sleep(0.03)
        answered = self._function.invoke(event)
        if not world.wait(answered, min(seconds, GATEWAY_SECONDS)):
            return None if seconds < GATEWAY_SECONDS else (504, b'{"message": "Timed out."}')
        answer, error = answered.value or (None, Killed())
        if error is not None or answer is None:
            return 502, b'{"message": "Internal server error"}'
        return int(answer["statusCode"]), str(answer["body"]).encode()


@dataclass
class Source:
    """An event source mapping: a queue that invokes a function for each message."""

    url: str
    function: LambdaFunction[Any]
    max_concurrency: int
    running: int = 0
    planned: float | None = None


class EventSources:
    """The event source mappings, which deliver messages and delete handled messages."""

    def __init__(self, world: World, cloud: Cloud) -> None:
        self._world = world
        self._queues: FakeQueues = cloud.queues
        self._begin = cloud.seconds() - world.time
        self._sources: list[Source] = []
        self.deliveries: Counter[str] = Counter()
        """Queue URL → number of deliveries."""
        self.most_receives: Counter[str] = Counter()
        """Queue URL → the most receives of one message."""
        cloud.on_queue_call = self.plan_polls

    def add(self, url: str, function: LambdaFunction[Any], max_concurrency: int) -> None:
        self._sources.append(Source(url, function, max_concurrency))

    def plan_polls(self) -> None:
        """Plan the next poll of each queue that has a message and may start an invocation."""
        for source in self._sources:
            if source.running >= source.max_concurrency:
                continue
            visible = self._queues.next_visible(source.url)
            if visible is None:
                continue
            # SQS delivers nothing during a full outage.
            earliest = self._world.back_at("sqs") or self._world.time
            at = max(earliest, visible - self._begin) + 0.05
            if source.planned is None or at < source.planned:
                source.planned = at
                self._world.at(at, lambda source=source, at=at: self._poll(source, at))  # type: ignore[misc]  # bound now

    def _poll(self, source: Source, at: float) -> None:
        if source.planned != at:
            return
        source.planned = None
        if self._world.back_at("sqs"):
            self.plan_polls()
            return
        while source.running < source.max_concurrency:
            records = self._queues.take(source.url, 1)
            if not records:
                break
            self._deliver(source, records[0])
        self.plan_polls()

    def _deliver(self, source: Source, record: dict[str, Any]) -> None:
        source.running += 1
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        self.deliveries[source.url] += 1
        self.most_receives[source.url] = max(self.most_receives[source.url], receives)
        answered = source.function.invoke({"Records": [record]})

        def ended() -> None:
            source.running -= 1
            answer, error = answered.value or (None, Killed())
            is_handled = error is None and answer is not None and not answer["batchItemFailures"]
            if is_handled and not self._world.is_out("sqs"):
                with suppress(ClientError):
                    # A FIFO queue refuses the deletion once the message is visible again:
                    # https://repost.aws/knowledge-center/sqs-receipt-handle-error
                    self._queues.delete(source.url, record["receiptHandle"])
            self._world.after(0.0, self.plan_polls)

        answered.waiting.append(ended)
