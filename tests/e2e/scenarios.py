"""Scenarios: functions that drive a stack and raise if something goes wrong.

`test_pipeline.py` runs all scenarios. `test_grants.py` runs scenarios with one grant removed and
expects failures. Scenarios share no recordings, so that they can share a stack.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ingester.opencast.mediapackage import media_package_id
from tests.e2e.copies import (
    broken_connection,
    changed_source,
    continued_copy,
    mended_file,
    resumed_copy,
)
from tests.e2e.mails import mailed_failure
from tests.e2e.slack import zip_command, zip_command_when_slack_is_slow
from tests.e2e.spreadsheet import sheet_updated
from tests.e2e.stack import SERIES, Stack
from tests.e2e.webhook_answers import lost_webhook_answer, webhook_refusal

PRESENTER = "multipart/chunked+source"
PRESENTATION = "presentation/chunked+source"
CHAT = "chat/chunked+source"


def scheduled_lecture(stack: Stack) -> None:
    """Check that a lecture with segments, views, chat and a pause is ingested once and whole."""
    recording = stack.lecture(
        segments=2, views=("active_speaker", "shared_screen"), chat=True, extras=True
    )
    for event, second in (("started", 0), ("paused", 30), ("resumed", 60), ("stopped", 130)):
        moment = int((stack.start + timedelta(seconds=second)).timestamp() * 1000)
        answer = stack.driver.send(f"recording.{event}", recording.uuid, event_ts=moment)
        assert answer.status == 204, answer
    stack.send_completed(recording)
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    stack.send_completed(recording)
    (ingest,) = stack.driver.ingests_of(recording)
    order = ((PRESENTER, "active_speaker"), (PRESENTATION, "shared_screen"), (CHAT, "chat_file"))
    assert [(file.flavor, file.sha256) for file in ingest.files] == [
        (flavor, file.sha256)
        for flavor, view in order
        for file in recording.expected_files()
        if file.recording_type == view
    ]
    assert ingest.series == SERIES
    assert ingest.values("zoomRecordingTimes") == [
        ",".join(
            "_".join(
                f"{stack.start + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}" for second in span
            )
            for span in ((0, 30), (60, 130), (190, 320))
        )
    ]


def on_demand(stack: Stack) -> None:
    """Check that a "+Zoom" request is ingested into the series that it names."""
    recording = stack.lecture(scheduled=False)
    answer = stack.driver.request_ingest(uuid=recording.uuid, oc_series_id=SERIES)
    assert (answer.status, json.loads(answer.body)) == (200, {"message": "Ingest accepted"})
    found = stack.await_state(recording, "SENT_TO_OPENCAST")
    assert found.origin == "on_demand"
    (ingest,) = stack.driver.ingests_of(recording)
    assert ingest.series == SERIES


def no_class(stack: Stack) -> None:
    """Check that a recording without a scheduled class is ignored."""
    recording = stack.lecture(scheduled=False)
    stack.send_completed(recording)
    stack.await_state(recording, "IGNORED", "No opencast series match")
    assert stack.driver.ingests_of(recording) == []


def trashed_while_processing(stack: Stack) -> None:
    """Check that a row mentions Zoom's trash if Zoom still processes the trashed recording."""
    recording = stack.lecture(processing_asks=1000)
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_DOWNLOADER", "asks again at")
    assert stack.driver.send("recording.trashed", recording.uuid).status == 204
    stack.await_state(recording, "SENT_TO_DOWNLOADER", "moved to the trash in Zoom")


def refused_download(stack: Stack) -> None:
    """Check that a message goes to the dead-letter queue when Zoom refuses a file permanently."""
    recording = stack.lecture()
    stack.refuse_download(recording)
    stack.send_completed(recording)
    stack.await_state(recording, "DOWNLOADER_FAILED", "permanent failure")
    message = stack.take_from_dlq("download-dlq", recording.uuid)
    assert "403" in message["MessageAttributes"]["FailedReason"]["StringValue"]


def broken_file(stack: Stack) -> None:
    """Check that a broken MP4 is not ingested, and that a retry of its download is scheduled."""
    recording = stack.lecture(broken={"active_speaker": "truncated"})
    stack.send_completed(recording)
    stack.await_state(recording, "DOWNLOADER_FAILED", "next try at")
    assert stack.driver.ingests_of(recording) == []


def followed(stack: Stack) -> None:
    """Check that the follow function notes that Opencast has published a recording."""
    recording = stack.lecture()
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    # Without a uuid, the call follows every ingest that is due, as the scheduled call does.
    stack.driver.follow()

    def is_published() -> bool:
        stack.driver.follow(recording.uuid)
        found = stack.driver.ingest_details(recording)
        return found is not None and found.status == "PUBLISHED"

    stack.wait(is_published, "PUBLISHED")
    found = stack.driver.ingest_status(recording)
    assert found is not None
    assert found.status == "SENT_TO_OPENCAST"


def opencast_busy(stack: Stack) -> None:
    """Check that a retry of an upload is scheduled when Opencast answers 503."""
    recording = stack.lecture()
    # Only the request for this recording fails, because other uploads may be running.
    path = f"/api/events/{media_package_id(recording.uuid)}"
    stack.driver.inject_opencast_fault(kind="status", status=503, path=path)
    stack.send_completed(recording)
    stack.await_state(recording, "UPLOADER_FAILED", "next try at")


def unknown_series(stack: Stack) -> None:
    """Check that a message goes to the dead-letter queue when Opencast lacks the series."""
    recording = stack.lecture(scheduled=False)
    stack.request_ingest(recording, "nowhere")
    stack.await_state(recording, "UPLOADER_FAILED", "Invalid Opencast series id.")
    message = stack.take_from_dlq("upload-dlq.fifo", recording.uuid)
    reason = message["MessageAttributes"]["FailedReason"]["StringValue"]
    assert reason == "Invalid Opencast series id."


def recent(stack: Stack) -> None:
    """Check that `GET /status?seconds=` lists a recording that was just updated."""
    recording = stack.lecture()
    assert stack.driver.send("recording.started", recording.uuid).status == 204
    found = stack.driver.recent_uuids(60)
    assert recording.uuid in found, found


def recording_details(stack: Stack) -> None:
    """Check that `GET /status?details=true` has the verdict and the scheduled class's series."""
    recording = stack.lecture()
    assert stack.driver.send("recording.started", recording.uuid).status == 204
    found = stack.driver.recording_details(recording)
    assert (found["verdict"], found["scheduled"]["oc_series_id"]) == ("Being recorded.", SERIES)


def backlogs(stack: Stack) -> None:
    """Check that `GET /status?queues=true` lists the four queues, and counts a new message."""
    counts = stack.driver.backlogs()
    assert set(counts) == {"downloads", "downloads_dead", "uploads", "uploads_dead"}
    before = counts["downloads_dead"]["waiting"]
    queue = stack.driver.queue_url("download-dlq")
    sqs = stack.driver.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody='{"uuid": "counted"}')
    assert stack.driver.backlogs()["downloads_dead"]["waiting"] > before
    stack.take_from_dlq("download-dlq", "counted")


def reconciled(stack: Stack) -> None:
    """Check that a recording that only reconcile requests is ingested once."""
    recording = stack.ready_for_reconcile().lecture()
    assert recording.uuid in requested_uuids(stack.driver.reconcile())
    stack.await_state(recording, "SENT_TO_OPENCAST")
    stack.assert_ingested_once(recording)
    found = stack.state(recording)
    assert found
    assert found.origin == "webhook_notification"


def requested_uuids(report: dict[str, Any]) -> list[str]:
    """Return the uuids of the recordings that a run of reconcile requested."""
    return [found["uuid"] for found in report["recordings"] if found["outcome"] == "requested"]


SCENARIOS: dict[str, Callable[[Stack], None]] = {
    scenario.__name__: scenario
    for scenario in (
        scheduled_lecture,
        on_demand,
        no_class,
        trashed_while_processing,
        refused_download,
        broken_file,
        mended_file,
        broken_connection,
        changed_source,
        resumed_copy,
        continued_copy,
        followed,
        opencast_busy,
        unknown_series,
        recent,
        zip_command,
        zip_command_when_slack_is_slow,
        mailed_failure,
        sheet_updated,
        recording_details,
        backlogs,
        reconciled,
        webhook_refusal,
        lost_webhook_answer,
    )
}
