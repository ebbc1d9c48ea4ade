"""A recording that failed, as an operator finds it, mends it and follows it to its end."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid as uuids
from typing import Any

from ops.target import ROOT
from tests.e2e.operator import Operator
from tests.e2e.scene import Scene


def mine(operator: Operator, view: str, uuid: str) -> list[dict[str, Any]]:
    """A recording's messages, as a view tells programs."""
    seen = json.loads(operator.did(f"queue.{view}", "--limit", "100", "--json"))
    return [message for message in seen["messages"] if message["uuid"] == uuid]


def test_an_upload_into_an_unknown_series(scene: Scene, operator: Operator) -> None:
    unknown = f"series-{scene.start:%H%M%S}-{id(scene)}"
    recording = scene.lecture(scheduled=False)
    uuid = recording.uuid
    answer = scene.driver.ask_for_ingest(uuid=uuid, oc_series_id=unknown)
    assert answer.status == 200, answer
    scene.until(recording, "UPLOADER_FAILED", "Invalid Opencast series id.")

    known = json.loads(operator.did("recordings", "--uuid", uuid, "--failed", "--json"))
    assert [one["state"] for one in known] == ["UPLOADER_FAILED"]
    assert f"`invoke queue.retry-uploads --uuid {uuid}`" in known[0]["next_step"]
    listed = operator.did("recordings", "--meeting", f"{recording.meeting_id}")
    assert "+Zoom" in listed
    assert f"{recording.meeting_id} {uuid} (+Zoom): Another series: " in listed

    (letter,) = mine(operator, "uploads", uuid)
    assert letter["queue"].endswith("-upload-dlq.fifo")
    assert letter["failed_reason"] == "Invalid Opencast series id."

    scene.driver.add_series(unknown, "Known after all")
    moved = operator.did("queue.retry-uploads", "--uuid", uuid)
    assert uuid in moved
    assert "Invalid Opencast series id." in moved
    scene.until(recording, "SENT_TO_OPENCAST")
    assert [ingest.series for ingest in scene.driver.ingests_of(recording)] == [unknown]
    error = operator("queue.retry-uploads", "--uuid", uuid).error
    assert error.startswith(f"Nothing of {uuid} waits in ")

    story = operator.did("logs.recording", uuid, "--since", "1h", "--json")
    records = [json.loads(line) for line in story.splitlines()]
    functions = list(dict.fromkeys(record["function"] for record in records))
    # It has its answer from the webhook while the downloader may be at work already.
    functions.remove("zoom-on-demand")
    assert functions[-3:] == ["zoom-webhook", "zoom-downloader", "zoom-uploader"]
    said = [record.get("message") for record in records]
    assert said.index("Gave up: Invalid Opencast series id.") < said.index("Sent to Opencast")


def test_a_download_of_what_zoom_does_not_give(scene: Scene, operator: Operator) -> None:
    recording = scene.lecture()
    (file,) = recording.wanted()
    scene.driver.trouble_zoom(kind="status", status=403, where="download", file_id=file.id, times=2)
    scene.completed(recording)
    scene.until(recording, "DOWNLOADER_FAILED", "permanent failure")
    shown = operator.did("queue.downloads", "--limit", "100")
    assert [line for line in shown.splitlines() if recording.uuid in line and "403" in line]
    moved = operator.did("queue.retry-downloads", "--uuid", recording.uuid)
    assert recording.topic.split("é")[0] in moved
    scene.until(recording, "SENT_TO_OPENCAST")
    scene.ingested_whole(recording)
    assert mine(operator, "downloads", recording.uuid) == []

    def told() -> str:
        said = operator.did("logs.recording", recording.uuid)
        return said if "INFO     Sent to Opencast" in said else ""

    # A record may come after what it tells of.
    story = scene.wait(told, "the end of the story")
    for earlier, later in (
        ("webhook      INFO     Received recording.completed", "downloader   INFO     Going to"),
        ("downloader   ERROR    Permanent failure", "downloader   INFO     Sent to the uploader"),
        ("downloader   INFO     Sent to the uploader", "uploader     INFO     Sent to Opencast"),
    ):
        assert story.index(earlier) < story.index(later), story


def test_a_reader_that_has_enough(scene: Scene, operator: Operator) -> None:
    scene.driver.recent(1)
    command = [sys.executable, "-m", "invoke", "logs.status-query", "--since", "1d"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=operator.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdout
        assert program.stderr
        assert program.stdout.readline().endswith(b" (UTC)\n")
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 0


def test_what_makes_no_sense(operator: Operator) -> None:
    assert "can't be a recording's uuid" in operator("logs.recording", " ").error
    nobody = f"{uuids.uuid4().hex}=="
    assert operator("logs.recording", nobody).error.startswith(f"No log records of {nobody}")
