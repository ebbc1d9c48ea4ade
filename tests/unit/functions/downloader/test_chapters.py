"""Chapters that the downloader sends with the video, or later for an event in Opencast."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest

from ingester.ledger.record import Captions, CaptionsState
from ingester.recording.files import captions_zip_id
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording, RecordingFile
from tests.hooks import failing
from tests.unit.functions.downloader.harness import Harness
from tests.unit.functions.downloader.late_captions import (
    Late,
    files_of_type,
    later,
    text_of,
    without_type,
)

LISTED = {"itemList": [{"startTime": 0, "title": "Waves"}, {"startTime": 4, "title": "Tides"}]}


@pytest.fixture
def lecture(lecture: Recording, tmp_path: Any) -> Recording:
    """Return the lecture with only a view, a transcript and chapters of each 12-second segment."""
    kept = ("active_speaker", "audio_transcript")
    files = [file for file in lecture.files if file.recording_type in kept]
    path = tmp_path / "chapters.json"
    path.write_text(json.dumps(LISTED))
    files += [
        dataclasses.replace(
            file,
            file_id=f"chapters-{number}",
            file_type="SUMMARY",
            recording_type="summary_smart_chapters",
            name="chapters.json",
            path=path,
        )
        for number, file in enumerate(files)
        if file.file_type == "TRANSCRIPT"
    ]
    return dataclasses.replace(lecture, files=tuple(files))


@pytest.fixture(autouse=True)
def chapters_are_on(harness: Harness) -> None:
    harness.settings["ingest_chapters"] = True
    harness.settings["minimum_duration"] = 0


@pytest.fixture
def late(harness: Harness, lecture: Recording) -> Late:
    return Late(harness, lecture)


def chapters(recording: Recording) -> list[RecordingFile]:
    return files_of_type(recording, "SUMMARY")


def without_chapters(recording: Recording, *segments: int) -> Recording:
    """Return the recording without the chapters of `segments`, by default of all segments."""
    return without_type(recording, "SUMMARY", *segments)


def tracks(harness: Harness) -> dict[str, dict[str, Any]]:
    (sent,) = harness.uploads()
    return {found["kind"]: found for found in sent["body"]["captions"]}


def asks_for_chapters(harness: Harness) -> list[bool]:
    """Return, for each waiting message about captions, whether the message is about chapters."""
    return [body["captions"].get("is_chapters", False) for body in later(harness)]


JOINED = [
    *("WEBVTT", ""),
    *("00:00:00.000 --> 00:00:04.000", "Waves", ""),
    *("00:00:04.000 --> 00:00:12.000", "Tides", ""),
    *("00:00:12.000 --> 00:00:16.000", "Waves", ""),
    *("00:00:16.000 --> 00:00:24.000", "Tides"),
]


class TestBesideTheVideo:
    def test_chapters_of_all_segments_become_one_file(
        self, harness: Harness, lecture: Recording
    ) -> None:
        assert harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        found = tracks(harness)
        assert set(found) == {"chapters"}
        assert found["chapters"]["file_ids"] == [file.file_id for file in chapters(lecture)]
        assert text_of(harness, found["chapters"]).splitlines() == JOINED
        assert not later(harness)

    def test_chapters_and_captions_become_two_tracks(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.settings["ingest_captions"] = True
        harness.take(harness.message(lecture))
        assert set(tracks(harness)) == {"transcript", "chapters"}

    def test_no_chapters_are_staged_and_no_message_waits_for_chapters_when_chapters_are_off(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.settings |= {"ingest_chapters": False, "ingest_captions": True}
        harness.take(harness.message(lecture))
        assert set(tracks(harness)) == {"transcript"}
        assert not [key for key in harness.objects() if "chapters" in key]
        assert not later(harness)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (b"no chapters", "it isn't JSON"),
            (b"[" * 6_000_000, "it has more than 2 MB"),
            (b'{"list": [{"headline": "Ada"}]}', "its fields are: list, headline"),
        ],
    )
    def test_row_names_a_broken_chapter_file_and_the_recording_goes_to_the_uploader(
        self, harness: Harness, lecture: Recording, text: bytes, reason: str, tmp_path: Any
    ) -> None:
        other = tmp_path / "other.json"
        other.write_bytes(text)
        first = chapters(lecture)[0]
        files = (
            dataclasses.replace(file, path=other) if file is first else file
            for file in lecture.files
        )
        harness.zoom.add(dataclasses.replace(lecture, files=tuple(files)))
        harness.take(harness.message(lecture))
        state, told = harness.outcome
        assert state == "SENT_TO_UPLOADER"
        assert told.startswith(f"The chapter file of {lecture.start_time} is left out: ")
        assert reason in told
        lines = text_of(harness, tracks(harness)["chapters"]).splitlines()
        assert lines == [*JOINED[:2], "00:00:00.000 --> 00:00:12.000", "…", "", *JOINED[8:]]


class TestChaptersThatAreNotThereYet:
    @pytest.mark.parametrize("segments", [(), (1,)])
    def test_chapters_come_later_when_a_segment_has_none_yet(
        self, harness: Harness, lecture: Recording, segments: tuple[int, ...]
    ) -> None:
        harness.settings["ingest_captions"] = True
        harness.zoom.add(without_chapters(lecture, *segments))
        harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert set(tracks(harness)) == {"transcript"}
        assert asks_for_chapters(harness) == [True]

    def test_captions_and_chapters_have_separate_messages_when_both_come_later(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.settings["ingest_captions"] = True
        harness.zoom.fail(Fault(kind="status", where="api", status=500, times=None))
        harness.take(harness.message(lecture))
        assert not tracks(harness)
        assert asks_for_chapters(harness) == [False, True]

    def test_recording_goes_to_the_uploader_and_chapters_come_later_when_s3_cannot_store_them(
        self, harness: Harness, lecture: Recording
    ) -> None:
        with failing(harness.aws.s3, "s3.PutObject", "SlowDown"):
            harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert asks_for_chapters(harness) == [True]


class TestLateChapters:
    def test_late_chapters_are_sent_to_the_uploader_when_opencast_has_the_event(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        assert late.take(is_chapters=True)
        (sent,) = harness.uploads()
        assert sent["body"]["late_for"] == "mp"
        assert sent["body"]["zip_id"] == captions_zip_id(late.recording.uuid)
        (found,) = sent["body"]["captions"]
        assert text_of(harness, found).splitlines() == JOINED
        assert not later(harness)

    def test_late_chapters_are_not_sent_when_the_message_is_about_captions(
        self, harness: Harness, late: Late
    ) -> None:
        harness.settings["ingest_captions"] = True
        late.ingest()
        assert late.take()
        assert set(tracks(harness)) == {"transcript"}

    @pytest.mark.parametrize("is_chapters", [True, False])
    def test_message_about_captions_or_chapters_is_dropped_when_their_setting_is_off(
        self, harness: Harness, late: Late, is_chapters: bool
    ) -> None:
        harness.settings |= {"ingest_chapters": not is_chapters, "ingest_captions": is_chapters}
        late.ingest()
        assert late.take(is_chapters=is_chapters)
        assert not harness.uploads()
        assert not later(harness)
        assert harness.asked_of_api() == 0

    def test_late_chapters_are_not_sent_and_no_message_waits_when_the_event_has_chapters(
        self, harness: Harness, late: Late
    ) -> None:
        done = Captions(files=("chapters-1",), state=CaptionsState.DONE, attempt="a")
        late.ingest(captions={"chapters": done})
        assert late.take(is_chapters=True)
        harness.zoom.add(without_chapters(late.recording))
        assert late.take(is_chapters=True)
        assert not harness.uploads()
        assert not later(harness)

    def test_message_about_chapters_waits_three_hours_when_zoom_lists_no_chapters(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        harness.zoom.add(without_chapters(late.recording))
        assert late.take(is_chapters=True, waiting=timedelta(minutes=179))
        assert asks_for_chapters(harness) == [True]
        assert late.take(is_chapters=True, waiting=timedelta(minutes=181))
        assert len(later(harness)) == 0
        assert not harness.uploads()
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    def test_available_chapters_are_sent_after_three_hours_when_a_segment_has_none(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        harness.zoom.add(without_chapters(late.recording, 0))
        assert late.take(is_chapters=True, waiting=timedelta(minutes=179))
        assert not harness.uploads()
        assert late.take(is_chapters=True, waiting=timedelta(minutes=181))
        assert text_of(harness, tracks(harness)["chapters"]).splitlines()[3] == "…"

    def test_message_about_chapters_waits_a_week_when_zoom_lists_a_file_and_does_not_deliver_it(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        harness.zoom.fail(Fault(kind="html", file_id="chapters-3", times=None))
        assert late.take(is_chapters=True, waiting=timedelta(days=6))
        assert not harness.uploads()
        assert late.take(is_chapters=True, waiting=timedelta(days=7))
        assert harness.outcome[0] == "SENT_TO_OPENCAST"
        assert "After a week: Zoom doesn't hand out chapter file of" in harness.outcome[1]
