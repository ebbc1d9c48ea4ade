"""Four of the crashes that `python -m tests.crashes` causes and docs/reliability.md lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cdk.names import DOWNLOADER, UPLOADER, Function
from tests.crashes.calls import Call
from tests.crashes.proxy import Aim, Moment
from tests.crashes.sweep import QUEUES, sweep_of
from tests.crashes.triggers import TRIGGERS
from tests.e2e.stack import Stack

Choice = Callable[[tuple[Call, ...]], list[Aim]]


def first_and_last(calls: tuple[Call, ...]) -> list[Aim]:
    return [Aim(calls[0], Moment.BEFORE), Aim(calls[-1], Moment.AFTER)]


def around_the_post(calls: tuple[Call, ...]) -> list[Aim]:
    (post,) = (call for call in calls if call.name.startswith("Opencast: POST "))
    return [Aim(post, moment) for moment in Moment]


def empty_queues(stack: Stack) -> None:
    """Delete messages that other tests left, because a sweep waits until queues are empty."""
    for queue in QUEUES:
        stack.driver.client("sqs").purge_queue(QueueUrl=stack.driver.queue_url(queue))


@pytest.mark.parametrize(
    ("function", "choose"), [(DOWNLOADER, first_and_last), (UPLOADER, around_the_post)]
)
def test_a_recording_is_in_opencast_once_when_a_function_is_killed(
    stack: Stack, home: Path, function: Function, choose: Choice
) -> None:
    empty_queues(stack)
    (trigger,) = (trigger for trigger in TRIGGERS if trigger.function is function)
    with sweep_of(trigger, stack.driver, home) as sweep:
        calls = sweep.learn()
        results = [sweep.crash(aim, calls) for aim in choose(calls.all)]
    assert [result for result in results if result.problem] == []
    assert all(result.deliveries >= 2 for result in results)
