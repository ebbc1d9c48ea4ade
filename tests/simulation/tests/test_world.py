"""Tests of time, crashes and faults in a simulated world."""

from __future__ import annotations

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.faults import Fault, Kind
from tests.simulation.world import Endless, Killed, World, story_text


def world(*faults: Fault) -> World:
    return World(1, faults, story=True)


def test_simulated_processes_interleave_by_time() -> None:
    simulated = world()
    seen: list[tuple[str, float]] = []

    def work(name: str, pause: float) -> None:
        for _ in range(2):
            simulated.sleep(pause)
            seen.append((name, simulated.time))

    simulated.start("a", lambda: work("a", 3.0))
    simulated.start("b", lambda: work("b", 2.0))
    simulated.run(100.0)
    assert seen == [("b", 2.0), ("a", 3.0), ("b", 4.0), ("a", 6.0)]
    assert simulated.has_ended


@pytest.mark.parametrize(
    ("kind", "effects"),
    [(Kind.CRASH_BEFORE, 0), (Kind.CRASH_AFTER, 1)],
)
def test_simulated_process_makes_no_further_calls_when_it_has_crashed(
    kind: Kind, effects: int
) -> None:
    simulated = world(Fault(kind, "sqs.SendMessage", 1))
    done: list[str] = []

    def work() -> None:
        try:
            simulated.call("sqs.SendMessage", lambda: done.append("sent"))
        finally:
            simulated.call("dynamodb.UpdateItem", lambda: done.append("written"))

    promise = simulated.start("function", work, can_crash=True)
    simulated.run(100.0)
    assert len(done) == effects
    assert promise.value is not None
    assert isinstance(promise.value[1], Killed)


def test_simulated_crash_is_not_caught_by_a_handler_of_exceptions() -> None:
    simulated = world(Fault(Kind.CRASH_BEFORE, "sqs.SendMessage", 1))
    caught: list[Exception] = []

    def work() -> None:
        try:
            simulated.call("sqs.SendMessage", lambda: None)
        except Exception as error:  # noqa: BLE001  # must not catch the crash
            caught.append(error)

    promise = simulated.start("function", work, can_crash=True)
    simulated.run(100.0)
    assert caught == []
    assert promise.value is not None
    assert isinstance(promise.value[1], Killed)


@pytest.mark.parametrize(
    ("kind", "effects", "error"),
    [
        (Kind.ERROR_BEFORE, 0, ClientError),
        (Kind.ERROR_AFTER, 1, BotoCoreError),
    ],
)
def test_failed_call_raises_an_error_before_or_after_its_effect(
    kind: Kind, effects: int, error: type[Exception]
) -> None:
    simulated = world(Fault(kind, "sqs.SendMessage", 2))
    done: list[str] = []

    def work() -> None:
        simulated.call("sqs.SendMessage", lambda: done.append("first"))
        simulated.call("sqs.SendMessage", lambda: done.append("second"))

    promise = simulated.start("function", work, can_crash=True)
    simulated.run(1000.0)
    assert len(done) == 1 + effects
    assert promise.value is not None
    assert isinstance(promise.value[1], error)


def test_request_has_its_effect_twice_when_botocore_repeats_it() -> None:
    simulated = world(Fault(Kind.SENT_TWICE, "sqs.SendMessage", 1))
    done: list[str] = []
    simulated.start(
        "function", lambda: simulated.call("sqs.SendMessage", lambda: done.append("sent"))
    )
    simulated.run(100.0)
    assert len(done) == 2


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Kind.CRASH_BEFORE, "sqs.SendMessage"),
        (Kind.CRASH_AFTER, "sqs.SendMessage"),
        (Kind.SENT_TWICE, "zoom.api"),
    ],
)
def test_fault_has_not_struck_when_its_call_cannot_crash_or_be_repeated(
    kind: Kind, name: str
) -> None:
    simulated = world(Fault(kind, name, 1))
    done: list[str] = []
    simulated.start("zoom", lambda: simulated.call(name, lambda: done.append("called")))
    simulated.run(100.0)
    assert (done, simulated.struck) == (["called"], [])


def test_calls_of_a_service_fail_only_during_its_outage() -> None:
    simulated = world(Fault(Kind.OUTAGE, "ssm", at=10.0, seconds=10.0))
    outcomes: list[bool] = []

    def work() -> None:
        for _ in range(4):
            try:
                simulated.call("ssm.GetParameter", lambda: None)
                outcomes.append(True)
            except ClientError:
                outcomes.append(False)
            simulated.sleep(12.0)

    simulated.start("function", work)
    simulated.run(1000.0)
    assert outcomes == [True, False, True, True]


def test_simulated_process_is_killed_at_its_time_limit() -> None:
    simulated = world()
    done: list[str] = []

    def work() -> None:
        simulated.sleep(50.0)
        done.append("late")

    promise = simulated.start("function", work, seconds=30.0)
    ended: list[float] = []
    promise.waiting.append(lambda: ended.append(simulated.time))
    simulated.run(1000.0)
    assert done == []
    assert ended == [30.0]


def test_simulated_process_waits_until_the_promise_is_kept_or_the_timeout_is_over() -> None:
    simulated = world()
    seen: list[tuple[bool, float]] = []

    def work() -> None:
        other = simulated.start("other", lambda: simulated.sleep(5.0))
        seen.append((simulated.wait(other, 2.0), simulated.time))
        seen.append((simulated.wait(other, 60.0), simulated.time))

    simulated.start("function", work)
    simulated.run(1000.0)
    assert seen == [(False, 2.0), (True, 5.0)]


def test_run_of_a_world_raises_an_error_when_the_world_never_ends() -> None:
    simulated = world()

    def work() -> None:
        while True:
            simulated.sleep(1.0)

    simulated.start("function", work)
    with pytest.raises(Endless):
        simulated.run(1e9, most_events=1000)


def test_story_of_a_simulated_world_names_a_call_and_its_process() -> None:
    simulated = world()
    simulated.start("function", lambda: simulated.call("sqs.SendMessage", lambda: None))
    simulated.run(10.0)
    assert "function-1" in story_text(simulated)
    assert "sqs.SendMessage" in story_text(simulated)
