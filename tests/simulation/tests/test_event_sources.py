"""Lambda, API Gateway and the event sources around the functions."""

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


class Desk:
    """A queue that drives a function which does this `work`."""

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
    """Work that takes so long."""

    def work(world: World) -> Any:
        world.sleep(seconds)
        return DONE

    return work


def test_a_message_is_delivered_when_its_delay_is_over_and_deleted_on_success() -> None:
    desk = Desk(lambda _: DONE)
    desk.send(delay=300)
    desk.world.run(1e5)
    (begun,) = desk.begun
    assert 300.0 <= begun < 305.0
    assert desk.waiting() == 0


def test_a_crashed_invocation_has_its_message_back_after_the_visibility_timeout() -> None:
    def work(world: World) -> Any:
        world.call("dynamodb.PutItem", lambda: None)
        return DONE

    desk = Desk(work, Fault(Kind.CRASH_BEFORE, "dynamodb.PutItem", 2))
    desk.world.start("setup", lambda: desk.world.call("dynamodb.PutItem", lambda: None))
    desk.send()
    desk.world.run(1e5)
    first, second = desk.begun
    assert VISIBILITY - 5 < second - first < VISIBILITY + 5
    assert desk.waiting() == 0
    assert desk.built == 2


def test_a_message_that_fails_too_often_is_a_dead_letter() -> None:
    def work(_: World) -> Any:
        raise ValueError("unforeseen")

    desk = Desk(work)
    desk.send()
    desk.world.run(1e6)
    assert len(desk.begun) == DOWNLOAD_RECEIVE_LIMIT + RESERVE_RECEIVES
    assert desk.waiting() == 0
    assert len(desk.cloud.queues.messages(desk.cloud.download_dlq)) == 1


def test_no_more_invocations_run_at_once_than_allowed() -> None:
    running, most = 0, 0

    def work(world: World) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        world.sleep(100.0)
        running -= 1
        return DONE

    desk = Desk(work)
    for _ in range(5):
        desk.send()
    desk.world.run(1e5)
    assert (most, desk.waiting()) == (2, 0)


def test_an_invocation_that_takes_too_long_is_ended() -> None:
    desk = Desk(slow(50.0), seconds=30.0)
    desk.send()
    desk.world.run(500.0)
    assert desk.waiting() == 1


def test_a_second_delivery_happens_beside_the_first() -> None:
    desk = Desk(slow(10.0), Fault(Kind.DELIVERED_TWICE, "download", 1))
    desk.send()
    desk.world.run(1e5)
    assert len(desk.begun) == 2


def answered(work: Callable[[World], Any], *faults: Fault, seconds: float = 10.0) -> Any:
    """What a caller of the gateway gets."""
    desk = Desk(work, *faults, seconds=30.0)
    gateway = Gateway(desk.world, desk.function)
    promise = desk.world.start("caller", lambda: gateway.post(b"{}", {}, seconds))
    desk.world.run(1e4)
    assert promise.value is not None
    return promise.value[0]


def test_a_crashed_function_answers_its_caller_with_502() -> None:
    def work(world: World) -> Any:
        world.call("dynamodb.PutItem", lambda: None)

    status, _ = answered(work, Fault(Kind.CRASH_AFTER, "dynamodb.PutItem", 1))
    assert status == 502


def test_a_caller_waits_no_longer_than_it_wants() -> None:
    assert answered(slow(20.0), seconds=3.0) is None


def test_the_gateway_gives_up_after_29_seconds() -> None:
    status, _ = answered(slow(29.5), seconds=60.0)
    assert status == 504


def test_nothing_is_received_from_a_queue_service_that_is_down() -> None:
    desk = Desk(lambda _: DONE, Fault(Kind.OUTAGE, "sqs", at=10.0, seconds=3600.0))
    desk.world.at(5.0, lambda: desk.send(delay=60))
    desk.world.run(1e5)
    (begun,) = desk.begun
    assert 3610.0 <= begun < 3620.0
    assert desk.waiting() == 0


def test_a_message_that_could_not_be_deleted_comes_back() -> None:
    desk = Desk(slow(20.0), Fault(Kind.OUTAGE, "sqs", at=10.0, seconds=60.0))
    desk.send()
    desk.world.run(1e5)
    assert len(desk.begun) == 2
    assert desk.waiting() == 0
