"""What recordings go through, each as a function that ends well or raises.

The tests run each of them; the grants' test runs them again with one grant taken away and expects
them to fail. Every recording is a new one, so that they don't get into each other's way.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ingester.rules.schedule import DAYS
from local.driver import Driver, DriverError, Ingest, ZoomRecording, wait_for

SERIES = "20260112345"
PRESENTER = "multipart/chunked+source"
PRESENTATION = "presentation/chunked+source"
CHAT = "chat/chunked+source"
SECONDS = 25.0
FAILED = ("WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED")

# Never twice the same, also on a stack that stays up between runs.
_meetings = itertools.count(10**10 + uuid.uuid4().int % 10**8 * 100)


@dataclass
class Scene:
    """A stack, and how long (seconds) to wait for what is to happen."""

    driver: Driver
    seconds: float = SECONDS
    start: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
    )

    def lecture(self, *, scheduled: bool = True, **options: Any) -> ZoomRecording:
        """A new recording in Zoom, and in the schedule."""
        meeting = next(_meetings)
        if scheduled:
            local = self.start.astimezone(ZoneInfo("US/Eastern"))
            event = {
                "day": DAYS[local.weekday()],
                "time": f"{local:%H:%M}",
                "title": "Lecture",
                "opencast_series_id": SERIES,
                "course_code": "HIST E-1010",
            }
            row = {"zoom_series_id": str(meeting), "events": [event]}
            self.driver.table("schedule").put_item(Item=row)
        small = {"segments": 1, "views": ("active_speaker",), "chat": False, "extras": False}
        return self.driver.add_lecture(
            **{
                "meeting_id": meeting,
                "start_time": self.start,
                "seed": uuid.uuid4().hex,
                **small,
                **options,
            }
        )

    def completed(self, recording: ZoomRecording) -> None:
        answer = self.driver.send("recording.completed", recording.uuid)
        assert answer.status == 200, answer

    def until(self, recording: ZoomRecording, state: str, reason: str = "") -> Ingest:
        """Waits until the recording is in `state` with `reason` in its reason; a failure that
        was not waited for ends the waiting."""

        def look() -> Ingest | None:
            found = self.driver.ingest_status(recording)
            if found and found.status == state and reason in found.reason:
                return found
            if found and found.status in FAILED and found.status != state:
                raise DriverError(f"{found.status}: {found.reason}")
            return None

        return wait_for(look, f"{state} {reason}", self.seconds)

    def dead_letter(self, queue: str, needle: str) -> dict[str, Any]:
        """Waits for a message that holds `needle` on a dead-letter queue, and takes it off."""
        sqs, url = self.driver.client("sqs"), self.driver.queue_url(queue)

        def look() -> dict[str, Any] | None:
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            found = None
            for message in answer.get("Messages", ()):
                if needle in message["Body"]:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    found = message
            return found

        return wait_for(look, f"a message about {needle} on {queue}", self.seconds)


def scheduled_lecture(scene: Scene) -> None:
    """Two segments, two views, chat, with a pause: matched, copied whole, ingested once."""
    recording = scene.lecture(
        segments=2, views=("active_speaker", "shared_screen"), chat=True, extras=True
    )
    for event, second in (("started", 0), ("paused", 30), ("resumed", 60), ("stopped", 130)):
        moment = int((scene.start + timedelta(seconds=second)).timestamp() * 1000)
        answer = scene.driver.send(f"recording.{event}", recording.uuid, event_ts=moment)
        assert answer.status == 204, answer
    scene.completed(recording)
    scene.completed(recording)
    scene.until(recording, "SENT_TO_OPENCAST")
    scene.completed(recording)
    (ingest,) = scene.driver.ingests_of(recording)
    order = ((PRESENTER, "active_speaker"), (PRESENTATION, "shared_screen"), (CHAT, "chat_file"))
    assert [(file.flavor, file.sha256) for file in ingest.files] == [
        (flavor, file.sha256)
        for flavor, view in order
        for file in recording.wanted()
        if file.recording_type == view
    ]
    assert ingest.series == SERIES
    assert ingest.values("zoomRecordingTimes") == [
        ",".join(
            "_".join(
                (scene.start + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")
                for second in span
            )
            for span in ((0, 30), (60, 130), (190, 320))
        )
    ]


def on_demand(scene: Scene) -> None:
    """A "+Zoom" request with a series of its own."""
    recording = scene.lecture(scheduled=False)
    answer = scene.driver.ask_for_ingest(uuid=recording.uuid, oc_series_id=SERIES)
    assert (answer.status, json.loads(answer.body)) == (200, {"message": "Ingest accepted"})
    found = scene.until(recording, "SENT_TO_OPENCAST")
    assert found.origin == "on_demand"
    (ingest,) = scene.driver.ingests_of(recording)
    assert ingest.series == SERIES


def unclaimed(scene: Scene) -> None:
    """A recording that no course claims."""
    recording = scene.lecture(scheduled=False)
    scene.completed(recording)
    scene.until(recording, "IGNORED", "No opencast series match")
    assert scene.driver.ingests_of(recording) == []


def trashed_while_processing(scene: Scene) -> None:
    """Zoom's event comes before its files are done; then the recording is thrown away."""
    recording = scene.lecture(processing_asks=1000)
    scene.completed(recording)
    scene.until(recording, "SENT_TO_DOWNLOADER", "asks again at")
    assert scene.driver.send("recording.trashed", recording.uuid).status == 204
    scene.until(recording, "SENT_TO_DOWNLOADER", "moved to the trash in Zoom")


def gone_from_zoom(scene: Scene) -> None:
    """Zoom answers with a page instead of the file: a person has to look."""
    recording = scene.lecture()
    (file,) = recording.wanted()
    scene.driver.trouble_zoom(kind="html", where="download", file_id=file.id)
    scene.completed(recording)
    scene.until(recording, "DOWNLOADER_FAILED", "permanent failure")
    message = scene.dead_letter("download-dlq", recording.uuid)
    assert "MP4" in message["MessageAttributes"]["FailedReason"]["StringValue"]


def broken_file(scene: Scene) -> None:
    """A file that is no whole MP4: not ingested, tried again later."""
    recording = scene.lecture(broken={"active_speaker": "truncated"})
    scene.completed(recording)
    scene.until(recording, "DOWNLOADER_FAILED", "next try at")
    assert scene.driver.ingests_of(recording) == []


def broken_connection(scene: Scene) -> None:
    """The connection breaks in mid-file: begun anew, and nothing left lying about in S3."""
    recording = scene.lecture()
    (file,) = recording.wanted()
    scene.driver.trouble_zoom(kind="reset", where="cdn", file_id=file.id, after_bytes=5000)
    scene.completed(recording)
    scene.until(recording, "SENT_TO_OPENCAST")
    bucket = f"{scene.driver.state.stack_name}-zoom-recording-files"
    uploads = scene.driver.client("s3").list_multipart_uploads(Bucket=bucket)
    assert not [
        one for one in uploads.get("Uploads", ()) if str(recording.meeting_id) in one["Key"]
    ]


def opencast_busy(scene: Scene) -> None:
    """Opencast answers 503: tried again later."""
    recording = scene.lecture()
    scene.driver.trouble_opencast(kind="status", status=503, path="/api/events")
    scene.completed(recording)
    scene.until(recording, "UPLOADER_FAILED", "next try at")


def unknown_series(scene: Scene) -> None:
    """A series that Opencast doesn't know: a person has to look."""
    recording = scene.lecture(scheduled=False)
    answer = scene.driver.ask_for_ingest(uuid=recording.uuid, oc_series_id="nowhere")
    assert answer.status == 200, answer
    scene.until(recording, "UPLOADER_FAILED", "Invalid Opencast series id.")
    message = scene.dead_letter("upload-dlq.fifo", recording.uuid)
    reason = message["MessageAttributes"]["FailedReason"]["StringValue"]
    assert reason == "Invalid Opencast series id."


def recent(scene: Scene) -> None:
    """`GET /status?seconds=` lists what was updated."""
    recording = scene.lecture()
    assert scene.driver.send("recording.started", recording.uuid).status == 204
    found = scene.driver.recent(60)
    assert recording.uuid in found, found


SCENARIOS: dict[str, Callable[[Scene], None]] = {
    scenario.__name__: scenario
    for scenario in (
        scheduled_lecture,
        on_demand,
        unclaimed,
        trashed_while_processing,
        gone_from_zoom,
        broken_file,
        broken_connection,
        opencast_busy,
        unknown_series,
        recent,
    )
}
