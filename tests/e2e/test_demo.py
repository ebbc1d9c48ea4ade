"""The demo on the local stack, and the metrics that the demo's recordings leave in the logs."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from cdk.names import DOWNLOADER, UPLOADER, WEBHOOK
from ingester.metrics import Metric
from local import demo
from local.driver import Driver, DriverError, ZoomRecording
from tests.e2e.deployed import limited
from tests.e2e.metrics import emitted
from tests.e2e.stack import Stack

FORGED = 3
"""Number of forged webhook events in the demo."""


@pytest.fixture(scope="module")
def demo_output(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run the demo, assert that it succeeds, and return its output."""
    console = Console(file=io.StringIO(), width=100)
    folder = tmp_path_factory.mktemp("demo")
    with ExitStack() as changed:
        for function, seconds in ((WEBHOOK, 30), (DOWNLOADER, 900), (UPLOADER, 900)):
            changed.enter_context(
                limited(stack.driver, stack.function(function), seconds, **demo.SETTINGS)
            )
        printed = changed.enter_context(contextlib.redirect_stdout(io.StringIO()))
        succeeded = demo.run(stack.driver, folder, ZoneInfo("US/Eastern"), console)
    output = str(console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO, as above
    assert succeeded, output
    return output + printed.getvalue()


def test_the_demo_reports_at_least_ten_successful_checks(demo_output: str) -> None:
    assert demo_output.count("✓") >= 10


def test_the_table_of_the_demo_shows_captions_and_publication(demo_output: str) -> None:
    lines = (re.split(r"\s{2,}", line.strip()) for line in demo_output.splitlines())
    rows = {name: cells for name, *cells in lines}
    # Only recording c has no captions and isn't published, because c belongs to no scheduled class.
    assert rows["captions"] == ["2 cues", "1 cue", "1 cue", "2 cues"]
    assert len(rows["PUBLISHED"]) == 4


def recording_of(driver: Driver, meeting: int) -> ZoomRecording:
    """Return the only recording of a meeting in the demo."""
    (uuid,) = driver.status(meeting)
    return driver.recording(uuid)


def metrics_of(driver: Driver, recording: ZoomRecording) -> dict[Metric, float]:
    """Check the range of a recording's unpredictable metrics, and return its other metrics."""
    found = emitted(driver, recording.uuid)
    assert 0 <= found.pop(Metric.TRANSFER_RATE, 0.0) < 10_000
    assert 0 <= found.pop(Metric.MINUTES_IN_PIPELINE, 0.0) < 5
    assert 0 <= found.pop(Metric.MINUTES_TO_PUBLISHED, 0.0) < 5
    return found


def assert_becomes(stack: Stack, ask: Callable[[], object], wanted: object) -> None:
    """Assert that `ask` returns `wanted` soon, because log records can be late."""
    with contextlib.suppress(DriverError):
        stack.wait(lambda: ask() == wanted, "The log records")
    assert ask() == wanted


def assert_metrics(stack: Stack, recording: ZoomRecording, wanted: Mapping[Metric, float]) -> None:
    """Assert that `metrics_of` soon returns `wanted`, without the metric of wrong signatures.

    The metric of wrong signatures has to be missing or 0.
    """

    def counted() -> dict[Metric, float]:
        metrics = metrics_of(stack.driver, recording)
        assert not metrics.pop(Metric.WEBHOOK_WRONGLY_SIGNED, 0)
        return metrics

    assert_becomes(stack, counted, wanted)


def bytes_of(recording: ZoomRecording) -> int:
    """Return the total size in bytes of the recording's files that the pipeline copies."""
    return sum(file.size for file in recording.expected_files())


@pytest.mark.usefixtures("demo_output")
class TestMetricsOfTheDemo:
    def test_the_metrics_count_a_lecture_once_when_zoom_announces_it_three_times(
        self, stack: Stack
    ) -> None:
        lecture = recording_of(stack.driver, demo.LECTURE)
        wanted = {
            Metric.MEETING_STARTED: 1,
            Metric.MEETING_ENDED: 1,
            Metric.RECORDING_COMPLETED: 1,
            Metric.RECORDING_DURATION: lecture.duration,
            Metric.BYTES_TRANSFERRED: bytes_of(lecture),
            Metric.WORKFLOW_INITIATED: 1,
        }
        assert_metrics(stack, lecture, wanted)
        found = set(emitted(stack.driver, lecture.uuid))
        assert {Metric.TRANSFER_RATE, Metric.MINUTES_IN_PIPELINE} <= found

    def test_the_metrics_of_a_plus_zoom_request_count_no_webhook_event(self, stack: Stack) -> None:
        guest = recording_of(stack.driver, demo.REQUESTED)
        wanted = {
            Metric.RECORDING_DURATION: guest.duration,
            Metric.BYTES_TRANSFERRED: bytes_of(guest),
            Metric.WORKFLOW_INITIATED: 1,
        }
        assert_metrics(stack, guest, wanted)

    def test_the_metrics_count_a_recording_without_a_scheduled_class_as_ignored(
        self, stack: Stack
    ) -> None:
        private = recording_of(stack.driver, demo.UNCLAIMED)
        assert_metrics(stack, private, {Metric.RECORDING_COMPLETED: 1, Metric.RECORDING_IGNORED: 1})

    def test_a_forged_webhook_event_is_counted_as_unauthorized(self, stack: Stack) -> None:
        forged = Metric.WEBHOOK_UNAUTHORIZED
        stack.wait(lambda: emitted(stack.driver).get(forged, 0) >= FORGED, "The demo's refusals")
        before = emitted(stack.driver)[forged]
        recording = stack.lecture()
        stack.driver.send("recording.completed", recording.uuid, forge="unsigned")
        assert_becomes(stack, lambda: emitted(stack.driver)[forged], before + 1)


def test_a_recording_that_is_too_short_is_counted_as_skipped(stack: Stack) -> None:
    short = stack.lecture(seconds=10)
    stack.send_completed(short)
    stack.await_state(short, "IGNORED")
    wanted = {
        Metric.RECORDING_COMPLETED: 1,
        Metric.RECORDING_IGNORED: 1,
        Metric.SKIPPED_FOR_DURATION: 1,
    }
    assert_metrics(stack, short, wanted)


def test_a_failed_upload_is_counted_and_starts_no_workflow(stack: Stack) -> None:
    recording = stack.lecture(scheduled=False)
    stack.request_ingest(recording, "nowhere")
    stack.await_state(recording, "UPLOADER_FAILED", "Invalid Opencast series id.")
    stack.take_from_dlq("upload-dlq.fifo", recording.uuid)
    failed = Metric.RECORDING_FAILED
    assert_becomes(stack, lambda: metrics_of(stack.driver, recording).get(failed), 1)
    assert Metric.WORKFLOW_INITIATED not in metrics_of(stack.driver, recording)


def test_a_webhook_event_with_a_wrong_body_is_counted_as_rejected(stack: Stack) -> None:
    before = emitted(stack.driver).get(Metric.WEBHOOK_REJECTED, 0)
    answer = stack.driver.send("recording.completed", body={"event": "recording.completed"})
    assert answer.status == 400
    rejected = Metric.WEBHOOK_REJECTED
    assert_becomes(stack, lambda: emitted(stack.driver).get(rejected), before + 1)
