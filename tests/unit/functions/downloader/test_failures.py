"""How the downloader handles files that can't be copied, and messages that can't be read."""

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
    Kit,
    contents,
    row_in,
    with_file,
)


class TestRefusals:
    def test_token_is_renewed_once_when_it_has_expired(self, kit: Kit, lecture: Recording) -> None:
        message = kit.message(lecture)
        kit.zoom.expire_download_tokens(lecture.uuid)
        assert kit.take(message)
        assert kit.outcome == ("SENT_TO_UPLOADER", "")
        assert kit.asked_of_api() == 1
        # Those that were under way with the dead one, and all with the fresh one.
        assert kit.downloads() <= kit.connections + 6

    @pytest.mark.parametrize(
        ("index", "part"), [(0, 1), (1, 0)], ids=["in the middle of a file", "between two files"]
    )
    def test_token_and_address_are_renewed_once_when_they_expire_during_a_copy(
        self, kit: Kit, longish: Recording, index: int, part: int
    ) -> None:
        """The token is dead, and so is the signed address of a file under way: fresh ones, once."""
        last_good = (longish.files[index].file_id, parts_of(LONGISH)[part].first)
        died: list[str] = []

        def die(file_id: str, first: int) -> None:
            if (file_id, first) == last_good and not died:
                died.append(file_id)
                kit.zoom.expire_download_tokens(longish.uuid)
                if part:
                    kit.zoom.fail(Fault(kind="expired", where="cdn"))

        kit.before_bytes = die
        kit.connections = 1
        assert kit.take(kit.message(longish))
        assert died
        assert kit.outcome == ("SENT_TO_UPLOADER", "")
        assert kit.asked_of_api() == 1
        assert set(kit.objects().values()) == contents(longish)
        assert kit.fetched() <= 1.3 * longish.total_size

    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_message_is_given_up_when_a_fresh_token_is_refused_too(
        self, kit: Kit, small: Recording, status: int
    ) -> None:
        kit.connections = 1
        kit.zoom.fail(Fault(kind="status", status=status, times=99))
        message = kit.message(small)
        assert kit.take(message)
        assert kit.downloads() == 2
        assert kit.asked_of_api() == 1
        (dead,) = kit.dead()
        assert dead["body"] == message
        assert dead["reason"] == f"Zoom answered {status} to the download."
        assert kit.outcome == (
            "DOWNLOADER_FAILED",
            f"permanent failure: Zoom answered {status} to the download. An operator is needed.",
        )

    def test_recording_is_sent_on_when_its_chat_is_empty(
        self, kit: Kit, small: Recording, tmp_path: Path
    ) -> None:
        nothing = media.write_broken(tmp_path / "chat.txt", "empty")
        kit.zoom.add(with_file(small, 1, path=nothing))
        assert kit.take(kit.message(small))
        assert kit.outcome == ("SENT_TO_UPLOADER", "")
        (upload,) = kit.uploads()
        assert "chat_file" not in upload["body"]["s3_files"]

    def test_recording_is_not_sent_on_when_its_mp4_is_empty(
        self, kit: Kit, small: Recording, tmp_path: Path
    ) -> None:
        nothing = media.write_broken(tmp_path / "video.mp4", "empty")
        kit.zoom.add(with_file(small, 0, path=nothing))
        assert kit.take(kit.message(small))
        assert "no bytes in it" in kit.outcome[1]
        assert kit.uploads() == []

    def test_recording_is_not_sent_on_when_only_its_chat_can_be_had(
        self, kit: Kit, small: Recording
    ) -> None:
        video = small.files[0]
        kit.zoom.fail(Fault(kind="html", file_id=video.file_id, times=99))
        kit.take(kit.message(small))
        assert "none of the recording's MP4" in kit.outcome[1]

    @pytest.mark.parametrize(
        "url", ["https://localhost:{port}/rec/download/x", "http://127.0.0.1:{port}/x", "x"]
    )
    def test_message_is_given_up_when_a_download_address_is_on_another_host(
        self, kit: Kit, small: Recording, url: str
    ) -> None:
        message = kit.message(small)
        port = kit.zoom.cdn_url.rpartition(":")[2]
        message["recording_files"][0]["download_url"] = url.format(port=port)
        assert kit.take(message)
        assert kit.zoom.requests == ()
        (dead,) = kit.dead()
        assert "ZOOM_DOWNLOAD_HOSTS" in dead["reason"]
        assert kit.outcome[1].startswith("permanent failure: ")


class TestFailuresThatMayPass:
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_message_is_retried_when_zooms_host_is_busy_or_broken(
        self, kit: Kit, small: Recording, status: int
    ) -> None:
        kit.zoom.fail(Fault(kind="status", status=status, times=99))
        assert not kit.take(kit.message(small), receive_count=3)
        state, reason = kit.outcome
        assert state == "DOWNLOADER_FAILED"
        assert reason == (
            f"retryable failure: Zoom answered {status} to the download. "
            "(attempt 3 of 12, next try at 2026-10-14T18:34:00Z)"
        )
        assert kit.row["retry_due"] == "2026-10-14T18:34:00Z"
        assert kit.dead() == kit.uploads() == []
        assert kit.downloads() == 2 * ATTEMPTS
        assert len(kit.sleep.slept) == 2 * (ATTEMPTS - 1)

    def test_backoff_is_the_visibility_timeout_of_the_message(
        self, kit: Kit, small: Recording
    ) -> None:
        kit.zoom.fail(Fault(kind="status", status=500, times=99))
        with recorded(kit.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
            kit.take(kit.message(small), receive_count=2)
        (change,) = asked
        assert change["QueueUrl"] == kit.aws.download_queue
        assert change["VisibilityTimeout"] == 120

    def test_message_is_given_up_with_a_reason_at_its_last_receive(
        self, kit: Kit, small: Recording
    ) -> None:
        """Left to the queue it would be a dead letter without a reason."""
        kit.zoom.fail(Fault(kind="status", status=500, times=99))
        assert kit.take(kit.message(small), receive_count=12)
        (dead,) = kit.dead()
        assert "attempt 12 of 12, no more tries: an operator is needed" in dead["reason"]
        state, reason = kit.outcome
        assert state == "DOWNLOADER_FAILED"
        assert "attempt 12 of 12, no more tries: an operator is needed" in reason
        assert "retry_due" not in kit.row

    @pytest.mark.parametrize("kind", ["reset", "early_close", "short_length", "wrong_bytes"])
    @pytest.mark.parametrize("ranges", [True, False])
    def test_message_is_retried_when_the_bytes_never_arrive_whole(
        self, kit: Kit, small: Recording, kind: Any, ranges: bool
    ) -> None:
        video = small.files[0].file_id
        kit.zoom.set(ranges=ranges)
        kit.zoom.fail(Fault(kind=kind, where="cdn", times=999, file_id=video, after_bytes=0))
        assert not kit.take(kit.message(small))
        assert kit.outcome[1].startswith("retryable failure: ")
        assert kit.uploads() == []

    def test_file_is_copied_again_when_its_bytes_were_wrong(
        self, kit: Kit, small: Recording
    ) -> None:
        """The object is whole and of the right size by then: what is in it counts."""
        video = small.files[0].file_id
        kit.zoom.fail(Fault(kind="wrong_bytes", where="cdn", times=2, file_id=video))
        message = kit.message(small)
        assert not kit.take(message)
        assert kit.take(message, receive_count=2)
        assert kit.outcome == ("SENT_TO_UPLOADER", "")
        assert small.files[0].path
        assert small.files[0].path.read_bytes() in kit.objects().values()

    @pytest.mark.parametrize("ranges", [True, False])
    def test_message_is_retried_when_a_chat_has_another_size_than_zoom_says(
        self, kit: Kit, small: Recording, ranges: bool
    ) -> None:
        """No container tells that it is cut: the size does."""
        kit.zoom.set(ranges=ranges)
        message = kit.message(small)
        message["recording_files"][1]["file_size"] += 10
        assert not kit.take(message)
        size = small.files[1].size
        assert f"tells {size} bytes of " in kit.outcome[1]
        assert f"Zoom {size + 10}." in kit.outcome[1]
        assert kit.uploads() == []

    @pytest.mark.parametrize("kind", ["reset", "early_close", "short_length"])
    @pytest.mark.parametrize("ranges", [True, False])
    def test_recording_is_sent_on_when_its_bytes_arrive_whole_in_the_end(
        self, kit: Kit, small: Recording, kind: Any, ranges: bool
    ) -> None:
        kit.zoom.set(ranges=ranges)
        kit.zoom.fail(Fault(kind=kind, where="cdn", times=3))
        kit.zoom.fail(Fault(kind="status", status=503, times=1))
        assert kit.take(kit.message(small))
        assert kit.outcome == ("SENT_TO_UPLOADER", "")
        assert set(kit.objects().values()) == contents(small)
        assert kit.sleep.slept

    def test_message_is_retried_when_an_mp4_file_is_not_one(
        self, kit: Kit, small: Recording, tmp_path: Path
    ) -> None:
        page = tmp_path / "page.mp4"
        page.write_text("<html>" * 10)
        kit.zoom.add(with_file(small, 0, path=page))
        assert not kit.take(kit.message(small))
        assert "no MP4" in kit.outcome[1]
        assert kit.uploads() == []

    def test_message_is_retried_when_zooms_api_fails_to_renew_a_token(
        self, kit: Kit, small: Recording
    ) -> None:
        message = kit.message(small)
        kit.zoom.expire_download_tokens(small.uuid)
        kit.zoom.fail(Fault(kind="status", where="api", status=503, times=99))
        assert not kit.take(message)
        assert kit.outcome[1].startswith("retryable failure: Zoom's API answered 503")

    def test_message_is_retried_when_aws_fails(self, kit: Kit, small: Recording) -> None:
        kit.bucket_name = "nowhere"
        assert not kit.take(kit.message(small))
        state, reason = kit.outcome
        assert state == "DOWNLOADER_FAILED"
        assert "retryable failure: AWS failed: CreateMultipartUpload answered NoSuchBucket." in (
            reason
        )
        assert "next try at" in reason

    def test_message_is_retried_when_the_upload_queue_fails(
        self, kit: Kit, small: Recording
    ) -> None:
        message = kit.message(small)
        kit.aws.sqs.delete_queue(QueueUrl=kit.aws.upload_queue)
        assert not kit.take(message)
        assert "SendMessage" in kit.outcome[1]

    @pytest.mark.parametrize(
        "events", ["none", [{"day": "W", "time": "10:00"}], [{"day": 3, "time": 10, "title": "L"}]]
    )
    def test_message_is_retried_when_the_schedule_can_not_be_read(
        self, kit: Kit, small: Recording, events: Any
    ) -> None:
        """Edited by hand, say: the row tells, instead of twelve crashes and a bare dead letter."""
        kit.aws.schedule.put_item(Item={"zoom_series_id": str(MEETING), "events": events})
        assert not kit.take(kit.message(small))
        state, reason = kit.outcome
        assert state == "DOWNLOADER_FAILED"
        assert f"The schedule's row of meeting {MEETING} can't be read" in reason
        assert "next try at" in reason
        assert kit.downloads() == 0

    def test_recording_is_sent_on_when_an_earlier_attempt_failed(
        self, kit: Kit, small: Recording
    ) -> None:
        kit.aws.status.put_item(Item=row_in("DOWNLOADER_FAILED", reason="retryable failure: x"))
        assert kit.take(kit.message(small), receive_count=2)
        assert kit.outcome == ("SENT_TO_UPLOADER", "")


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
        self, kit: Kit, small: Recording, spoil: dict[str, Any]
    ) -> None:
        message = {**kit.message(small), **spoil}
        assert kit.take(message)
        (dead,) = kit.dead()
        assert dead["body"] == message
        assert "can't be read" in dead["reason"]
        assert kit.outcome[0] == "DOWNLOADER_FAILED"
        assert kit.outcome[1].startswith("permanent failure: The message on the queue")

    @pytest.mark.parametrize("body", ['"text"', "[]", '{"zip_id": 7}', "{}"])
    def test_malformed_message_is_given_up_when_it_has_no_zip_id(self, kit: Kit, body: str) -> None:
        assert kit.take(body)
        (dead,) = kit.dead()
        assert dead["body"] == json.loads(body)
        assert kit.outcome == ("SENT_TO_DOWNLOADER", "")

    def test_message_is_given_up_when_it_is_not_json(self, kit: Kit) -> None:
        assert kit.take("{not json")
        answer = kit.aws.sqs.receive_message(
            QueueUrl=kit.aws.download_dlq, MessageAttributeNames=["All"]
        )
        assert answer["Messages"][0]["Body"] == "{not json"
        assert "FailedReason" in answer["Messages"][0]["MessageAttributes"]


class TestUnforeseenErrors:
    @pytest.fixture(autouse=True)
    def _broken(self, kit: Kit) -> None:
        def stumble(_file_id: str, _first: int) -> None:
            raise KeyError("token=abc")

        kit.before_bytes = stumble

    def test_unforeseen_error_is_raised_until_the_last_receive(
        self, kit: Kit, small: Recording
    ) -> None:
        with pytest.raises(KeyError):
            kit.take(kit.message(small), receive_count=11)
        assert kit.dead() == []

    def test_message_is_given_up_when_an_unforeseen_error_comes_at_its_last_receive(
        self, kit: Kit, small: Recording, caplog: pytest.LogCaptureFixture
    ) -> None:
        """SQS would move it to the dead-letter queue without a reason."""
        message = kit.message(small)
        assert kit.take(message, receive_count=12)
        said = "An error that was not foreseen (KeyError): see the log."
        assert kit.outcome == (
            "DOWNLOADER_FAILED",
            f"permanent failure: {said} An operator is needed.",
        )
        [dead] = kit.dead()
        assert (dead["body"], dead["reason"]) == (message, said)
        [record] = [one for one in caplog.records if one.levelname == "ERROR"]
        assert "stumble" in logging.Formatter().format(record)
