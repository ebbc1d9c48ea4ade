"""The simulated world: time, crashes, faults."""

from __future__ import annotations

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.faults import Fault, Kind
from tests.simulation.world import Endless, Killed, World, told


def world(*faults: Fault) -> World:
    return World(1, faults, story=True)


def test_processes_interleave_by_time() -> None:
    made = world()
    seen: list[tuple[str, float]] = []

    def work(name: str, pause: float) -> None:
        for _ in range(2):
            made.sleep(pause)
            seen.append((name, made.time))

    made.start("a", lambda: work("a", 3.0))
    made.start("b", lambda: work("b", 2.0))
    made.run(100.0)
    assert seen == [("b", 2.0), ("a", 3.0), ("b", 4.0), ("a", 6.0)]
    assert made.is_dry


@pytest.mark.parametrize(
    ("kind", "effects"),
    [(Kind.CRASH_BEFORE, 0), (Kind.CRASH_AFTER, 1)],
)
def test_a_crashed_process_does_nothing_more_outside(kind: Kind, effects: int) -> None:
    made = world(Fault(kind, "sqs.SendMessage", 1))
    done: list[str] = []

    def work() -> None:
        try:
            made.call("sqs.SendMessage", lambda: done.append("sent"))
        finally:
            made.call("dynamodb.UpdateItem", lambda: done.append("written"))

    promise = made.start("function", work, can_crash=True)
    made.run(100.0)
    assert len(done) == effects
    assert promise.value is not None
    assert isinstance(promise.value[1], Killed)


def test_a_crash_is_no_exception_that_a_handler_catches() -> None:
    made = world(Fault(Kind.CRASH_BEFORE, "sqs.SendMessage", 1))
    caught: list[Exception] = []

    def work() -> None:
        try:
            made.call("sqs.SendMessage", lambda: None)
        except Exception as error:  # noqa: BLE001  # what is tested
            caught.append(error)

    made.start("function", work, can_crash=True)
    made.run(100.0)
    assert caught == []


@pytest.mark.parametrize(
    ("kind", "effects", "error"),
    [
        (Kind.ERROR_BEFORE, 0, ClientError),
        (Kind.ERROR_AFTER, 1, BotoCoreError),
    ],
)
def test_a_failed_call_raises_with_or_without_its_effect(
    kind: Kind, effects: int, error: type[Exception]
) -> None:
    made = world(Fault(kind, "sqs.SendMessage", 2))
    done: list[str] = []

    def work() -> None:
        made.call("sqs.SendMessage", lambda: done.append("first"))
        made.call("sqs.SendMessage", lambda: done.append("second"))

    promise = made.start("function", work, can_crash=True)
    made.run(1000.0)
    assert len(done) == 1 + effects
    assert promise.value is not None
    assert isinstance(promise.value[1], error)


def test_a_request_that_botocore_repeats_has_its_effect_twice() -> None:
    made = world(Fault(Kind.SENT_TWICE, "sqs.SendMessage", 1))
    done: list[str] = []
    made.start("function", lambda: made.call("sqs.SendMessage", lambda: done.append("sent")))
    made.run(100.0)
    assert len(done) == 2


def test_an_outage_fails_the_calls_of_its_time_only() -> None:
    made = world(Fault(Kind.OUTAGE, "ssm", at=10.0, seconds=10.0))
    outcomes: list[bool] = []

    def work() -> None:
        for _ in range(4):
            try:
                made.call("ssm.GetParameter", lambda: None)
                outcomes.append(True)
            except ClientError:
                outcomes.append(False)
            made.sleep(12.0)

    made.start("function", work)
    made.run(1000.0)
    assert outcomes == [True, False, True, True]


def test_a_process_is_killed_at_its_time_limit() -> None:
    made = world()
    done: list[str] = []

    def work() -> None:
        made.sleep(50.0)
        done.append("late")

    promise = made.start("function", work, seconds=30.0)
    ended: list[float] = []
    promise.waiting.append(lambda: ended.append(made.time))
    made.run(1000.0)
    assert done == []
    assert ended == [30.0]


def test_waiting_ends_when_the_promise_is_kept_or_the_time_is_up() -> None:
    made = world()
    seen: list[tuple[bool, float]] = []

    def work() -> None:
        other = made.start("other", lambda: made.sleep(5.0))
        seen.append((made.wait(other, 2.0), made.time))
        seen.append((made.wait(other, 60.0), made.time))

    made.start("function", work)
    made.run(1000.0)
    assert seen == [(False, 2.0), (True, 5.0)]


def test_a_world_that_never_ends_is_ended() -> None:
    made = world()

    def work() -> None:
        while True:
            made.sleep(1.0)

    made.start("function", work)
    with pytest.raises(Endless):
        made.run(1e9, most_events=1000)


def test_the_story_has_a_line_for_each_call_with_its_time() -> None:
    made = world()
    made.start("function", lambda: made.call("sqs.SendMessage", lambda: None))
    made.run(10.0)
    assert "function-1" in told(made)
    assert "sqs.SendMessage" in told(made)
