"""The rate limit of mails, which all containers share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

import log_notifications
from cdk.functions import SIZES
from cdk.names import FUNCTIONS, LOG_NOTIFICATIONS
from ingester.alerts.faults_table import MAX_MAILS
from ingester.alerts.rate_limit import KEY, PAUSE, SPREAD_SECONDS
from log_notifications import WAIT
from tests.cloud import Clock, Cloud
from tests.function_harness import log_notifications_dependencies
from tests.subscription import log_event
from tests.unit.functions.mailing import failures_of, refusing
from tests.waits import Sleeper

GROUPS = [f"/aws/lambda/zip-{function.name}" for function in FUNCTIONS[:4]]


@pytest.fixture
def deps(aws: Cloud, clock: Clock) -> log_notifications.Dependencies:
    return log_notifications_dependencies(aws, clock)


@contextmanager
def mail_times(aws: Cloud, clock: Clock, *, seconds_each: float = 0) -> Iterator[list[datetime]]:
    """Yield a list to which each mail adds its time.

    Each mail advances the clock by `seconds_each`.
    """
    times: list[datetime] = []

    def note(model: Any, **_: object) -> None:
        if model.name == "Publish":
            times.append(clock())
            clock.forward(seconds=seconds_each)

    aws.sns.meta.events.register_first("before-call", note)
    try:
        yield times
    finally:
        aws.sns.meta.events.unregister("before-call", note)


def assert_slow(times: list[datetime]) -> None:
    assert all(later - earlier >= PAUSE for earlier, later in pairwise(times))


def test_mails_of_all_containers_together_stay_below_the_rate_limit_of_sns(
    aws: Cloud, clock: Clock
) -> None:
    lines = failures_of(range(MAX_MAILS + 2))
    containers = [log_notifications_dependencies(aws, clock) for _ in GROUPS]
    with mail_times(aws, clock) as times:
        for group, deps in zip(GROUPS, containers, strict=True):
            log_notifications.mail_faults(log_event(*lines, group=group), deps)
    assert len(times) == len(GROUPS) * (MAX_MAILS + 1)
    assert_slow(times)


def test_mail_waits_for_the_scheduled_run_when_other_mails_use_up_the_rate_limit(
    aws: Cloud,
    deps: log_notifications.Dependencies,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken = int((clock() + timedelta(hours=1)).timestamp() * 1000)
    aws.faults.put_item(Item={"fault": KEY, "next_mail": taken})
    began = clock()
    log_notifications.mail_faults(log_event(*failures_of(range(3))), deps)
    assert clock() - began <= WAIT + PAUSE
    assert WAIT.total_seconds() + SPREAD_SECONDS < SIZES[LOG_NOTIFICATIONS].timeout
    assert aws.mails() == []
    assert caplog.text.count("Too many mails go out now") == 3
    aws.faults.delete_item(Key={"fault": KEY})
    with mail_times(aws, clock) as times:
        log_notifications.mail_repeats(deps)
    assert len(aws.mails()) == 3
    assert_slow(times)
    log_notifications.mail_repeats(deps)
    assert aws.mails() == []


def test_two_scheduled_runs_mail_every_fault_once_when_mails_take_two_seconds(
    aws: Cloud, deps: log_notifications.Dependencies, clock: Clock
) -> None:
    # A claim expires after 30 seconds. Another run would mail a fault whose claim has expired.
    for number in range(15):
        aws.faults.put_item(
            Item={"fault": str(number), "unmailed": 1, "quiet_until": 0, "subject": str(number)}
        )
    sent: list[str] = []
    for _ in range(2):
        began = clock()
        with mail_times(aws, clock, seconds_each=2):
            log_notifications.mail_repeats(deps)
        assert clock() - began <= WAIT + timedelta(seconds=2)
        sent += [subject for subject, _ in aws.mails()]
        clock.forward(minutes=5)
    assert len(sent) == len(set(sent)) == 15


def test_batch_of_log_lines_causes_one_mail_after_a_random_wait_when_the_faults_table_fails(
    aws: Cloud, clock: Clock
) -> None:
    sleeper = Sleeper(clock)
    deps = log_notifications_dependencies(aws, clock, sleep=sleeper)
    with refusing(aws.faults.meta.client, "UpdateItem"):
        log_notifications.mail_faults(log_event(*failures_of(range(20))), deps)
    [(subject, body)] = aws.mails()
    assert subject.startswith("(and 19 others) [zip] Upload failed: Gave up")
    assert body.count("[zip] Upload failed") == 19
    assert "uuid0==" in body
    assert sleeper.slept == [SPREAD_SECONDS / 2]
