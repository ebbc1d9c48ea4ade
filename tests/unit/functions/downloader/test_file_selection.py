"""The files that the downloader stages, and the files for which a message waits."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ingester import timestamps
from ingester.ledger import record as ledger
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording, RecordingFile
from tests.hooks import failing, failing_table
from tests.unit.functions.downloader.harness import (
    MEETING,
    ZIP_ID,
    Harness,
    only,
    row_in,
    staged,
    with_file,
)

TOPIC = "HIST E-1010 Mapping the Ocean: L'été"


def with_files_of(message: dict[str, Any], *files: RecordingFile) -> dict[str, Any]:
    """Return the message with only `files`."""
    ids = {file.file_id for file in files}
    some = [file for file in message["recording_files"] if file["recording_id"] in ids]
    assert len(some) == len(ids)
    return message | {"recording_files": some}


def staged_ids(upload: dict[str, Any]) -> set[str]:
    """Return the ids of the files in an upload message."""
    views = upload["body"]["s3_files"].values()
    return {file["file_id"] for view in views for file in view["segments"]}


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


class TestAMessageThatKnowsEverything:
    def test_zoom_is_not_asked_for_a_list_of_files_when_the_message_has_every_file_of_the_ledger(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.accept(small, *small.files)
        assert harness.take(harness.message(small))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.asked_of_api() == 0

    def test_zoom_is_not_asked_for_a_list_of_files_when_the_ledger_has_no_record(
        self, harness: Harness, small: Recording
    ) -> None:
        # A message may be older than the ledger.
        assert harness.take(harness.message(small))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.asked_of_api() == 0
        assert harness.record(small).files == {}


class TestANewMessageOfSomeFiles:
    """New messages with some of a recording's files, which Zoom names in several webhook events."""

    @pytest.fixture
    def first(self, harness: Harness, small: Recording) -> dict[str, Any]:
        """Accept a new webhook event that names only the first file, and return the new message."""
        harness.accept(small, small.files[0])
        message = with_files_of(harness.message(small), small.files[0])
        return message | {"received_time": timestamps.write(harness.clock())}

    def test_every_file_that_zoom_lists_is_staged_and_noted_when_a_new_message_names_only_one_file(
        self, harness: Harness, small: Recording, first: dict[str, Any]
    ) -> None:
        assert harness.take(first)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.asked_of_api() == 1
        (upload,) = harness.uploads()
        assert staged_ids(upload) == {file.file_id for file in small.files}
        assert set(harness.record(small).files) == staged_ids(upload)

    def test_message_waits_while_zoom_processes_another_file(
        self, harness: Harness, small: Recording, first: dict[str, Any]
    ) -> None:
        harness.zoom.add(with_file(small, 1, processing_asks=999))
        assert harness.take(first)
        (again,) = harness.aws.sent_to(harness.aws.download_queue)
        assert again["delay_seconds"] == 60
        assert harness.uploads() == []
        assert harness.outcome[1].startswith("Zoom has not finished 1 of the files; ")
        harness.zoom.add(small)
        assert harness.take(again["body"])
        (upload,) = harness.uploads()
        assert staged_ids(upload) == {file.file_id for file in small.files}

    def test_recording_is_staged_after_an_hour_when_zoom_never_finishes_another_file(
        self, harness: Harness, small: Recording, first: dict[str, Any]
    ) -> None:
        harness.zoom.add(with_file(small, 1, processing_asks=999))
        assert harness.take(first)
        assert harness.uploads() == []
        harness.clock.forward(hours=1)
        assert harness.take(first)
        (upload,) = harness.uploads()
        assert staged_ids(upload) == {small.files[0].file_id}

    @pytest.mark.parametrize("status", [404, 429, 500])
    def test_recording_is_staged_when_zoom_gives_no_list_of_files(
        self, harness: Harness, small: Recording, first: dict[str, Any], status: int
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=status, where="api", times=99))
        assert harness.take(first)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        (upload,) = harness.uploads()
        assert staged_ids(upload) == {small.files[0].file_id}

    def test_file_of_a_new_message_is_staged_when_zoom_does_not_list_the_file_yet(
        self, harness: Harness, small: Recording, first: dict[str, Any]
    ) -> None:
        harness.zoom.add(dataclasses.replace(small, files=small.files[1:]))
        assert harness.take(first)
        (upload,) = harness.uploads()
        assert staged_ids(upload) == {small.files[0].file_id}

    def test_zoom_is_not_asked_for_a_list_of_files_when_the_request_is_on_demand(
        self, harness: Harness, first: dict[str, Any]
    ) -> None:
        # The on-demand function has just asked Zoom for the list.
        assert harness.take(first | {"on_demand_ingest": True})
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.asked_of_api() == 0


class TestAMessageThatKnowsFewerFiles:
    def test_every_file_is_staged_when_the_ledger_knows_more_files_than_the_message(
        self, harness: Harness, lecture: Recording
    ) -> None:
        # Two webhook events that come shortly after each other become one ingest.
        harness.accept(lecture, *wanted(lecture))
        first = wanted(lecture)[:2]
        assert harness.take(with_files_of(harness.message(lecture), *first))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.asked_of_api() == 1
        (upload,) = harness.uploads()
        assert staged_ids(upload) == {file.file_id for file in wanted(lecture)}

    def test_files_that_only_zoom_knows_are_staged_and_noted_when_the_message_is_partial(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.accept(small, small.files[0])
        message = with_files_of(harness.message(small), small.files[0]) | {"is_partial": True}
        assert harness.take(message)
        (upload,) = harness.uploads()
        assert staged_ids(upload) == {file.file_id for file in small.files}
        assert set(harness.record(small).files) == staged_ids(upload)


class TestAFileThatZoomDoesNotListYet:
    @pytest.fixture
    def lagging(self, harness: Harness, lecture: Recording) -> RecordingFile:
        """Note files in the ledger, and return the file that Zoom's API doesn't list yet."""
        named = only(lecture, "active_speaker", "shared_screen", "chat_file")
        harness.accept(named, *named.files)
        harness.zoom.add(only(lecture, "active_speaker", "chat_file"))
        return staged(lecture, view="shared_screen", segment=0)

    @pytest.fixture
    def message(
        self, harness: Harness, lagging: RecordingFile, lecture: Recording
    ) -> dict[str, Any]:
        """Return the message of a webhook event that named only the speaker's video."""
        speaker = staged(lecture, view="active_speaker", segment=0)
        assert speaker.file_id != lagging.file_id
        return with_files_of(harness.message(lecture), speaker)

    def test_message_waits_when_zoom_does_not_list_a_file_that_only_the_ledger_names(
        self, harness: Harness, message: dict[str, Any]
    ) -> None:
        assert harness.take(message)
        (again,) = harness.aws.sent_to(harness.aws.download_queue)
        assert again["delay_seconds"] == 60
        assert again["body"] == message | {"first_seen": "2026-10-14T18:30:00Z"}
        reason = "Zoom's API doesn't list 1 file(s) yet that Zoom has named"
        due = "asks again at 2026-10-14T18:31:00Z"
        assert harness.outcome == ("SENT_TO_DOWNLOADER", f"{reason}; {due}")
        assert harness.uploads() == harness.dead() == []
        assert harness.downloads() == 0

    def test_message_waits_when_zoom_does_not_list_a_file_that_the_message_names(
        self, harness: Harness, lecture: Recording, lagging: RecordingFile
    ) -> None:
        # The downloader asks Zoom, because the message lacks another file.
        screen = dataclasses.replace(lecture, files=(lagging,))
        harness.zoom.add(screen)
        message = harness.message(screen)
        harness.zoom.add(only(lecture, "active_speaker", "chat_file"))
        assert harness.take(message)
        assert "doesn't list 1 file(s) yet" in harness.outcome[1]

    def test_unlisted_file_is_staged_when_zoom_finally_lists_it(
        self, harness: Harness, message: dict[str, Any], lecture: Recording, lagging: RecordingFile
    ) -> None:
        harness.take(message)
        (again,) = harness.aws.sent_to(harness.aws.download_queue)
        harness.zoom.add(only(lecture, "active_speaker", "shared_screen", "chat_file"))
        harness.clock.forward(hours=20)
        assert harness.take(again["body"])
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        (upload,) = harness.uploads()
        assert lagging.file_id in staged_ids(upload)
        assert harness.record(lecture).left_out == ()

    def test_unlisted_file_is_reported_by_name_after_a_day_and_the_other_files_are_staged(
        self,
        harness: Harness,
        message: dict[str, Any],
        lecture: Recording,
        lagging: RecordingFile,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        harness.clock.forward(hours=23, minutes=59)
        harness.take(message)
        assert harness.uploads() == []
        harness.clock.forward(minutes=1)
        assert harness.take(message)
        reason = (
            "Zoom's API doesn't list 1 file(s) that Zoom had named, which stay outside: "
            f"shared_screen of {lecture.start_time}."
        )
        assert harness.outcome == ("SENT_TO_UPLOADER", reason)
        assert errors(caplog) == [reason]
        (upload,) = harness.uploads()
        assert len(staged_ids(upload)) == 2
        record = harness.record(lecture)
        assert record.left_out == (lagging.file_id,)
        assert not ledger.is_superseded(record, ZIP_ID, staged_ids(upload))

    def test_ledger_notes_an_unlisted_file_as_left_out_before_the_upload_message_is_sent(
        self, harness: Harness, message: dict[str, Any], lecture: Recording, lagging: RecordingFile
    ) -> None:
        # Otherwise the uploader might take the message for a superseded message.
        harness.clock.forward(days=1)
        of_uploads = harness.aws.upload_queue
        broken = failing(
            harness.aws.sqs,
            "sqs.SendMessage",
            "ServiceUnavailable",
            when=lambda params: params["QueueUrl"] == of_uploads,
        )
        with broken:
            assert not harness.take(message)
        assert harness.record(lecture).left_out == (lagging.file_id,)
        assert harness.uploads() == []

    def test_unlisted_file_is_reported_when_the_row_cannot_be_written(
        self, harness: Harness, message: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.clock.forward(days=1)
        with failing_table(harness.aws.status):
            assert harness.take(message)
        assert len(errors(caplog)) == 1
        assert len(harness.uploads()) == 1


class TestAFileThatAnIngestHolds:
    """A file that was deleted in Zoom, but is in Opencast already."""

    @pytest.fixture
    def late(self, harness: Harness, lecture: Recording) -> dict[str, Any]:
        """Note an ingest of two videos, of which Zoom lists one; return a message of one chat."""
        files = only(lecture, "active_speaker", "shared_screen", "chat_file")
        speaker, screen = (
            staged(lecture, view=view, segment=0) for view in ("active_speaker", "shared_screen")
        )
        harness.accept(lecture, *files.files)
        harness.ingest(lecture, speaker, screen)
        harness.zoom.add(only(lecture, "active_speaker", "chat_file"))
        return with_files_of(harness.message(lecture), staged(lecture, view="chat_file", segment=0))

    def test_message_does_not_wait_for_a_deleted_file_that_an_ingest_has(
        self, harness: Harness, late: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        assert harness.take(late)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert errors(caplog) == []

    def test_second_ingest_waits_for_a_file_that_zoom_no_longer_lists_and_then_reports_the_file(
        self,
        harness: Harness,
        late: dict[str, Any],
        lecture: Recording,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        # A second event in Opencast has to contain all files, and Zoom's list may lag.
        again = late | {"zip_id": "on-demand-2", "allow_multiple_ingests": True}
        harness.aws.status.put_item(Item=row_in("SENT_TO_DOWNLOADER") | {"zip_id": "on-demand-2"})
        assert harness.take(again)
        assert harness.uploads() == []
        reason = harness.aws.rows()["on-demand-2"]["reason"]
        assert reason.startswith("Zoom's API doesn't list 1 file(s) yet that Zoom has named; ")
        harness.clock.forward(days=1)
        assert harness.take(again)
        (upload,) = harness.uploads()
        assert len(staged_ids(upload)) == 2
        (told,) = errors(caplog)
        assert f"which stay outside: shared_screen of {lecture.start_time}." in told


class TestAFileThatIsNotHandedOut:
    @pytest.mark.parametrize("view", ["shared_screen", "chat_file"])
    def test_ledger_notes_a_file_as_left_out_when_zoom_does_not_deliver_it(
        self, harness: Harness, lecture: Recording, view: str
    ) -> None:
        harness.accept(lecture, *wanted(lecture))
        page = staged(lecture, view=view, segment=0)
        harness.zoom.fail(Fault(kind="html", file_id=page.file_id, times=9))
        assert harness.take(harness.message(lecture))
        record = harness.record(lecture)
        assert record.left_out == (page.file_id,)
        (upload,) = harness.uploads()
        assert not ledger.is_superseded(record, ZIP_ID, staged_ids(upload))


class TestAPartialMessage:
    """Messages of partial webhook events, whose missing data comes from Zoom's API."""

    @pytest.fixture
    def partial(self, harness: Harness, small: Recording) -> dict[str, Any]:
        harness.aws.status.delete_item(Key={"zip_id": ZIP_ID})
        return harness.message(
            small,
            zip_id=f"auto-ingest-{small.uuid}",
            zoom_series_id=0,
            topic="",
            start_time="",
            duration=0,
            host_id="",
            recording_files=[],
            download_token="",
            is_partial=True,
        )

    def test_row_has_topic_and_start_from_the_zoom_api_when_the_message_lacks_them(
        self, harness: Harness, small: Recording, partial: dict[str, Any]
    ) -> None:
        assert harness.take(partial)
        row = harness.aws.rows()[partial["zip_id"]]
        assert row["pipeline_state"] == "SENT_TO_UPLOADER"
        assert (row["meeting_id"], row["topic"]) == (MEETING, TOPIC)
        assert row["recording_start_time"] == small.start_time
        assert row["recording_id"] == small.uuid
        assert row["origin"] == "webhook_notification"

    def test_origin_of_the_row_is_on_demand_when_the_request_was_on_demand(
        self, harness: Harness, partial: dict[str, Any]
    ) -> None:
        harness.take(partial | {"zip_id": "on-demand-7"})
        assert harness.aws.rows()["on-demand-7"]["origin"] == "on_demand"

    def test_upload_message_has_topic_and_start_from_the_zoom_api_when_the_message_lacks_them(
        self, harness: Harness, small: Recording, partial: dict[str, Any]
    ) -> None:
        harness.take(partial)
        (upload,) = harness.uploads()
        body = upload["body"]
        assert (body["zoom_series_id"], body["topic"]) == (MEETING, TOPIC)
        assert body["created"] == small.start_time
        assert staged_ids(upload) == {file.file_id for file in small.files}

    def test_row_has_the_topic_from_the_zoom_api_when_the_recording_is_ignored(
        self, harness: Harness, partial: dict[str, Any]
    ) -> None:
        harness.settings["default_series_id"] = ""
        assert harness.take(partial)
        row = harness.aws.rows()[partial["zip_id"]]
        assert (row["pipeline_state"], row["topic"]) == ("IGNORED", TOPIC)

    def test_message_waits_when_zoom_lists_no_file_yet(
        self, harness: Harness, zoom: ZoomStandIn, small: Recording, partial: dict[str, Any]
    ) -> None:
        zoom.add(dataclasses.replace(small, files=()))
        assert harness.take(partial)
        assert len(harness.aws.sent_to(harness.aws.download_queue)) == 1
        assert harness.dead() == []

    @pytest.mark.parametrize(
        "types", [("audio_only",), ("chat_file",), ("chat_file", "audio_only")]
    )
    def test_recording_is_ignored_when_zoom_lists_no_video_for_an_hour(
        self,
        harness: Harness,
        zoom: ZoomStandIn,
        lecture: Recording,
        partial: dict[str, Any],
        types: tuple[str, ...],
    ) -> None:
        without_video = zoom.add(only(lecture, *types))
        assert len(without_video.files) == len(types)
        new = partial | {"received_time": timestamps.write(harness.clock())}
        assert harness.take(new)
        assert len(harness.aws.sent_to(harness.aws.download_queue)) == 1
        harness.clock.forward(hours=1)
        assert harness.take(new)
        row = harness.aws.rows()[partial["zip_id"]]
        assert (row["pipeline_state"], row["reason"]) == ("IGNORED", "No mp4 files")
        assert harness.uploads() == harness.dead() == []

    def test_message_goes_to_the_dlq_when_zoom_lists_only_a_chat_a_day_after_naming_a_video(
        self, harness: Harness, zoom: ZoomStandIn, lecture: Recording, partial: dict[str, Any]
    ) -> None:
        harness.name(lecture, staged(lecture, view="active_speaker", segment=0))
        zoom.add(only(lecture, "chat_file"))
        harness.clock.forward(days=1)
        assert harness.take(partial)
        (dead,) = harness.dead()
        assert dead["reason"] == "Zoom gave us no video of this recording."

    def test_message_is_requeued_when_the_list_of_files_from_zoom_is_invalid(
        self, harness: Harness, zoom: ZoomStandIn, small: Recording, partial: dict[str, Any]
    ) -> None:
        zoom.add(with_file(small, 0, recording_start="noon"))
        harness.aws.status.put_item(
            Item={"zip_id": partial["zip_id"], "pipeline_state": "SENT_TO_DOWNLOADER"}
        )
        assert harness.take(partial)
        row = harness.aws.rows()[partial["zip_id"]]
        assert row["reason"].startswith("Zoom's list of files lacks something: ")
        assert len(harness.aws.sent_to(harness.aws.download_queue)) == 1

    def test_message_goes_to_the_dlq_when_zoom_does_not_know_the_recording(
        self, harness: Harness, zoom: ZoomStandIn, small: Recording, partial: dict[str, Any]
    ) -> None:
        zoom.trash(small.uuid)
        assert harness.take(partial)
        (dead,) = harness.dead()
        assert dead["reason"] == "Zoom doesn't know this recording any more."


def wanted(recording: Recording) -> tuple[RecordingFile, ...]:
    """Return the videos and chats of a recording."""
    return tuple(file for file in recording.files if file.file_type in ("MP4", "CHAT"))
