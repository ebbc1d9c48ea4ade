"""What the uploader counts: an ingest once, however it was learnt that Opencast has it."""

from __future__ import annotations

import pytest

from ingester.metrics import Metric
from tests.unit.functions.measured import count_of, listen, measured
from tests.unit.functions.uploader.harness import Kit


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    return listen(caplog)


def test_workflow_and_minutes_in_the_pipeline_are_counted(
    kit: Kit, log: pytest.LogCaptureFixture
) -> None:
    """Since the webhook received the request, as the message says."""
    received = kit.clock()
    kit.clock.forward(minutes=42, seconds=30)
    stamp = received.strftime("%Y-%m-%dT%H:%M:%SZ")
    kit.take(kit.message(webhook_received_time=stamp))
    assert measured(log) == [{Metric.WORKFLOW_INITIATED: 1, Metric.MINUTES_IN_PIPELINE: 42.5}]


def test_nothing_is_counted_when_the_message_is_redelivered_after_the_end(
    kit: Kit, log: pytest.LogCaptureFixture
) -> None:
    kit.take(kit.message())
    kit.take(kit.message(), receive_count=2)
    assert count_of(Metric.WORKFLOW_INITIATED, log) == 1


def test_workflow_is_counted_once_when_the_posts_answer_was_lost(
    kit: Kit, log: pytest.LogCaptureFixture
) -> None:
    kit.fail("close", after_work=True)
    kit.take(kit.message())
    assert measured(log) == []
    for count in (2, 3):
        assert kit.take(kit.message(), receive_count=count)
    assert count_of(Metric.WORKFLOW_INITIATED, log) == 1
    assert sum(Metric.MINUTES_IN_PIPELINE in values for values in measured(log)) == 1


def test_workflow_is_counted_when_the_time_of_the_request_is_unreadable(
    kit: Kit, log: pytest.LogCaptureFixture
) -> None:
    assert kit.take(kit.message(webhook_received_time="yesterday"))
    assert kit.outcome == ("SENT_TO_OPENCAST", "")
    assert measured(log) == [{Metric.WORKFLOW_INITIATED: 1}]


def test_recording_that_is_in_opencast_already_is_counted_as_ignored(
    kit: Kit, log: pytest.LogCaptureFixture
) -> None:
    kit.has_event()
    kit.take(kit.message())
    assert measured(log) == [{Metric.RECORDING_IGNORED: 1}]


def test_short_recording_is_counted_as_skipped(kit: Kit, log: pytest.LogCaptureFixture) -> None:
    kit.settings["minimum_duration"] = 60
    kit.take(kit.message())
    assert kit.outcome[0] == "IGNORED"
    assert measured(log) == [{Metric.RECORDING_IGNORED: 1, Metric.SKIPPED_FOR_DURATION: 1}]


def test_permanent_failure_is_counted(kit: Kit, log: pytest.LogCaptureFixture) -> None:
    kit.take(kit.message(opencast_series_id="nowhere"))
    assert measured(log) == [{Metric.RECORDING_FAILED: 1}]


def test_retryable_failure_is_counted_when_the_message_is_given_up(
    kit: Kit, log: pytest.LogCaptureFixture
) -> None:
    for count in range(1, 6):
        kit.fail("status", path="/series/", status=403)
        assert count_of(Metric.RECORDING_FAILED, log) == 0
        kit.take(kit.message(), receive_count=count)
    assert len(kit.dead()) == 1
    assert count_of(Metric.RECORDING_FAILED, log) == 1


def test_outage_of_opencast_is_counted_at_each_attempt(
    kit: Kit, log: pytest.LogCaptureFixture
) -> None:
    kit.fail("status", path="/series/", status=503, times=2)
    for count in (1, 2):
        kit.take(kit.message(), receive_count=count)
    assert measured(log) == [{Metric.OPENCAST_UNREACHABLE: 1}] * 2


def test_outage_of_opencast_is_not_counted_when_aws_fails(
    kit: Kit, log: pytest.LogCaptureFixture
) -> None:
    with kit.ledger_failing():
        kit.take(kit.message())
    assert measured(log) == []
