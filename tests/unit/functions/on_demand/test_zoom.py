"""What Zoom knows, and when it fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import RecordingFile
from tests.unit.functions.on_demand.harness import CLOSED, Stage
from tests.unit.zoom_account import (
    UUID,
    asked,
    file,
    recording,
)


def test_zoom_is_asked_for_files_and_token(stage: Stage) -> None:
    stage.ask()
    (request,) = (one for one in stage.zoom.requests if "/meetings/" in one.path)
    twice = quote(quote(UUID, safe=""), safe="")
    assert request.path == f"/v2/meetings/{twice}/recordings"
    assert request.query == {"include_fields": "download_access_token", "ttl": "3600"}


def test_request_is_404_when_zoom_knows_no_such_recording(stage: Stage) -> None:
    status, message = stage.ask({"uuid": "unknown=="})
    assert (status, "unknown==" in message) == (404, True)
    assert not stage.aws.rows()
    assert not stage.hook.requests


@pytest.mark.parametrize(
    "files",
    [
        (),
        (file("file-1"), replace(file("late"), processing_asks=2)),
    ],
)
def test_request_is_503_when_zoom_has_not_finished_the_files(
    files: tuple[RecordingFile, ...], stage: Stage
) -> None:
    uuid = f"early{len(files)}=="
    stage.zoom.add(replace(recording(uuid=uuid), files=files))
    assert stage.ask({"uuid": uuid})[0] == 503
    assert not stage.aws.rows()
    assert not stage.hook.requests


@pytest.mark.parametrize(
    "files",
    [
        (file("audio", "M4A", "audio_only"),),
        (file("audio", "M4A", "audio_only"), file("chat-1", "CHAT", "chat_file")),
    ],
)
def test_request_is_400_when_the_recording_has_no_video(
    files: tuple[RecordingFile, ...], stage: Stage
) -> None:
    """Asked for again it has none either: no 5xx, and nothing that needs anybody."""
    uuid = f"audio{len(files)}=="
    stage.zoom.add(replace(recording(uuid=uuid), files=files))
    said = "This recording has no video (MP4): there is nothing to ingest."
    assert stage.ask({"uuid": uuid}) == (400, said)
    assert not stage.aws.rows()
    assert not stage.hook.requests


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
def test_request_is_500_when_zoom_fails(fault: Fault, stage: Stage) -> None:
    stage.zoom.fail(fault)
    status, message = stage.ask()
    assert (status, "Zoom" in message) == (500, True)
    assert not stage.aws.rows()
    assert not stage.hook.requests
    assert sum(stage.watch.slept) < 11


def test_request_is_500_when_zoom_cant_be_reached(stage: Stage) -> None:
    stage.set_up(zoom_api_base_url=CLOSED, zoom_oauth_url=f"{CLOSED}/oauth/token")
    assert stage.ask()[0] == 500
    assert len(stage.watch.slept) == 3


def test_request_is_accepted_when_zooms_failure_passes(stage: Stage) -> None:
    stage.zoom.fail(Fault("status", "api", times=2, status=502))
    assert stage.ask()[0] == 200
    assert len(stage.watch.slept) == 2


@pytest.mark.parametrize("form", ["seconds", "iso"])
def test_request_waits_as_long_as_zoom_asks(form: Any, stage: Stage) -> None:
    stage.zoom.fail(Fault("status", "api", status=429, retry_after=4, retry_after_form=form))
    assert stage.ask()[0] == 200
    assert stage.watch.slept == [4.0]


def test_request_is_500_at_once_when_zoom_asks_to_wait_too_long(stage: Stage) -> None:
    stage.zoom.fail(Fault("status", "api", times=9, status=429, retry_after=60))
    assert stage.ask()[0] == 500
    assert stage.watch.slept == []
    assert asked(stage.zoom, "/meetings/") == 1


def test_request_ends_in_time_when_zoom_is_slow(stage: Stage) -> None:
    """After a try that took long, little of the budget is left for the next: 0.2 s."""
    stage.watch.longer = 10.3
    stage.zoom.fail(Fault("status", "api", status=502))
    stage.zoom.fail(Fault("slow", "api", times=9, seconds=3))
    stage.zoom.fail(Fault("status", "api", status=502))
    assert stage.ask()[0] == 500
    ends = [begin + seconds for begin, seconds in stage.session.timeouts]
    assert 3 <= len(ends) <= 4
    assert max(ends) <= 1011.001
    assert not stage.hook.requests
