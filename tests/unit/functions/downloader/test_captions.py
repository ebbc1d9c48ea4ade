"""Captions that the downloader sends with the video, or later for an event in Opencast."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import timedelta
from typing import Any

import pytest

from ingester.ledger.record import Captions, CaptionsState, Outcome
from ingester.recording.files import captions_zip_id
from ingester.zoom.pause_table import PAUSED, ZoomPause
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording, RecordingFile
from tests.hooks import failing, failing_table
from tests.unit.functions.downloader.harness import Harness, key_of
from tests.unit.functions.downloader.late_captions import (
    Late,
    files_of_type,
    later,
    text_of,
    without_type,
)

CUE = "00:00:01.000 --> 00:00:02.000"
SHIFTED = "00:00:13.000 --> 00:00:14.000"
"""The times of `CUE` in the second segment, which begins after 12 seconds."""


@pytest.fixture
def lecture(lecture: Recording) -> Recording:
    """Return the lecture with only one view and the transcript of each segment."""
    kept = ("active_speaker", "audio_transcript")
    files = tuple(file for file in lecture.files if file.recording_type in kept)
    return dataclasses.replace(lecture, files=files)


@pytest.fixture(autouse=True)
def captions_are_on(harness: Harness) -> None:
    harness.settings["ingest_captions"] = True
    harness.settings["minimum_duration"] = 0


def transcripts(recording: Recording) -> list[RecordingFile]:
    return files_of_type(recording, "TRANSCRIPT")


def without_transcripts(recording: Recording, *segments: int) -> Recording:
    """Return the recording without the transcripts of `segments`, by default of all segments."""
    return without_type(recording, "TRANSCRIPT", *segments)


def with_text(recording: Recording, text: bytes, folder: Any, number: int = 0) -> Recording:
    """Return the recording with `text` as the transcript of segment `number`."""
    old = transcripts(recording)[number]
    path = folder / "other.vtt"
    path.write_bytes(text)
    new = dataclasses.replace(old, path=path)
    files = tuple(new if file is old else file for file in recording.files)
    return dataclasses.replace(recording, files=files)


def is_about_pause(parameters: dict[str, Any]) -> bool:
    """Return whether a write to the recordings table is about the pause of all downloads."""
    return "#until" in parameters.get("ExpressionAttributeNames", {})


def track(harness: Harness) -> dict[str, Any]:
    (sent,) = harness.uploads()
    (found,) = sent["body"]["captions"]
    return dict(found)


class TestBesideTheVideo:
    def test_transcripts_of_all_segments_become_one_file(
        self, harness: Harness, lecture: Recording
    ) -> None:
        assert harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        found = track(harness)
        assert found["kind"] == "transcript"
        assert found["file_ids"] == [file.file_id for file in transcripts(lecture)]
        lines = text_of(harness, found).splitlines()
        assert [line for line in lines if "-->" in line] == [CUE, SHIFTED]
        assert not later(harness)

    def test_each_transcript_is_staged_under_its_own_id(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.take(harness.message(lecture))
        for number, file in enumerate(transcripts(lecture)):
            key = key_of(file, segment=number, view="transcript", extension="vtt")
            assert file.path
            assert harness.objects()[key] == file.path.read_bytes()

    def test_captions_are_not_among_the_views_of_the_upload_message(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.take(harness.message(lecture))
        (sent,) = harness.uploads()
        assert set(sent["body"]["s3_files"]) == {"active_speaker"}

    def test_no_captions_are_requested_or_staged_when_captions_are_off(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.settings["ingest_captions"] = False
        harness.take(harness.message(lecture))
        (sent,) = harness.uploads()
        assert "captions" not in sent["body"]
        assert harness.asked_of_api() == 0
        assert not [key for key in harness.objects() if key.endswith(".vtt")]

    def test_closed_captions_become_a_separate_track(
        self, harness: Harness, lecture: Recording
    ) -> None:
        first = transcripts(lecture)[0]
        typed = dataclasses.replace(first, file_type="CC", file_id="none", bare=True)
        harness.zoom.add(dataclasses.replace(lecture, files=(*lecture.files, typed)))
        harness.take(harness.message(lecture))
        (sent,) = harness.uploads()
        kinds = {found["kind"]: found for found in sent["body"]["captions"]}
        assert set(kinds) == {"transcript", "closed_caption"}
        assert kinds["closed_caption"]["file_ids"] == [f"CC-{first.recording_start}"]
        assert CUE in text_of(harness, kinds["closed_caption"])

    def test_captions_of_a_false_start_are_left_out(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.settings["minimum_duration"] = 0.25
        harness.take(harness.message(lecture))
        found = track(harness)
        assert found["file_ids"] == [transcripts(lecture)[1].file_id]
        assert CUE in text_of(harness, found)
        assert SHIFTED not in text_of(harness, found)


class TestLimits:
    def test_captions_are_left_to_a_later_message_when_their_download_takes_longer_than_a_minute(
        self, harness: Harness, lecture: Recording
    ) -> None:
        seconds = itertools.count(step=20.0)
        harness.run_clock = lambda: next(seconds)
        assert harness.take(harness.message(lecture))
        (sent,) = harness.uploads()
        assert sent["body"]["captions"] == []
        assert set(sent["body"]["s3_files"]) == {"active_speaker"}
        assert len(later(harness)) == 1

    def test_late_captions_wait_while_all_downloads_pause(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        harness.zoom.fail(Fault(kind="status", status=429, times=99))
        assert late.take()
        assert len(later(harness)) == 1
        harness.zoom.clear_faults()
        harness.zoom.forget_requests()
        assert late.take()
        assert len(later(harness)) == 1
        assert harness.zoom.requests == ()


class TestBrokenCaptions:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (b"\x00\x01 no captions", "it isn't WebVTT"),
            (b"WEBVTT\n\n" + b"x" * 6_000_000, "it has more than 2 MB"),
            (b"WEBVTT\n\n00:01.000 --> \n", "it has no captions"),
            (
                b"WEBVTT\n\n01:00:00.000 --> 01:00:01.000\nToo late\n",
                "its captions begin after the end of their segment",
            ),
        ],
    )
    def test_row_names_a_broken_transcript_and_the_recording_goes_to_the_uploader(
        self, harness: Harness, lecture: Recording, tmp_path: Any, text: bytes, reason: str
    ) -> None:
        broken = harness.zoom.add(with_text(lecture, text, tmp_path))
        harness.take(harness.message(broken))
        start = lecture.start_time
        told = f"The transcript of {start} is left out: {reason}."
        assert harness.outcome == ("SENT_TO_UPLOADER", told)
        assert SHIFTED in text_of(harness, track(harness))

    def test_only_captions_after_the_end_of_their_segment_are_left_out_of_a_transcript(
        self, harness: Harness, lecture: Recording, tmp_path: Any
    ) -> None:
        text = f"WEBVTT\n\n{CUE}\nIn time\n\n01:00:00.000 --> 01:00:01.000\nToo late\n"
        harness.zoom.add(with_text(lecture, text.encode(), tmp_path))
        harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        shown = text_of(harness, track(harness))
        assert ("In time" in shown, "Too late" in shown) == (True, False)

    def test_captions_of_a_segment_are_left_out_when_all_segments_together_have_too_much_text(
        self, harness: Harness, lecture: Recording, tmp_path: Any
    ) -> None:
        # The downloader holds the captions of all segments in memory.
        text = f"WEBVTT\n\n00:01.000 --> 00:02.000\n{'a' * 1_900_000}\n".encode()
        for number in range(2):
            (tmp_path / str(number)).mkdir()
            lecture = with_text(lecture, text, tmp_path / str(number), number)
        harness.zoom.add(lecture)
        harness.take(harness.message(lecture))
        state, told = harness.outcome
        assert state == "SENT_TO_UPLOADER"
        assert "left out: the captions of the recording have too much text." in told
        assert len(text_of(harness, track(harness))) < 2_000_000

    def test_captions_are_not_staged_when_zoom_lists_no_size_and_they_are_too_large(
        self, harness: Harness, lecture: Recording, tmp_path: Any
    ) -> None:
        path = tmp_path / "typed.vtt"
        path.write_bytes(b"WEBVTT\n" + bytes(3_000_000))
        first = transcripts(lecture)[0]
        typed = dataclasses.replace(first, file_type="CC", file_id="none", bare=True, path=path)
        harness.zoom.add(dataclasses.replace(lecture, files=(*lecture.files, typed)))
        harness.take(harness.message(lecture))
        told = f"The closed_caption of {first.recording_start} is left out: it has more than 2 MB."
        assert harness.outcome == ("SENT_TO_UPLOADER", told)
        assert not [key for key in harness.objects() if "closed_caption" in key]

    def test_transcript_is_not_downloaded_when_it_is_too_large(
        self, harness: Harness, lecture: Recording, tmp_path: Any
    ) -> None:
        large = harness.zoom.add(with_text(lecture, b"WEBVTT\n" + bytes(50_000_000), tmp_path))
        file_id = transcripts(lecture)[0].file_id
        before = harness.zoom.sent.get(file_id)
        harness.take(harness.message(large))
        assert "it has more than 2 MB" in harness.outcome[1]
        assert harness.zoom.sent.get(file_id) == before


class TestCaptionsThatAreNotThereYet:
    @pytest.mark.parametrize("kind", ["html", "status"])
    def test_captions_come_later_when_zoom_does_not_deliver_a_transcript(
        self, harness: Harness, lecture: Recording, kind: Any
    ) -> None:
        file = transcripts(lecture)[1]
        harness.zoom.fail(Fault(kind=kind, status=404, file_id=file.file_id, times=None))
        harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        (sent,) = harness.uploads()
        assert sent["body"]["captions"] == []
        assert [body["zip_id"] for body in later(harness)] == [captions_zip_id(lecture.uuid)]

    def test_captions_come_later_when_zoom_has_not_finished_the_transcripts(
        self, harness: Harness, lecture: Recording
    ) -> None:
        files = tuple(
            dataclasses.replace(file, processing_asks=99)
            if file.file_type == "TRANSCRIPT"
            else file
            for file in lecture.files
        )
        harness.zoom.add(dataclasses.replace(lecture, files=files))
        harness.take(harness.message(lecture))
        (sent,) = harness.uploads()
        assert sent["body"]["captions"] == []
        assert len(later(harness)) == 1

    def test_captions_come_later_when_a_segment_has_none_yet(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.zoom.add(without_transcripts(lecture, 1))
        harness.take(harness.message(lecture))
        (sent,) = harness.uploads()
        assert sent["body"]["captions"] == []
        assert len(later(harness)) == 1

    def test_no_message_waits_for_captions_when_zoom_lists_no_transcripts(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.zoom.add(without_transcripts(lecture))
        harness.take(harness.message(lecture))
        (sent,) = harness.uploads()
        assert sent["body"]["captions"] == []
        assert not later(harness)

    def test_recording_goes_to_the_uploader_and_captions_come_later_when_the_zoom_api_fails(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.zoom.fail(Fault(kind="status", where="api", status=500, times=None))
        harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert len(later(harness)) == 1

    def test_recording_goes_to_the_uploader_and_captions_come_later_when_a_429_cannot_be_noted(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.zoom.fail(Fault(kind="status", where="api", status=429, times=None))
        with failing_table(harness.aws.recordings, when=is_about_pause):
            harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert len(later(harness)) == 1

    def test_recording_goes_to_the_uploader_and_captions_come_later_when_s3_cannot_store_them(
        self, harness: Harness, lecture: Recording
    ) -> None:
        with failing(harness.aws.s3, "s3.PutObject", "SlowDown"):
            harness.take(harness.message(lecture))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert len(later(harness)) == 1


@pytest.fixture
def late(harness: Harness, lecture: Recording) -> Late:
    return Late(harness, lecture)


class TestLateCaptions:
    def test_late_captions_are_sent_to_the_uploader_when_opencast_has_the_event(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        assert late.take()
        (sent,) = harness.uploads()
        body = sent["body"]
        assert (body["late_for"], body["zip_id"]) == ("mp", captions_zip_id(late.recording.uuid))
        (found,) = body["captions"]
        lines = text_of(harness, found).splitlines()
        assert [line for line in lines if "-->" in line] == [CUE, SHIFTED]
        assert not later(harness)

    def test_late_captions_are_sent_once_while_a_message_waits_for_other_files(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        for _ in range(2):
            assert late.take("unlisted")
            assert len(later(harness)) == 1
        assert len(harness.uploads()) == 1
        (known,) = harness.record(late.recording).ingests["mp"].captions.values()
        assert known.state is CaptionsState.QUEUED

    def test_late_captions_have_their_own_fifo_group(self, harness: Harness, late: Late) -> None:
        late.ingest()
        late.take()
        (sent,) = harness.uploads()
        assert sent["group"] != late.recording.uuid

    def test_late_captions_are_not_sent_when_the_event_has_captions(
        self, harness: Harness, late: Late
    ) -> None:
        ids = tuple(file.file_id for file in transcripts(late.recording))
        done = Captions(files=ids, state=CaptionsState.DONE, attempt="a")
        late.ingest(captions={"transcript": done})
        assert late.take(*ids)
        assert not harness.uploads()
        assert not later(harness)
        assert harness.row.get("reason", "") == ""

    def test_row_says_that_a_transcript_came_after_the_other_captions(
        self, harness: Harness, late: Late
    ) -> None:
        first, second = transcripts(late.recording)
        done = Captions(files=(first.file_id,), state=CaptionsState.DONE, attempt="a")
        late.ingest(captions={"transcript": done})
        assert late.take(second.file_id)
        assert not harness.uploads()
        assert harness.outcome == (
            "SENT_TO_OPENCAST",
            "1 transcript(s) came after the captions of the event and stayed outside of them.",
        )

    def test_late_captions_are_not_sent_when_captions_were_off_at_the_ingest(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest(timeline=())
        assert late.take()
        assert not harness.uploads()
        assert not later(harness)


class TestWaiting:
    def test_late_captions_wait_while_the_ingest_is_in_progress(
        self, harness: Harness, late: Late, lecture: Recording
    ) -> None:
        harness.accept(lecture, lecture.files[0])
        assert late.take("file")
        (again,) = later(harness)
        assert again["captions"] == {"announced": ["file"]}
        assert again["first_seen"] == "2026-10-14T18:30:00Z"
        assert harness.asked_of_api() == 0

    def test_late_captions_wait_for_a_day_when_the_ledger_has_no_note_of_a_sent_message(
        self, harness: Harness, late: Late, lecture: Recording
    ) -> None:
        # The webhook accepts a request even if the second write to the ledger fails.
        harness.request(lecture, lecture.files[0])
        assert late.take(waiting=timedelta(hours=23))
        assert len(later(harness)) == 1
        assert late.take(waiting=timedelta(hours=25))
        assert not later(harness)

    def test_late_captions_wait_while_the_outcome_of_the_ingest_is_unknown(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest(outcome=Outcome.UNKNOWN)
        assert late.take()
        assert len(later(harness)) == 1

    def test_late_captions_wait_for_a_day_when_no_ingest_was_requested(
        self, harness: Harness, late: Late
    ) -> None:
        assert late.take(waiting=timedelta(hours=23))
        assert len(later(harness)) == 1
        assert late.take(waiting=timedelta(hours=25))
        assert not later(harness)

    def test_late_captions_wait_when_zoom_does_not_list_a_file_that_a_webhook_event_named(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        harness.zoom.add(without_transcripts(late.recording))
        assert late.take("file")
        assert not harness.uploads()
        (delay,) = [
            sent["delay_seconds"] for sent in harness.aws.sent_to(harness.aws.download_queue)
        ]
        assert delay == 60

    def test_late_captions_wait_an_hour_for_the_captions_of_other_segments(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        harness.zoom.add(without_transcripts(late.recording, 0))
        assert late.take(waiting=timedelta(minutes=59))
        assert not harness.uploads()
        assert late.take(waiting=timedelta(minutes=61))
        assert SHIFTED in text_of(harness, track(harness))

    def test_zoom_is_asked_for_late_captions_once_an_hour_when_they_have_waited_over_a_day(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        assert late.take(waiting=timedelta(days=2, minutes=30))
        assert harness.asked_of_api() == 0
        assert len(later(harness)) == 1
        assert late.take(waiting=timedelta(days=2, minutes=5))
        assert harness.asked_of_api() == 1
        assert len(harness.uploads()) == 1

    def test_missing_captions_are_reported_after_a_week(
        self, harness: Harness, late: Late, caplog: pytest.LogCaptureFixture
    ) -> None:
        late.ingest()
        harness.zoom.add(without_transcripts(late.recording))
        assert late.take("file", waiting=timedelta(days=7))
        assert not later(harness)
        told = "After a week: Zoom doesn't hand out the transcript file"
        assert harness.outcome == ("SENT_TO_OPENCAST", told)
        assert [record.levelname for record in caplog.records if told in record.message] == [
            "ERROR"
        ]

    def test_missing_captions_are_reported_after_eight_days_when_zoom_always_throttles(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        harness.zoom.fail(Fault(kind="status", where="api", status=429, times=None))
        assert late.take("file", waiting=timedelta(days=7))
        assert len(later(harness)) == 1
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert ZoomPause(harness.aws.recordings, harness.clock).seconds("another") > 0
        assert late.take("file", waiting=timedelta(days=8))
        assert not later(harness)
        assert harness.outcome == ("SENT_TO_OPENCAST", f"After eight days: {PAUSED}")

    @pytest.mark.parametrize("days", [7, 8])
    def test_late_captions_are_requested_in_a_pause_of_downloads_only_at_the_end_of_the_wait(
        self, harness: Harness, late: Late, days: int
    ) -> None:
        late.ingest()
        ZoomPause(harness.aws.recordings, harness.clock).begin("another", 60)
        assert late.take(waiting=timedelta(days=days))
        is_last = days == 8
        assert harness.asked_of_api() == is_last
        assert len(later(harness)) == (not is_last)
        assert len(harness.uploads()) == is_last

    @pytest.mark.parametrize("is_sent", [False, True])
    def test_captions_without_an_event_are_reported_after_eight_days_only_if_an_ingest_may_come(
        self, harness: Harness, late: Late, caplog: pytest.LogCaptureFixture, is_sent: bool
    ) -> None:
        if is_sent:
            harness.accept(late.recording, *late.recording.files)
        ZoomPause(harness.aws.recordings, harness.clock).begin("another", 60)
        assert late.take("file", waiting=timedelta(days=8))
        assert not later(harness)
        told = "After a week: The recording isn't in Opencast yet"
        assert [record.message for record in caplog.records if record.levelname == "ERROR"] == (
            [told] if is_sent else []
        )

    def test_available_transcripts_are_sent_after_a_week_when_a_transcript_is_missing(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        file = transcripts(late.recording)[0]
        harness.zoom.fail(Fault(kind="html", file_id=file.file_id, times=None))
        assert late.take(waiting=timedelta(days=6))
        assert not harness.uploads()
        assert late.take(waiting=timedelta(days=7))
        assert SHIFTED in text_of(harness, track(harness))
        assert "After a week" in harness.outcome[1]

    def test_failure_of_late_captions_does_not_change_the_row(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        harness.zoom.fail(Fault(kind="status", where="api", status=500, times=None))
        assert late.take()
        assert len(later(harness)) == 1
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert captions_zip_id(late.recording.uuid) not in harness.record(late.recording).requests

    def test_late_captions_stop_waiting_when_the_recording_is_in_the_zoom_trash(
        self, harness: Harness, late: Late
    ) -> None:
        late.ingest()
        harness.zoom.trash(late.recording.uuid)
        assert late.take("file")
        assert not later(harness)
