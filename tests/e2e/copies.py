"""Scenarios of the copy of a file (see scenarios.py)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from ingester.transfer.parts import MIB, SMALLEST
from tests.e2e import deployed
from tests.e2e.stack import FAILED, Stack

SECONDS = 120.0
"""Longest wait for the copy of a large file, in seconds. A stack's other waits may be shorter."""


def mended_file(stack: Stack) -> None:
    """Check that a second request copies a file again when the first copy was no MP4."""
    recording = stack.lecture()
    (file,) = recording.expected_files()
    # Zoom has to answer the first request, which asks only for the file's size.
    stack.driver.inject_zoom_fault(kind="wrong_bytes", where="cdn", file_id=file.id, skip=1)
    stack.send_completed(recording)
    stack.await_state(recording, "DOWNLOADER_FAILED", "is not a whole MP4")
    assert stack.driver.ingests_of(recording) == []
    answer = stack.driver.request_ingest(uuid=recording.uuid)
    assert answer.status == 200, answer

    def final_states() -> list[str]:
        found = stack.driver.status(recording.meeting_id)[recording.uuid]
        states = [ingest.status for ingest in found if ingest.origin == "on_demand"]
        return [state for state in states if state in {"SENT_TO_OPENCAST", *FAILED}]

    assert stack.wait(final_states, "A final state of the request") == ["SENT_TO_OPENCAST"]
    stack.assert_ingested_once(recording)


def broken_connection(stack: Stack) -> None:
    """Check that a copy resumes where it stopped when its connection breaks or its URL expires."""
    stack = replace(stack, seconds=SECONDS)
    recording = stack.lecture(padding=40 * MIB)
    (file,) = recording.expected_files()
    for fault in (
        # A reset discards bytes that were sent but not yet read, so the reset comes early.
        {"kind": "reset", "skip": 2, "after_bytes": 100_000},
        {"kind": "early_close", "skip": 2, "times": 2, "after_bytes": SMALLEST - 1000},
        {"kind": "expired", "skip": 4},
    ):
        stack.driver.inject_zoom_fault(where="cdn", file_id=file.id, **fault)
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    stack.assert_ingested_once(recording)
    assert stack.driver.sent_bytes(file) < 1.05 * file.size


def changed_source(stack: Stack) -> None:
    """Check that a copy has only bytes of the new file when the file changes during the copy."""
    stack = replace(stack, seconds=SECONDS)
    recording = stack.lecture(padding=40 * MIB)
    (old,) = recording.expected_files()
    # The first request asks for the size. The next six requests get parts of the old file.
    stack.driver.inject_zoom_fault(kind="changed", where="cdn", file_id=old.id, skip=7)
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    (new,) = stack.driver.recording(recording.uuid).expected_files()
    assert (new.size, new.sha256 == old.sha256) == (old.size, False)
    stack.assert_ingested_once(recording)
    s3 = stack.driver.client("s3")
    bucket = stack.names.bucket
    (staged,) = s3.list_objects_v2(Bucket=bucket, Prefix=f"{recording.meeting_id}/")["Contents"]
    content = s3.get_object(Bucket=bucket, Key=staged["Key"])["Body"].read()
    assert hashlib.sha256(content).hexdigest() == new.sha256


def resumed_copy(stack: Stack) -> None:
    """Check that after a kill of the process, the next delivery copies only the missing bytes."""
    stack = replace(stack, seconds=SECONDS)
    driver = stack.driver
    recording = stack.lecture(padding=40 * MIB)
    (file,) = recording.expected_files()
    # Two of nine parts stall for longer than the message stays invisible.
    stall = {"kind": "stall", "seconds": 30.0, "after_bytes": 1000}
    driver.inject_zoom_fault(where="cdn", file_id=file.id, skip=3, times=2, **stall)

    def stored() -> bool:
        stack.state(recording)
        return len(stack.stored_parts(recording)) >= 2

    with deployed.visible_again_after(driver, "download", 6):
        stack.send_completed(recording)
        stack.wait(stored, "Two parts in S3")
        assert deployed.kill(driver, stack.downloader)
    missing = file.size - sum(stack.stored_parts(recording))
    before = driver.sent_bytes(file)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    stack.assert_ingested_once(recording)
    assert driver.sent_bytes(file) - before < missing + MIB


def continued_copy(stack: Stack) -> None:
    """Check that further invocations continue a long copy, and that the row shows progress."""
    stack = replace(stack, seconds=SECONDS)
    driver = stack.driver
    # Each pair of the six parts takes three seconds. After the first pair, the invocation has
    # too little time for another pair.
    recording = stack.lecture(padding=28 * MIB, bytes_per_second=SMALLEST // 3)
    (file,) = recording.expected_files()
    reasons: list[str] = []

    def look() -> bool:
        found = stack.state(recording)
        if found and found.reason and found.reason not in reasons:
            reasons.append(found.reason)
        return found is not None and found.status == "SENT_TO_OPENCAST"

    before = stack.message_count("download-dlq")
    with (
        # An invocation that times out on a busy machine has to be retried soon.
        deployed.visible_again_after(driver, "download", 20),
        deployed.limited(driver, stack.downloader, seconds=12, DOWNLOAD_CONNECTIONS="2"),
    ):
        stack.send_completed(recording)
        stack.wait(look, "SENT_TO_OPENCAST")
    stack.assert_ingested_once(recording)
    sentence = rf"(\d+) of {file.size / 1e6:.0f} MB are copied; the next invocation goes on\."
    copied = [
        int(match[1]) for match in (re.fullmatch(sentence, text) for text in reasons) if match
    ]
    assert len(copied) == len(reasons) >= 2, reasons
    assert copied == sorted(set(copied))
    assert driver.sent_bytes(file) < 1.05 * file.size
    assert stack.message_count("download-dlq") == before
