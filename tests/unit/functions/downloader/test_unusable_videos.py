"""Recordings with unusable videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from ingester.errors import UnusableVideo
from ingester.ledger.record import End
from ingester.transfer import mp4
from local.neighbours.zoom_recordings import Recording
from tests.function_harness import received
from tests.unit.functions.downloader.harness import Harness

JUST_NOW = "2026-10-14T17:31:00Z"


def process(harness: Harness, recording: Recording, is_unusable: Callable[[str], bool]) -> bool:
    """Process a message of the last hour, and return whether the message needs no retry.

    `is_unusable` gets the name of a video and returns whether the video is unusable.
    """

    def inspect(name: str, read_range: Callable[[int, int], bytes], size: int) -> mp4.Movie:
        if is_unusable(name):
            raise UnusableVideo.of(name, "it is hostile")
        return mp4.inspect(name, read_range, size)

    message = harness.message(recording, received_time=JUST_NOW)
    taken = received(harness.aws, harness.aws.download_queue, message)
    return harness.process(taken, dataclasses.replace(harness.deps(), inspect=inspect))


def test_other_files_go_to_the_uploader_in_the_first_attempt_when_a_video_is_unusable(
    harness: Harness, lecture: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    assert process(harness, lecture, lambda name: "shared_screen" in name and "segment 0" in name)
    state, reason = harness.outcome
    assert state == "SENT_TO_UPLOADER"
    assert "is refused: it is hostile. If it plays in Zoom, add it in Opencast." in reason
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == reason
    (sent,) = harness.uploads()
    segments = sent["body"]["s3_files"]["shared_screen"]["segments"]
    assert [segment["segment_num"] for segment in segments] == [1]


def test_message_goes_to_the_dlq_in_the_first_attempt_when_no_video_is_usable(
    harness: Harness, lecture: Recording
) -> None:
    assert process(harness, lecture, lambda _key: True)
    (dead,) = harness.dead()
    assert "it is hostile" in dead["reason"]
    assert harness.outcome[0] == "DOWNLOADER_FAILED"
    assert harness.outcome[1].startswith("permanent failure: ")
    assert harness.uploads() == []
    assert [request.end for request in harness.record(lecture).requests.values()] == [End.FAILED]
