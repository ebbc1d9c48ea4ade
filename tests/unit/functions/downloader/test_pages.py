"""Downloads that Zoom answers with a web page or a 404 instead of the file."""

from __future__ import annotations

import pytest

from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.unit.functions.downloader.harness import Harness, staged


def test_other_files_are_staged_when_zoom_answers_with_a_page_for_one_file(
    harness: Harness, lecture: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    gone = staged(lecture, view="shared_screen", segment=0)
    harness.zoom.fail(Fault(kind="html", file_id=gone.file_id, times=9))
    assert harness.take(harness.message(lecture))
    reason = (
        "Zoom answered with a page instead of 1 of the files, which stay outside: "
        "shared_screen of segment 0."
    )
    assert harness.outcome == ("SENT_TO_UPLOADER", reason)
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == reason
    assert vars(record)["goes_on"]
    assert "exec.on-demand UUID" in vars(record)["advice"]
    (sent,) = harness.uploads()
    screen = sent["body"]["s3_files"]["shared_screen"]["segments"]
    assert [file["segment_num"] for file in screen] == [1]
    assert len(harness.objects()) == 5


def test_message_goes_to_the_dlq_when_zoom_answers_with_pages_for_all_files(
    harness: Harness, lecture: Recording
) -> None:
    message = harness.message(lecture)
    harness.zoom.fail(Fault(kind="html", times=99))
    assert harness.take(message)
    (dead,) = harness.dead()
    assert "no video of this recording" in dead["reason"]
    assert harness.outcome[0] == "DOWNLOADER_FAILED"
    assert harness.outcome[1].startswith("permanent failure: ")
    assert harness.uploads() == []


@pytest.mark.parametrize("kind", ["html", "status"])
def test_recording_waits_in_the_first_hour_when_zoom_does_not_deliver_a_file(
    harness: Harness, lecture: Recording, kind: str
) -> None:
    gone = staged(lecture, view="shared_screen", segment=0)
    fault = Fault(kind="html", file_id=gone.file_id, times=9)
    if kind == "status":
        fault = Fault(kind="status", status=404, file_id=gone.file_id, times=9)
    harness.zoom.fail(fault)
    message = harness.message(lecture, received_time="2026-10-14T17:31:00Z")
    assert harness.take(message)
    state, reason = harness.outcome
    assert state == "OC_SERIES_FOUND"
    assert "asks again at 2026-10-14T18:31:00Z" in reason
    assert harness.uploads() == []
    assert harness.dead() == []
