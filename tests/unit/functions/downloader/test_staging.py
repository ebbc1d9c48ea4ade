"""The staged files, the upload message, and calls by operators."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingester.transfer.multipart import IDENTITY_KEY
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.cloud import BUCKET
from tests.function_harness import received
from tests.unit.functions.downloader.harness import (
    Harness,
    key_of,
    row_in,
    staged,
)


class TestTheWholeWay:
    def test_each_video_and_chat_is_staged_unchanged(
        self, harness: Harness, lecture: Recording
    ) -> None:
        message = harness.message(lecture)
        assert harness.take(message)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.row["oc_series_id"] == "99999999999"
        files = {
            (view, segment): staged(lecture, view=view, segment=segment)
            for segment in (0, 1)
            for view in ("active_speaker", "shared_screen", "chat_file")
        }
        wanted = {
            key_of(
                file,
                segment=segment,
                view=view,
                extension="txt" if view == "chat_file" else "mp4",
            ): file
            for (view, segment), file in files.items()
        }
        assert harness.objects() == {
            key: file.path.read_bytes() for key, file in wanted.items() if file.path
        }
        for key, file in wanted.items():
            metadata = harness.aws.s3.head_object(Bucket=BUCKET, Key=key)["Metadata"]
            assert metadata.pop(IDENTITY_KEY)
            assert metadata == {
                "uuid": lecture.uuid,
                "file_id": file.file_id,
                "file_type": key.rpartition(".")[2],
            }

    def test_upload_message_names_the_staged_files(
        self, harness: Harness, lecture: Recording
    ) -> None:
        harness.take(harness.message(lecture))
        (sent,) = harness.uploads()
        body = sent["body"]
        assert sent["group"] == lecture.uuid
        assert set(body["s3_files"]) == {"active_speaker", "shared_screen", "chat_file"}
        speaker = body["s3_files"]["active_speaker"]["segments"]
        files = [staged(lecture, view="active_speaker", segment=number) for number in (0, 1)]
        assert [file["file_id"] for file in speaker] == [file.file_id for file in files]
        assert [file["filename"] for file in speaker] == [
            key_of(file, segment=number, view="active_speaker") for number, file in enumerate(files)
        ]
        assert [file["ffprobe_seconds"] for file in speaker] == [12.0, 12.0]
        assert [file["ffprobe_bytes"] for file in speaker] == [
            staged(lecture, view="active_speaker", segment=number).size for number in (0, 1)
        ]
        chat = body["s3_files"]["chat_file"]
        assert (chat["view_bytes"], chat["view_seconds"]) == (0, 0)
        assert (body["created"], body["created_local"]) == (
            "2026-10-14T14:00:12Z",
            "2026-10-14T10:00:12Z",
        )

    def test_second_message_with_fewer_files_overwrites_no_staged_object(
        self, harness: Harness, lecture: Recording
    ) -> None:
        # If only the files of the message counted, the second segment would have the number 0.
        message = harness.message(lecture)
        harness.take(message)
        before = harness.objects()
        (upload,) = harness.uploads()
        late = [
            file
            for file in message["recording_files"]
            if file["recording_start"] != lecture.start_time and file["file_type"] == "MP4"
        ]
        assert late
        assert harness.take(message | {"recording_files": late, "is_partial": True})
        assert harness.objects() == before
        assert harness.uploads() == [upload], "SQS drops the same content within five minutes"

    def test_no_object_gets_the_bytes_of_another_file_when_segments_change_their_numbers(
        self, harness: Harness, lecture: Recording
    ) -> None:
        # Zoom names the second segment first: its number is 0 in one message and 1 in the next.
        message = harness.message(lecture)
        late = [
            file
            for file in message["recording_files"]
            if file["recording_start"] != lecture.start_time
        ]
        harness.take(message | {"recording_files": late})
        before = harness.objects()
        assert harness.take(message)
        after = harness.objects()
        assert {key: after[key] for key in before} == before
        assert len(after) == len(before) + len(message["recording_files"])


class TestRepeats:
    def test_upload_message_is_the_same_when_the_download_message_is_redelivered(
        self, harness: Harness, small: Recording
    ) -> None:
        # The FIFO queue drops the second upload message, which has the same deduplication id:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
        message = harness.message(small)
        harness.take(message)
        first = harness.aws.sent_to(harness.aws.upload_queue)
        harness.aws.status.put_item(Item=row_in("OC_SERIES_FOUND", oc_series_id="99999999999"))
        assert harness.take(message, receive_count=2)
        assert harness.aws.sent_to(harness.aws.upload_queue) == first
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert len(harness.uploads()) == 1

    @pytest.mark.parametrize("state", ["UPLOADER_RECEIVED", "SENT_TO_OPENCAST"])
    def test_row_keeps_its_later_state_when_the_message_is_redelivered(
        self, harness: Harness, small: Recording, state: str
    ) -> None:
        harness.aws.status.put_item(Item=row_in(state, reason="as it was"))
        assert harness.take(harness.message(small), receive_count=2)
        assert harness.outcome == (state, "as it was")


class TestTheHandler:
    def record(self, harness: Harness, body: str, message_id: str) -> dict[str, Any]:
        taken = received(harness.aws, harness.aws.download_queue, body)
        return {
            "messageId": message_id,
            "receiptHandle": taken.receipt_handle,
            "body": taken.body,
            "attributes": {"ApproximateReceiveCount": "2"},
        }

    def test_receive_count_comes_from_the_record_of_the_lambda_event(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=500, times=99))
        record = self.record(harness, json.dumps(harness.message(small)), "one")
        harness.run({"Records": [record]})
        assert "attempt 2 of 12" in harness.outcome[1]

    def test_call_of_an_operator_processes_a_message_with_the_overrides(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.aws.sqs.send_message(
            QueueUrl=harness.aws.download_queue, MessageBody=json.dumps(harness.message(small))
        )
        event = {"override_series_id": "20260111111", "ignore_schedule": True}
        assert harness.run(event) == {"message": "done"}
        (sent,) = harness.uploads()
        assert sent["body"]["opencast_series_id"] == "20260111111"
        assert self.left(harness) == 0

    def test_overrides_in_the_message_stay_when_the_operator_gives_no_overrides(
        self, harness: Harness, small: Recording
    ) -> None:
        message = harness.message(small, override_series_id="20260177777")
        harness.aws.sqs.send_message(
            QueueUrl=harness.aws.download_queue, MessageBody=json.dumps(message)
        )
        harness.run({"ignore_schedule": False})
        (sent,) = harness.uploads()
        assert sent["body"]["opencast_series_id"] == "20260177777"

    @pytest.mark.parametrize("limit", [12, 1])
    def test_overrides_of_an_operator_stay_with_a_message_that_is_retried_or_given_up(
        self, harness: Harness, small: Recording, limit: int
    ) -> None:
        # The changed message is on the queue or, after the last attempt, on the DLQ.
        harness.settings["download_receive_limit"] = limit
        harness.zoom.fail(Fault(kind="status", status=500, times=99))
        harness.aws.sqs.send_message(
            QueueUrl=harness.aws.download_queue, MessageBody=json.dumps(harness.message(small))
        )
        event = {"override_series_id": "20260111111"}
        assert harness.run(event)["message"].startswith("failed")
        is_last = limit == 1
        where = harness.aws.download_dlq if is_last else harness.aws.download_queue
        sent = harness.aws.sent_to(where)[-1]
        assert sent["body"]["override_series_id"] == "20260111111"
        assert sent["delay_seconds"] == (0 if is_last else 60)
        assert self.left(harness) == 0, "the old one"

    def left(self, harness: Harness) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = harness.aws.sqs.get_queue_attributes(
            QueueUrl=harness.aws.download_queue, AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)
