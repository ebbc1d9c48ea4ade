"""Commands by which an operator finds and retries failed recordings, and reads their logs."""

from __future__ import annotations

import json
import uuid as uuids
from typing import Any

from tests.e2e.operator import Operator
from tests.e2e.stack import Stack


def messages_of(operator: Operator, queue: str, uuid: str) -> list[dict[str, Any]]:
    """Return the messages of a recording that `queue.uploads` or `queue.downloads` lists."""
    listed = json.loads(operator.output(f"queue.{queue}", "--limit", "100", "--json"))
    return [message for message in listed["messages"] if message["uuid"] == uuid]


def test_queue_commands_list_and_retry_an_upload_to_a_series_that_is_added_later(
    stack: Stack, operator: Operator
) -> None:
    unknown = f"series-{uuids.uuid4().hex}"
    recording = stack.lecture(scheduled=False)
    uuid = recording.uuid
    stack.request_ingest(recording, unknown)
    stack.await_state(recording, "UPLOADER_FAILED", "Invalid Opencast series id.")

    (failed,) = json.loads(operator.output("recordings", "--uuid", uuid, "--failed", "--json"))
    assert failed["state"] == "UPLOADER_FAILED"
    assert f"`invoke queue.retry-uploads --uuid {uuid}`" in failed["next_step"]
    listed = operator.output("recordings", "--meeting", f"{recording.meeting_id}")
    assert "+Zoom" in listed
    assert f"{recording.meeting_id} {uuid} (+Zoom): Another series: " in listed

    (message,) = messages_of(operator, "uploads", uuid)
    assert message["queue"].endswith("-upload-dlq.fifo")
    assert message["failed_reason"] == "Invalid Opencast series id."

    stack.driver.add_series(unknown, "Known after all")
    moved = operator.output("queue.retry-uploads", "--uuid", uuid)
    assert uuid in moved
    assert "Invalid Opencast series id." in moved
    stack.await_state(recording, "SENT_TO_OPENCAST")
    assert [ingest.series for ingest in stack.driver.ingests_of(recording)] == [unknown]
    error = operator.run("queue.retry-uploads", "--uuid", uuid).error
    assert error.startswith(f"Nothing of {uuid} waits in ")

    def history() -> list[dict[str, Any]]:
        lines = operator.output("logs.recording", uuid, "--since", "1h", "--json").splitlines()
        records = [json.loads(line) for line in lines]
        # The last log record may be written after the row and the ingest.
        is_complete = any(record.get("message") == "Sent to Opencast" for record in records)
        return records if is_complete else []

    records = stack.wait(history, "The log record of the end")
    functions = list(dict.fromkeys(record["function"] for record in records))
    # The last log record of zoom-on-demand may come after the downloader's first log record.
    functions.remove("zoom-on-demand")
    assert functions[-3:] == ["zoom-webhook", "zoom-downloader", "zoom-uploader"]
    messages = [record.get("message") for record in records]
    failure = messages.index("Gave up: Invalid Opencast series id.")
    assert failure < messages.index("Sent to Opencast")


def test_queue_commands_list_and_retry_a_download_that_zoom_refused(
    stack: Stack, operator: Operator
) -> None:
    recording = stack.lecture()
    stack.refuse_download(recording)
    stack.send_completed(recording)
    stack.await_state(recording, "DOWNLOADER_FAILED", "permanent failure")
    listed = operator.output("queue.downloads", "--limit", "100").splitlines()
    assert [line for line in listed if recording.uuid in line and "403" in line]
    moved = operator.output("queue.retry-downloads", "--uuid", recording.uuid)
    assert recording.topic.split("é")[0] in moved
    stack.await_state(recording, "SENT_TO_OPENCAST")
    stack.assert_ingested_once(recording)
    assert messages_of(operator, "downloads", recording.uuid) == []

    def history() -> str:
        output = operator.output("logs.recording", recording.uuid)
        # The last log record may be written after the status row and the ingest.
        return output if "INFO     Sent to Opencast" in output else ""

    output = stack.wait(history, "The log record of the end")
    for earlier, later in (
        ("webhook      INFO     Received recording.completed", "downloader   INFO     Going to"),
        ("downloader   ERROR    Permanent failure", "downloader   INFO     Sent to the uploader"),
        ("downloader   INFO     Sent to the uploader", "uploader     INFO     Sent to Opencast"),
    ):
        assert output.index(earlier) < output.index(later), output


def test_a_logs_command_ends_without_an_error_when_its_reader_stops_reading(
    stack: Stack, operator: Operator
) -> None:
    stack.driver.recent_uuids(1)
    with operator.start("logs.status-query", "--since", "1d") as running:
        assert running.await_line("").endswith(" (UTC)\n")
        running.close_stdout()
        done = running.end()
    assert (done.code, done.errors) == (0, [])


def test_the_logs_recording_command_reports_a_wrong_uuid_and_a_uuid_without_log_records(
    operator: Operator,
) -> None:
    assert "can't be a recording's uuid" in operator.run("logs.recording", " ").error
    nobody = f"{uuids.uuid4().hex}=="
    assert operator.run("logs.recording", nobody).error.startswith(f"No log records of {nobody}")
