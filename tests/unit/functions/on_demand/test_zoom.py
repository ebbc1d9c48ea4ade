"""Answers of the on-demand function when Zoom fails or can't provide the recording."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import RecordingFile
from tests.unit.functions.on_demand.harness import Harness
from tests.unit.zoom_account import (
    file,
    recording,
)


def test_on_demand_request_gets_404_when_zoom_does_not_know_the_recording(harness: Harness) -> None:
    status, message = harness.ask({"uuid": "unknown=="})
    assert (status, "unknown==" in message) == (404, True)
    assert not harness.aws.rows()
    assert not harness.hook.requests


@pytest.mark.parametrize(
    "files",
    [
        (),
        (file("file-1"), replace(file("late"), processing_asks=2)),
    ],
)
def test_on_demand_request_gets_503_when_zoom_has_not_finished_the_files(
    files: tuple[RecordingFile, ...], harness: Harness
) -> None:
    uuid = f"early{len(files)}=="
    harness.zoom.add(replace(recording(uuid=uuid), files=files))
    assert harness.ask({"uuid": uuid})[0] == 503
    assert not harness.aws.rows()
    assert not harness.hook.requests


@pytest.mark.parametrize(
    "files",
    [
        (file("audio", "M4A", "audio_only"),),
        (file("audio", "M4A", "audio_only"), file("chat-1", "CHAT", "chat_file")),
    ],
)
def test_on_demand_request_gets_400_when_the_recording_has_no_video(
    files: tuple[RecordingFile, ...], harness: Harness
) -> None:
    # A retry can't help, so the answer is no 5xx.
    uuid = f"audio{len(files)}=="
    harness.zoom.add(replace(recording(uuid=uuid), files=files))
    said = "This recording has no video (MP4): there is nothing to ingest."
    assert harness.ask({"uuid": uuid}) == (400, said)
    assert not harness.aws.rows()
    assert not harness.hook.requests


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", "api", times=9, status=500),
        Fault("status", "api", times=9, status=429),
        Fault("status", "api", times=9, status=403),
        Fault("status", "token", times=9, status=503),
        Fault("html", "api", times=9),
        Fault("early_close", "api", times=9, after_bytes=5),
    ],
)
def test_on_demand_request_gets_500_when_zoom_refuses_or_fails(
    fault: Fault, harness: Harness
) -> None:
    harness.zoom.fail(fault)
    status, message = harness.ask()
    assert (status, "Zoom" in message) == (500, True)
    assert not harness.aws.rows()
    assert not harness.hook.requests
    assert sum(harness.watch.slept) < 11


def test_on_demand_request_ends_before_its_deadline_when_zoom_is_slow(harness: Harness) -> None:
    # The first backoff takes so long that less than a second remains for the next attempt.
    harness.watch.longer = 10.3
    harness.zoom.fail(Fault("status", "api", status=502))
    harness.zoom.fail(Fault("slow", "api", times=9, seconds=3))
    harness.zoom.fail(Fault("status", "api", status=502))
    assert harness.ask()[0] == 500
    ends = [begin + seconds for begin, seconds in harness.session.timeouts]
    assert 3 <= len(ends) <= 4
    assert max(ends) <= 1011.001
    assert not harness.hook.requests
