"""Summaries and next steps, which the downloader sends unchanged with the video, or never."""

from __future__ import annotations

import dataclasses
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingester.captions.cues import MAX_BYTES
from ingester.captions.download import VIDEO_RESERVE_SECONDS
from local import media
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording, RecordingFile
from tests.hooks import failing
from tests.unit.functions.downloader.event_source import EventSource
from tests.unit.functions.downloader.harness import Harness
from tests.unit.functions.downloader.late_captions import Late, files_of_type, later, without_type

KINDS = {"summary": "summary", "summary_next_steps": "next-steps"}
"""Kinds of summaries, by Zoom's `recording_type`."""


@pytest.fixture
def lecture(lecture: Recording, tmp_path: Path) -> Recording:
    """Return the lecture with only a view, a summary and next steps of each segment."""
    videos = [file for file in lecture.files if file.recording_type == "active_speaker"]
    files = [
        dataclasses.replace(
            video,
            file_id=f"{kind}-{number}",
            file_type="SUMMARY",
            recording_type=recording_type,
            name=f"{kind}.json",
            path=media.write_summary(tmp_path / f"{kind}-{number}.json", f"{kind} {number}"),
        )
        for number, video in enumerate(videos)
        for recording_type, kind in KINDS.items()
    ]
    return dataclasses.replace(lecture, files=(*videos, *files))


@pytest.fixture(autouse=True)
def chapters_are_on(harness: Harness, lecture: Recording) -> None:
    harness.settings |= {"ingest_chapters": True, "minimum_duration": 0}
    harness.zoom.add(lecture)


def summaries(recording: Recording) -> list[RecordingFile]:
    """Return the summaries and next steps of the recording, ordered by segment."""
    return files_of_type(recording, "SUMMARY")


def with_first(recording: Recording, **changes: Any) -> Recording:
    """Return the recording with `changes` to its first summary."""
    first = summaries(recording)[0]
    files = (
        dataclasses.replace(file, **changes) if file is first else file for file in recording.files
    )
    return dataclasses.replace(recording, files=tuple(files))


def sent(harness: Harness) -> list[dict[str, Any]]:
    """Return the summaries in the one message to the uploader."""
    (upload,) = harness.uploads()
    found: list[dict[str, Any]] = upload["body"].get("summaries", [])
    return found


def ids(harness: Harness) -> set[str]:
    return {file_id for summary in sent(harness) for file_id in summary["file_ids"]}


def staged(harness: Harness) -> list[str]:
    return [key for key in harness.objects() if any(f"-{kind}-" in key for kind in KINDS.values())]


def _reads_json(params: dict[str, Any]) -> bool:
    return str(params["Key"]).endswith(".json")


def note(harness: Harness) -> str:
    """Check that the upload message has no summaries, and return its note about summaries."""
    (upload,) = harness.uploads()
    assert "summaries" not in upload["body"]
    return str(upload["body"]["summaries_note"])


class TestStaged:
    def test_summaries_and_next_steps_of_each_segment_are_staged_unchanged(
        self, harness: Harness, lecture: Recording
    ) -> None:
        assert harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        files = sent(harness)
        found = [
            (summary["kind"], summary["file_ids"], harness.objects()[summary["filename"]])
            for summary in files
        ]
        content = {file.file_id: file.path.read_bytes() for file in summaries(lecture) if file.path}
        assert found == [
            (kind, [f"{kind}-{number}"], content[f"{kind}-{number}"])
            for number in range(2)
            for kind in ("next-steps", "summary")
        ]
        assert all(summary["filename"].endswith(".json") for summary in files)

    def test_summaries_have_keys_of_their_own_when_zoom_lists_them_without_ids(
        self, harness: Harness, lecture: Recording
    ) -> None:
        files = (
            dataclasses.replace(file, bare=True) if file.file_type == "SUMMARY" else file
            for file in lecture.files
        )
        harness.zoom.add(dataclasses.replace(lecture, files=tuple(files)))
        assert harness.take(harness.message(lecture))
        contents = {harness.objects()[summary["filename"]] for summary in sent(harness)}
        assert contents == {file.path.read_bytes() for file in summaries(lecture) if file.path}

    def test_segment_that_is_not_in_the_video_has_no_summary(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.settings["minimum_duration"] = 0.3
        assert harness.take(harness.message(lecture))
        assert ids(harness) == {"summary-1", "next-steps-1"}
        assert len(staged(harness)) == 2

    def test_no_summary_is_staged_or_named_in_the_message_when_chapters_are_off(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.settings |= {"ingest_chapters": False, "ingest_captions": True}
        assert harness.take(harness.message(lecture))
        (upload,) = harness.uploads()
        assert "summaries" not in upload["body"]
        assert not staged(harness)

    def test_upload_message_has_no_field_for_summaries_when_the_recording_has_none(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.zoom.add(without_type(lecture, "SUMMARY"))
        assert harness.take(harness.message(lecture))
        (upload,) = harness.uploads()
        assert "summaries" not in upload["body"]
        assert harness.outcome == ("SENT_TO_UPLOADER", "")


class TestLeftOut:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (media.HTML_PAGE, "it isn't JSON"),
            (b"null", "it isn't JSON"),
            (b"{" + b" " * MAX_BYTES, "it has more than 2 MB"),
        ],
    )
    def test_row_names_a_summary_that_is_too_large_or_not_json(
        self, harness: Harness, lecture: Recording, tmp_path: Path, content: bytes, reason: str
    ) -> None:
        path = tmp_path / "other.json"
        path.write_bytes(content)
        harness.zoom.add(with_first(lecture, path=path))
        assert harness.take(harness.message(lecture))
        told = f"The summary of {lecture.start_time} is left out: {reason}."
        assert harness.outcome == ("SENT_TO_UPLOADER", told)
        assert ids(harness) == {"next-steps-0", "summary-1", "next-steps-1"}

    def test_row_names_next_steps_for_which_zoom_answers_with_a_page(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.zoom.fail(Fault(kind="html", file_id="next-steps-1", times=None))
        assert harness.take(harness.message(lecture))
        state, told = harness.outcome
        start = summaries(lecture)[-1].recording_start
        assert state == "SENT_TO_UPLOADER"
        assert told.startswith(f"The next-steps file of {start} is left out: Zoom answered with an")
        assert ids(harness) == {"summary-0", "next-steps-0", "summary-1"}

    def test_summary_that_zoom_has_not_finished_is_neither_reported_nor_waited_for(
        self, harness: Harness, lecture: Recording
    ) -> None:
        message = harness.message(lecture)
        harness.zoom.add(with_first(lecture, processing_asks=999))
        assert harness.take(message)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert ids(harness) == {"next-steps-0", "summary-1", "next-steps-1"}
        # The only message that waits is about chapters, not about summaries.
        assert [body["captions"]["is_chapters"] for body in later(harness)] == [True]

    def test_row_and_message_say_that_summaries_are_unknown_when_zoom_cannot_be_asked(
        self, harness: Harness, lecture: Recording, caplog: pytest.LogCaptureFixture
    ) -> None:
        message = harness.message(lecture)
        harness.zoom.fail(Fault(kind="status", where="api", status=500, times=None))
        assert harness.take(message)
        state, told = harness.outcome
        assert state == "SENT_TO_UPLOADER"
        assert told.startswith("Zoom's summaries stay outside, if there are any: Zoom")
        assert note(harness) == told
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

    def test_message_says_that_summaries_are_unknown_when_the_invocation_has_no_time_left(
        self, harness: Harness, lecture: Recording
    ) -> None:
        source = EventSource(harness)
        source.send(harness.message(lecture))
        assert source.deliver(VIDEO_RESERVE_SECONDS - 1)
        told = "Zoom's summaries stay outside, if there are any: The invocation has no time left."
        assert note(harness) == told

    def test_recording_goes_to_the_uploader_without_summaries_when_s3_fails_to_read_them(
        self, harness: Harness, lecture: Recording
    ) -> None:
        with failing(harness.aws.s3, "s3.GetObject", "SlowDown", _reads_json):
            assert harness.take(harness.message(lecture))
        assert harness.outcome[0] == "SENT_TO_UPLOADER"
        assert note(harness).startswith("Zoom's summaries stay outside, if there are any: ")

    def test_no_summary_is_staged_or_sent_for_a_message_about_chapters(
        self, harness: Harness, lecture: Recording
    ) -> None:
        late = Late(harness, lecture)
        late.ingest()
        assert late.take(is_chapters=True, waiting=timedelta(hours=4))
        assert not harness.uploads()
        assert not staged(harness)
