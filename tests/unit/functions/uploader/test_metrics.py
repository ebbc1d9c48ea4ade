"""The uploader's metrics."""

from __future__ import annotations

import pytest

from ingester.metrics import Metric
from tests.hooks import failing_table
from tests.unit.functions.measured import count_of, listen, measured
from tests.unit.functions.uploader.harness import Harness


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    return listen(caplog)


def test_workflow_and_minutes_in_the_pipeline_are_counted(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    # The minutes begin at the time of the request, which the message has.
    received = harness.clock()
    harness.clock.forward(minutes=42, seconds=30)
    stamp = received.strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.take(harness.message(webhook_received_time=stamp))
    assert measured(log) == [{Metric.WORKFLOW_INITIATED: 1, Metric.MINUTES_IN_PIPELINE: 42.5}]


def test_workflow_is_counted_once_when_a_message_is_redelivered_after_its_ingest(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    harness.take(harness.message())
    harness.take(harness.message(), receive_count=2)
    assert count_of(Metric.WORKFLOW_INITIATED, log) == 1


def test_workflow_is_counted_once_when_the_answer_to_the_post_was_lost(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    harness.fail("close", after_work=True)
    harness.take(harness.message())
    assert measured(log) == []
    for count in (2, 3):
        assert harness.take(harness.message(), receive_count=count)
    assert count_of(Metric.WORKFLOW_INITIATED, log) == 1
    assert sum(Metric.MINUTES_IN_PIPELINE in values for values in measured(log)) == 1


def test_workflow_is_counted_when_the_time_of_the_request_is_unreadable(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    assert harness.take(harness.message(webhook_received_time="yesterday"))
    assert harness.outcome == ("SENT_TO_OPENCAST", "")
    assert measured(log) == [{Metric.WORKFLOW_INITIATED: 1}]


def test_recording_that_is_in_opencast_already_is_counted_as_ignored(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    harness.has_event()
    harness.take(harness.message())
    assert measured(log) == [{Metric.RECORDING_IGNORED: 1}]


def test_short_recording_is_counted_as_ignored_and_as_skipped(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    harness.settings["minimum_duration"] = 60
    harness.take(harness.message())
    assert harness.outcome[0] == "IGNORED"
    assert measured(log) == [{Metric.RECORDING_IGNORED: 1, Metric.SKIPPED_FOR_DURATION: 1}]


def test_permanent_failure_of_an_upload_is_counted(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    harness.take(harness.message(opencast_series_id="nowhere"))
    assert measured(log) == [{Metric.RECORDING_FAILED: 1}]


def test_retryable_failure_of_an_upload_is_counted_when_the_message_goes_to_the_dlq(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    for count in range(1, 6):
        harness.fail("status", path="/series/", status=403)
        assert count_of(Metric.RECORDING_FAILED, log) == 0
        harness.take(harness.message(), receive_count=count)
    assert len(harness.dead()) == 1
    assert count_of(Metric.RECORDING_FAILED, log) == 1


def test_outage_of_opencast_is_counted_at_each_attempt(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    harness.fail("status", path="/series/", status=503, times=2)
    for count in (1, 2):
        harness.take(harness.message(), receive_count=count)
    assert measured(log) == [{Metric.OPENCAST_UNREACHABLE: 1}] * 2


def test_outage_of_opencast_is_not_counted_when_aws_fails(
    harness: Harness, log: pytest.LogCaptureFixture
) -> None:
    with failing_table(harness.aws.recordings):
        harness.take(harness.message())
    assert measured(log) == []
