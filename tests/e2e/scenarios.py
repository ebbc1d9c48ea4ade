"""What recordings go through, each as a function that ends well or raises.

The tests run each of them; the grants' test runs them again with one grant taken away and expects
them to fail. Every recording is a new one, so that they don't get into each other's way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ingester.opencast.mediapackage import media_package_id
from tests.e2e.copies import (
    broken_connection,
    changed_source,
    handed_over,
    mended_file,
    taken_up_again,
)
from tests.e2e.mails import mailed
from tests.e2e.scene import SERIES, Scene
from tests.e2e.slack import zip_command, zip_when_slack_is_slow
from tests.e2e.spreadsheet import sheet_updated

PRESENTER = "multipart/chunked+source"
PRESENTATION = "presentation/chunked+source"
CHAT = "chat/chunked+source"


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
    """Zoom refuses the file, with a fresh token too: a person has to look."""
    recording = scene.lecture()
    (file,) = recording.wanted()
    scene.driver.trouble_zoom(kind="status", status=403, where="download", file_id=file.id, times=2)
    scene.completed(recording)
    scene.until(recording, "DOWNLOADER_FAILED", "permanent failure")
    message = scene.dead_letter("download-dlq", recording.uuid)
    assert "403" in message["MessageAttributes"]["FailedReason"]["StringValue"]


def broken_file(scene: Scene) -> None:
    """A file that is no whole MP4: not ingested, tried again later."""
    recording = scene.lecture(broken={"active_speaker": "truncated"})
    scene.completed(recording)
    scene.until(recording, "DOWNLOADER_FAILED", "next try at")
    assert scene.driver.ingests_of(recording) == []


def opencast_busy(scene: Scene) -> None:
    """Opencast answers 503: tried again later."""
    recording = scene.lecture()
    # Other recordings may be on their way still: only this one's event can't be asked for.
    path = f"/api/events/{media_package_id(recording.uuid)}"
    scene.driver.trouble_opencast(kind="status", status=503, path=path)
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


def backlogs(scene: Scene) -> None:
    """`GET /status?queues=true` counts what the four queues hold."""
    counts = scene.driver.backlogs()
    assert set(counts) == {"downloads", "downloads_dead", "uploads", "uploads_dead"}
    before = counts["downloads_dead"]["waiting"]
    queue = scene.driver.queue_url("download-dlq")
    sqs = scene.driver.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody='{"uuid": "counted"}')
    assert scene.driver.backlogs()["downloads_dead"]["waiting"] > before
    scene.dead_letter("download-dlq", "counted")


def reconciled(scene: Scene) -> None:
    """A recording whose webhook never came is found in Zoom's lists, and ingested once."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=90)
    later = replace(scene, start=start)
    recording = later.lecture()
    scene.driver.begin_reconcile(start)
    assert recording.uuid in handed_in(scene.driver.reconcile())
    later.until(recording, "SENT_TO_OPENCAST")
    scene.ingested_whole(recording)
    found = scene.state(recording)
    assert found
    assert found.origin == "webhook_notification"


def handed_in(report: dict[str, Any]) -> list[str]:
    """The uuids of the recordings that a run of reconcile handed in."""
    return [one["uuid"] for one in report["recordings"] if one["outcome"] == "handed in"]


SCENARIOS: dict[str, Callable[[Scene], None]] = {
    scenario.__name__: scenario
    for scenario in (
        scheduled_lecture,
        on_demand,
        unclaimed,
        trashed_while_processing,
        gone_from_zoom,
        broken_file,
        mended_file,
        broken_connection,
        changed_source,
        taken_up_again,
        handed_over,
        opencast_busy,
        unknown_series,
        recent,
        zip_command,
        zip_when_slack_is_slow,
        mailed,
        sheet_updated,
        backlogs,
        reconciled,
    )
}
