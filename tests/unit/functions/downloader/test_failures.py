"""The downloader's failures: files that can't be copied, and malformed messages."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ingester.transfer.part_worker import ATTEMPTS
from ingester.transfer.parts import parts_of
from local import media
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.hooks import recorded
from tests.unit.functions.downloader.harness import (
    LONGISH,
    MEETING,
    Harness,
    contents,
    row_in,
    with_file,
)


class TestRefusals:
    def test_token_is_renewed_once_when_it_has_expired(
        self, harness: Harness, lecture: Recording
    ) -> None:
        message = harness.message(lecture)
        harness.zoom.expire_download_tokens(lecture.uuid)
        assert harness.take(message)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.asked_of_api() == 1
        # Some requests were in flight with the old token. All others have the fresh one.
        assert harness.downloads() <= harness.connections + 6

    @pytest.mark.parametrize(
        ("index", "part"), [(0, 1), (1, 0)], ids=["in the middle of a file", "between two files"]
    )
    def test_token_and_address_are_renewed_once_when_they_expire_during_a_copy(
        self, harness: Harness, longish: Recording, index: int, part: int
    ) -> None:
        """The token and the signed URL of a file in progress have expired."""
        last_good = (longish.files[index].file_id, parts_of(LONGISH)[part].first)
        died: list[str] = []

        def die(file_id: str, first: int) -> None:
            if (file_id, first) == last_good and not died:
                died.append(file_id)
                harness.zoom.expire_download_tokens(longish.uuid)
                if part:
                    harness.zoom.fail(Fault(kind="expired", where="cdn"))

        harness.before_bytes = die
        harness.connections = 1
        assert harness.take(harness.message(longish))
        assert died
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.asked_of_api() == 1
        assert set(harness.objects().values()) == contents(longish)
        assert harness.fetched() <= 1.3 * longish.total_size

    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_message_is_given_up_when_a_fresh_token_is_refused_too(
        self, harness: Harness, small: Recording, status: int
    ) -> None:
        harness.connections = 1
        harness.zoom.fail(Fault(kind="status", status=status, times=99))
        message = harness.message(small)
        assert harness.take(message)
        assert harness.downloads() == 2
        assert harness.asked_of_api() == 1
        (dead,) = harness.dead()
        assert dead["body"] == message
        assert dead["reason"] == f"Zoom answered {status} to the download."
        assert harness.outcome == (
            "DOWNLOADER_FAILED",
            f"permanent failure: Zoom answered {status} to the download. An operator is needed.",
        )

    def test_recording_is_sent_on_when_its_chat_is_empty(
        self, harness: Harness, small: Recording, tmp_path: Path
    ) -> None:
        nothing = media.write_broken(tmp_path / "chat.txt", "empty")
        harness.zoom.add(with_file(small, 1, path=nothing))
        assert harness.take(harness.message(small))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        (upload,) = harness.uploads()
        assert "chat_file" not in upload["body"]["s3_files"]

    def test_recording_is_not_sent_on_when_its_mp4_is_empty(
        self, harness: Harness, small: Recording, tmp_path: Path
    ) -> None:
        nothing = media.write_broken(tmp_path / "video.mp4", "empty")
        harness.zoom.add(with_file(small, 0, path=nothing))
        assert harness.take(harness.message(small))
        assert "no bytes in it" in harness.outcome[1]
        assert harness.uploads() == []

    def test_recording_is_not_sent_on_when_only_its_chat_is_there(
        self, harness: Harness, small: Recording
    ) -> None:
        video = small.files[0]
        harness.zoom.fail(Fault(kind="html", file_id=video.file_id, times=99))
        harness.take(harness.message(small))
        assert "none of the recording's MP4" in harness.outcome[1]

    @pytest.mark.parametrize(
        "url", ["https://localhost:{port}/rec/download/x", "http://127.0.0.1:{port}/x", "x"]
    )
    def test_message_is_given_up_when_a_download_address_is_on_another_host(
        self, harness: Harness, small: Recording, url: str
    ) -> None:
        message = harness.message(small)
        port = harness.zoom.cdn_url.rpartition(":")[2]
        message["recording_files"][0]["download_url"] = url.format(port=port)
        assert harness.take(message)
        assert harness.zoom.requests == ()
        (dead,) = harness.dead()
        assert "ZOOM_DOWNLOAD_HOSTS" in dead["reason"]
        assert harness.outcome[1].startswith("permanent failure: ")


class TestFailuresThatMayPass:
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_message_is_retried_when_zooms_host_is_busy_or_broken(
        self, harness: Harness, small: Recording, status: int
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=status, times=99))
        assert not harness.take(harness.message(small), receive_count=3)
        state, reason = harness.outcome
        assert state == "DOWNLOADER_FAILED"
        assert reason == (
            f"retryable failure: Zoom answered {status} to the download. "
            "(attempt 3 of 12, next try at 2026-10-14T18:34:00Z)"
        )
        assert harness.row["retry_due"] == "2026-10-14T18:34:00Z"
        assert harness.dead() == harness.uploads() == []
        assert harness.downloads() == 2 * ATTEMPTS
        assert len(harness.sleep.slept) == 2 * (ATTEMPTS - 1)

    def test_backoff_is_the_visibility_timeout_of_the_message(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=500, times=99))
        with recorded(harness.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
            harness.take(harness.message(small), receive_count=2)
        (change,) = asked
        assert change["QueueUrl"] == harness.aws.download_queue
        assert change["VisibilityTimeout"] == 120

    def test_message_is_given_up_with_a_reason_when_its_last_receive_fails(
        self, harness: Harness, small: Recording
    ) -> None:
        """Otherwise SQS would move it to the dead-letter queue without a reason."""
        harness.zoom.fail(Fault(kind="status", status=500, times=99))
        assert harness.take(harness.message(small), receive_count=12)
        (dead,) = harness.dead()
        assert "attempt 12 of 12, no more tries: an operator is needed" in dead["reason"]
        state, reason = harness.outcome
        assert state == "DOWNLOADER_FAILED"
        assert "attempt 12 of 12, no more tries: an operator is needed" in reason
        assert "retry_due" not in harness.row

    @pytest.mark.parametrize("kind", ["reset", "early_close", "short_length", "wrong_bytes"])
    @pytest.mark.parametrize("ranges", [True, False])
    def test_message_is_retried_when_the_bytes_never_arrive_whole(
        self, harness: Harness, small: Recording, kind: Any, ranges: bool
    ) -> None:
        video = small.files[0].file_id
        harness.zoom.set(ranges=ranges)
        harness.zoom.fail(Fault(kind=kind, where="cdn", times=999, file_id=video, after_bytes=0))
        assert not harness.take(harness.message(small))
        assert harness.outcome[1].startswith("retryable failure: ")
        assert harness.uploads() == []

    def test_file_is_copied_again_when_its_bytes_were_wrong(
        self, harness: Harness, small: Recording
    ) -> None:
        """The object has the right size by then, so its content decides."""
        video = small.files[0].file_id
        harness.zoom.fail(Fault(kind="wrong_bytes", where="cdn", times=2, file_id=video))
        message = harness.message(small)
        assert not harness.take(message)
        assert harness.take(message, receive_count=2)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert small.files[0].path
        assert small.files[0].path.read_bytes() in harness.objects().values()

    @pytest.mark.parametrize("ranges", [True, False])
    def test_message_is_retried_when_a_chat_has_another_size_than_zoom_says(
        self, harness: Harness, small: Recording, ranges: bool
    ) -> None:
        """Only its size shows that a chat is incomplete."""
        harness.zoom.set(ranges=ranges)
        message = harness.message(small)
        message["recording_files"][1]["file_size"] += 10
        assert not harness.take(message)
        size = small.files[1].size
        assert f"tells {size} bytes of " in harness.outcome[1]
        assert f"Zoom {size + 10}." in harness.outcome[1]
        assert harness.uploads() == []

    @pytest.mark.parametrize("kind", ["reset", "early_close", "short_length"])
    @pytest.mark.parametrize("ranges", [True, False])
    def test_recording_is_sent_on_when_its_bytes_arrive_whole_in_the_end(
        self, harness: Harness, small: Recording, kind: Any, ranges: bool
    ) -> None:
        harness.zoom.set(ranges=ranges)
        harness.zoom.fail(Fault(kind=kind, where="cdn", times=3))
        harness.zoom.fail(Fault(kind="status", status=503, times=1))
        assert harness.take(harness.message(small))
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert set(harness.objects().values()) == contents(small)
        assert harness.sleep.slept

    def test_message_is_retried_when_a_file_is_no_mp4(
        self, harness: Harness, small: Recording, tmp_path: Path
    ) -> None:
        page = tmp_path / "page.mp4"
        page.write_text("<html>" * 10)
        harness.zoom.add(with_file(small, 0, path=page))
        assert not harness.take(harness.message(small))
        assert "no MP4" in harness.outcome[1]
        assert harness.uploads() == []

    def test_message_is_retried_when_zooms_api_fails_to_renew_a_token(
        self, harness: Harness, small: Recording
    ) -> None:
        message = harness.message(small)
        harness.zoom.expire_download_tokens(small.uuid)
        harness.zoom.fail(Fault(kind="status", where="api", status=503, times=99))
        assert not harness.take(message)
        assert harness.outcome[1].startswith("retryable failure: Zoom's API answered 503")

    def test_message_is_retried_when_aws_fails(self, harness: Harness, small: Recording) -> None:
        harness.bucket_name = "nowhere"
        assert not harness.take(harness.message(small))
        state, reason = harness.outcome
        assert state == "DOWNLOADER_FAILED"
        assert "retryable failure: AWS failed: CreateMultipartUpload answered NoSuchBucket." in (
            reason
        )
        assert "next try at" in reason

    def test_message_is_retried_when_the_upload_queue_fails(
        self, harness: Harness, small: Recording
    ) -> None:
        message = harness.message(small)
        harness.aws.sqs.delete_queue(QueueUrl=harness.aws.upload_queue)
        assert not harness.take(message)
        assert "SendMessage" in harness.outcome[1]

    @pytest.mark.parametrize(
        "events", ["none", [{"day": "W", "time": "10:00"}], [{"day": 3, "time": 10, "title": "L"}]]
    )
    def test_message_is_retried_when_the_schedule_can_not_be_read(
        self, harness: Harness, small: Recording, events: Any
    ) -> None:
        """Somebody may edit a message by hand. The row then has the reason."""
        harness.aws.schedule.put_item(Item={"zoom_series_id": str(MEETING), "events": events})
        assert not harness.take(harness.message(small))
        state, reason = harness.outcome
        assert state == "DOWNLOADER_FAILED"
        assert f"The schedule's row of meeting {MEETING} can't be read" in reason
        assert "next try at" in reason
        assert harness.downloads() == 0

    def test_recording_is_sent_on_when_an_earlier_attempt_failed(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.aws.status.put_item(Item=row_in("DOWNLOADER_FAILED", reason="retryable failure: x"))
        assert harness.take(harness.message(small), receive_count=2)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")


class TestMalformedMessages:
    @pytest.mark.parametrize(
        "spoil",
        [
            {"uuid": None},
            {"recording_files": [{"recording_id": "x"}]},
            {"start_time": "yesterday"},
            {"first_seen": "soon"},
            {"duration": "long"},
        ],
    )
    def test_malformed_message_is_given_up_with_the_reason(
        self, harness: Harness, small: Recording, spoil: dict[str, Any]
    ) -> None:
        message = {**harness.message(small), **spoil}
        assert harness.take(message)
        (dead,) = harness.dead()
        assert dead["body"] == message
        assert "can't be read" in dead["reason"]
        assert harness.outcome[0] == "DOWNLOADER_FAILED"
        assert harness.outcome[1].startswith("permanent failure: The message on the queue")

    @pytest.mark.parametrize("body", ['"text"', "[]", '{"zip_id": 7}', "{}"])
    def test_malformed_message_is_given_up_when_it_has_no_zip_id(
        self, harness: Harness, body: str
    ) -> None:
        assert harness.take(body)
        (dead,) = harness.dead()
        assert dead["body"] == json.loads(body)
        assert harness.outcome == ("SENT_TO_DOWNLOADER", "")

    def test_message_is_given_up_when_it_is_not_json(self, harness: Harness) -> None:
        assert harness.take("{not json")
        answer = harness.aws.sqs.receive_message(
            QueueUrl=harness.aws.download_dlq, MessageAttributeNames=["All"]
        )
        assert answer["Messages"][0]["Body"] == "{not json"
        assert "FailedReason" in answer["Messages"][0]["MessageAttributes"]


class TestUnforeseenErrors:
    @pytest.fixture(autouse=True)
    def _broken(self, harness: Harness) -> None:
        def stumble(_file_id: str, _first: int) -> None:
            raise KeyError("token=abc")

        harness.before_bytes = stumble

    def test_unforeseen_error_is_raised_until_the_last_receive(
        self, harness: Harness, small: Recording
    ) -> None:
        with pytest.raises(KeyError):
            harness.take(harness.message(small), receive_count=11)
        assert harness.dead() == []

    def test_message_is_given_up_when_an_unforeseen_error_comes_at_its_last_receive(
        self, harness: Harness, small: Recording, caplog: pytest.LogCaptureFixture
    ) -> None:
        """SQS would move it to the dead-letter queue without a reason."""
        message = harness.message(small)
        assert harness.take(message, receive_count=12)
        said = "An error that was not foreseen (KeyError): see the log."
        assert harness.outcome == (
            "DOWNLOADER_FAILED",
            f"permanent failure: {said} An operator is needed.",
        )
        [dead] = harness.dead()
        assert (dead["body"], dead["reason"]) == (message, said)
        [record] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert "stumble" in logging.Formatter().format(record)
