"""The downloader's metrics, except the metrics of copies."""

from __future__ import annotations

import pytest

from ingester.metrics import Metric
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.unit.functions.downloader.harness import ZIP_ID, Harness
from tests.unit.functions.measured import count_of, listen, measured


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    return listen(caplog)


def test_duration_of_a_recording_is_counted_when_its_series_is_found(
    harness: Harness, small: Recording, log: pytest.LogCaptureFixture
) -> None:
    harness.take(harness.message(small))
    assert {Metric.RECORDING_DURATION: 30} in measured(log)
    assert count_of(Metric.RECORDING_DURATION, log) == 30


def test_duration_of_a_recording_is_not_counted_again_when_its_message_is_retried(
    harness: Harness, small: Recording, log: pytest.LogCaptureFixture
) -> None:
    harness.zoom.fail(Fault(kind="status", status=500, times=99, where="download"))
    message = harness.message(small)
    harness.take(message)
    assert harness.outcome[0] == "DOWNLOADER_FAILED"
    harness.zoom.clear_faults()
    harness.take(message, receive_count=2)
    assert harness.outcome[0] == "SENT_TO_UPLOADER"
    assert count_of(Metric.RECORDING_DURATION, log) == 30


def test_short_recording_is_counted_as_skipped_once_when_its_message_is_received_twice(
    harness: Harness, small: Recording, log: pytest.LogCaptureFixture
) -> None:
    for count in (1, 2):
        harness.take(harness.message(small, duration=1), receive_count=count)
    assert measured(log) == [{Metric.RECORDING_IGNORED: 1, Metric.SKIPPED_FOR_DURATION: 1}]


def test_recording_without_a_series_is_counted_as_ignored(
    harness: Harness, small: Recording, log: pytest.LogCaptureFixture
) -> None:
    harness.settings["default_series_id"] = ""
    harness.take(harness.message(small))
    assert measured(log) == [{Metric.RECORDING_IGNORED: 1}]


def test_recording_in_the_trash_is_counted_as_ignored(
    harness: Harness, small: Recording, log: pytest.LogCaptureFixture
) -> None:
    harness.notice(small, "Trashed in Zoom")
    harness.zoom.fail(Fault(kind="status", status=404, times=9))
    harness.take(harness.message(small))
    assert harness.outcome == ("IGNORED", "Trashed in Zoom")
    assert count_of(Metric.RECORDING_IGNORED, log) == 1
    assert count_of(Metric.RECORDING_FAILED, log) == 0


class TestFailures:
    def test_permanent_failure_of_a_download_is_counted(
        self, harness: Harness, small: Recording, log: pytest.LogCaptureFixture
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=404, times=9))
        harness.take(harness.message(small))
        assert count_of(Metric.RECORDING_FAILED, log) == 1
        assert len(harness.dead()) == 1

    def test_malformed_download_message_is_counted_as_a_failure(
        self, harness: Harness, log: pytest.LogCaptureFixture
    ) -> None:
        harness.take({"zip_id": ZIP_ID})
        assert measured(log) == [{Metric.RECORDING_FAILED: 1}]

    def test_retryable_failure_of_a_download_is_counted_at_the_last_receive(
        self, harness: Harness, small: Recording, log: pytest.LogCaptureFixture
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=500, times=99))
        harness.take(harness.message(small), receive_count=11)
        assert count_of(Metric.RECORDING_FAILED, log) == 0
        harness.zoom.fail(Fault(kind="status", status=500, times=99))
        harness.take(harness.message(small), receive_count=12)
        assert count_of(Metric.RECORDING_FAILED, log) == 1
