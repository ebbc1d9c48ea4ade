"""Tests of the fake Lambda, API Gateway and event source mappings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cdk.receive_limits import DOWNLOAD_RECEIVE_LIMIT, RESERVE_RECEIVES
from tests.simulation.cloud import VISIBILITY, Cloud
from tests.simulation.event_sources import EventSources, Gateway, LambdaFunction
from tests.simulation.faults import Fault, Kind
from tests.simulation.named import file, scenario
from tests.simulation.world import World

DONE: dict[str, Any] = {"batchItemFailures": []}


class Harness:
    """A world with a queue, and a function that does `work` for each message."""

    def __init__(
        self, work: Callable[[World], Any], *faults: Fault, seconds: float = 900.0
    ) -> None:
        made = scenario((file(0),), faults=faults)
        self.world = World(1, faults)
        self.cloud = Cloud(self.world, made)
        self.begun: list[float] = []
        self.built = 0
        self._work = work
        self.function = LambdaFunction(self.world, "function", self._build, self._run, seconds)
        sources = EventSources(self.world, self.cloud)
        sources.add(self.cloud.download_queue, self.function, 2)

    def _build(self) -> int:
        self.built += 1
        return self.built

    def _run(self, _event: Any, container: Callable[[], int], _context: Any) -> Any:
        container()
        self.begun.append(self.world.time)
        return self._work(self.world)

    def send(self, body: str = "{}", delay: int = 0) -> None:
        queue = self.cloud.download_queue
        self.cloud.queues.send_message(QueueUrl=queue, MessageBody=body, DelaySeconds=delay)

    def waiting(self) -> int:
        return len(self.cloud.queues.messages(self.cloud.download_queue))


def slow(seconds: float) -> Callable[[World], Any]:
    """Return work that takes `seconds` of the world's time."""

    def work(world: World) -> Any:
        world.sleep(seconds)
        return DONE

    return work


def test_message_is_delivered_after_its_delay_and_deleted_on_success() -> None:
    harness = Harness(lambda _: DONE)
    harness.send(delay=300)
    harness.world.run(1e5)
    (begun,) = harness.begun
    assert 300.0 <= begun < 305.0
    assert harness.waiting() == 0


def test_message_is_delivered_again_after_the_visibility_timeout_when_its_invocation_crashes() -> (
    None
):
    def work(world: World) -> Any:
        world.call("dynamodb.PutItem", lambda: None)
        return DONE

    harness = Harness(work, Fault(Kind.CRASH_BEFORE, "dynamodb.PutItem", 2))
    harness.world.start("setup", lambda: harness.world.call("dynamodb.PutItem", lambda: None))
    harness.send()
    harness.world.run(1e5)
    first, second = harness.begun
    assert VISIBILITY - 5 < second - first < VISIBILITY + 5
    assert harness.waiting() == 0
    assert harness.built == 2


def test_message_moves_to_the_dlq_when_it_fails_too_often() -> None:
    def work(_: World) -> Any:
        raise ValueError("unforeseen")

    harness = Harness(work)
    harness.send()
    harness.world.run(1e6)
    assert len(harness.begun) == DOWNLOAD_RECEIVE_LIMIT + RESERVE_RECEIVES
    assert harness.waiting() == 0
    assert len(harness.cloud.queues.messages(harness.cloud.download_dlq)) == 1


def test_queue_starts_no_more_invocations_at_once_than_allowed() -> None:
    running, most = 0, 0

    def work(world: World) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        world.sleep(100.0)
        running -= 1
        return DONE

    harness = Harness(work)
    for _ in range(5):
        harness.send()
    harness.world.run(1e5)
    assert (most, harness.waiting()) == (2, 0)


def test_message_stays_on_the_queue_when_its_invocation_takes_longer_than_the_timeout() -> None:
    harness = Harness(slow(50.0), seconds=30.0)
    harness.send()
    harness.world.run(500.0)
    assert harness.waiting() == 1


def test_message_invokes_the_function_twice_when_sqs_repeats_its_delivery() -> None:
    harness = Harness(slow(10.0), Fault(Kind.DELIVERED_TWICE, "download", 1))
    harness.send()
    harness.world.run(1e5)
    assert len(harness.begun) == 2


def answered(work: Callable[[World], Any], *faults: Fault, seconds: float = 10.0) -> Any:
    """Send a POST to a gateway, and return the gateway's answer, or None without an answer."""
    harness = Harness(work, *faults, seconds=30.0)
    gateway = Gateway(harness.world, harness.function)
    promise = harness.world.start("caller", lambda: gateway.post(b"{}", {}, seconds))
    harness.world.run(1e4)
    assert promise.value is not None
    return promise.value[0]


def test_fake_api_gateway_answers_502_when_the_function_crashes() -> None:
    def work(world: World) -> Any:
        world.call("dynamodb.PutItem", lambda: None)

    status, _ = answered(work, Fault(Kind.CRASH_AFTER, "dynamodb.PutItem", 1))
    assert status == 502


def test_caller_of_the_fake_api_gateway_gets_no_answer_after_the_timeout_of_the_caller() -> None:
    assert answered(slow(20.0), seconds=3.0) is None


def test_fake_api_gateway_answers_504_when_the_function_takes_more_than_29_seconds() -> None:
    status, _ = answered(slow(29.5), seconds=60.0)
    assert status == 504


def test_message_waits_until_the_outage_of_sqs_ends() -> None:
    harness = Harness(lambda _: DONE, Fault(Kind.OUTAGE, "sqs", at=10.0, seconds=3600.0))
    harness.world.at(5.0, lambda: harness.send(delay=60))
    harness.world.run(1e5)
    (begun,) = harness.begun
    assert 3610.0 <= begun < 3620.0
    assert harness.waiting() == 0


def test_message_is_delivered_again_when_its_deletion_fails() -> None:
    harness = Harness(slow(20.0), Fault(Kind.OUTAGE, "sqs", at=10.0, seconds=60.0))
    harness.send()
    harness.world.run(1e5)
    assert len(harness.begun) == 2
    assert harness.waiting() == 0
