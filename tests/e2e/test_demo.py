"""The demo holds what it shows, and the logs have the metrics of what happened."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from ingester.metrics import Metric
from local import demo
from local.driver import Driver, DriverError, ZoomRecording
from tests.e2e.emitted import emitted
from tests.e2e.scene import Scene

FORGED = 3
"""The forged webhooks of the demo."""


@pytest.fixture(scope="module")
def said(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demo printed, once it was through."""
    console = Console(file=io.StringIO(), width=100)
    folder = tmp_path_factory.mktemp("demo")
    held = demo.run(scene.driver, folder, ZoneInfo("US/Eastern"), console)
    printed = str(console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO, as above
    assert held, printed
    return printed


def test_the_demo(said: str) -> None:
    assert said.count("✓") >= 8


def recording_of(driver: Driver, meeting: int) -> ZoomRecording:
    """The one recording of a meeting of the demo's."""
    (uuid,) = driver.status(meeting)
    return driver.recording(uuid)


def about(driver: Driver, recording: ZoomRecording) -> dict[Metric, float]:
    """What was counted of a recording. How fast and how long is only known roughly."""
    found = emitted(driver, recording.uuid)
    assert 0 <= found.pop(Metric.TRANSFER_RATE, 0.0) < 10_000
    assert 0 <= found.pop(Metric.MINUTES_IN_PIPELINE, 0.0) < 5
    return found


def settles(scene: Scene, ask: Callable[[], object], wanted: object) -> None:
    """Holds what is asked of the logs to `wanted`; records may come after what they tell of."""
    with contextlib.suppress(DriverError):
        scene.wait(lambda: ask() == wanted, "the logs")
    assert ask() == wanted


def copied(recording: ZoomRecording) -> int:
    return sum(file.size for file in recording.wanted())


@pytest.mark.usefixtures("said")
class TestTheDemosMetrics:
    def test_of_a_lecture_that_zoom_told_of_three_times(self, scene: Scene) -> None:
        lecture = recording_of(scene.driver, demo.LECTURE)
        settles(
            scene,
            lambda: about(scene.driver, lecture),
            {
                Metric.MEETING_STARTED: 1,
                Metric.MEETING_ENDED: 1,
                Metric.RECORDING_COMPLETED: 1,
                Metric.RECORDING_DURATION: lecture.duration,
                Metric.BYTES_TRANSFERRED: copied(lecture),
                Metric.WORKFLOW_INITIATED: 1,
            },
        )
        found = set(emitted(scene.driver, lecture.uuid))
        assert {Metric.TRANSFER_RATE, Metric.MINUTES_IN_PIPELINE} <= found

    def test_of_a_request(self, scene: Scene) -> None:
        guest = recording_of(scene.driver, demo.REQUESTED)
        settles(
            scene,
            lambda: about(scene.driver, guest),
            {
                Metric.RECORDING_DURATION: guest.duration,
                Metric.BYTES_TRANSFERRED: copied(guest),
                Metric.WORKFLOW_INITIATED: 1,
            },
        )

    def test_of_a_recording_that_no_course_claims(self, scene: Scene) -> None:
        private = recording_of(scene.driver, demo.UNCLAIMED)
        settles(
            scene,
            lambda: about(scene.driver, private),
            {
                Metric.RECORDING_COMPLETED: 1,
                Metric.RECORDING_IGNORED: 1,
            },
        )

    def test_of_forged_webhooks(self, scene: Scene) -> None:
        forged = Metric.WEBHOOK_UNAUTHORIZED
        scene.wait(lambda: emitted(scene.driver).get(forged, 0) >= FORGED, "the demo's refusals")
        before = emitted(scene.driver)[forged]
        stranger = scene.lecture()
        scene.driver.send("recording.completed", stranger.uuid, forge="unsigned")
        settles(scene, lambda: emitted(scene.driver)[forged], before + 1)


def test_the_metric_of_a_recording_that_is_too_short(scene: Scene) -> None:
    short = scene.lecture(seconds=10)
    scene.completed(short)
    scene.until(short, "IGNORED")
    settles(
        scene,
        lambda: about(scene.driver, short),
        {
            Metric.RECORDING_COMPLETED: 1,
            Metric.RECORDING_IGNORED: 1,
            Metric.SKIPPED_FOR_DURATION: 1,
        },
    )


def test_the_metric_of_a_failure(scene: Scene) -> None:
    recording = scene.lecture(scheduled=False)
    scene.driver.ask_for_ingest(uuid=recording.uuid, oc_series_id="nowhere")
    scene.until(recording, "UPLOADER_FAILED", "Invalid Opencast series id.")
    scene.dead_letter("upload-dlq.fifo", recording.uuid)
    settles(scene, lambda: about(scene.driver, recording).get(Metric.RECORDING_FAILED), 1)
    found = about(scene.driver, recording)
    assert Metric.WORKFLOW_INITIATED not in found


def test_the_metric_of_a_refusal(scene: Scene) -> None:
    before = emitted(scene.driver).get(Metric.WEBHOOK_REJECTED, 0)
    answer = scene.driver.send("recording.completed", body={"event": "recording.completed"})
    assert answer.status == 400
    settles(scene, lambda: emitted(scene.driver).get(Metric.WEBHOOK_REJECTED), before + 1)
