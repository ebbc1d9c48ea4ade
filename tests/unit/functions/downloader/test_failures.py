"""Failures of the downloader, such as refused downloads and malformed messages."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from ingester.transfer.part_worker import ATTEMPTS
from ingester.transfer.parts import parts_of
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.hooks import recorded
from tests.unit.functions.downloader.harness import (
    LONGISH,
    MEETING,
    Harness,
    contents,
    row_in,
)


class TestRefusals:
    @pytest.mark.parametrize(
        ("index", "part"), [(0, 1), (1, 0)], ids=["in the middle of a file", "between two files"]
    )
    def test_token_and_url_are_renewed_once_when_they_expire_during_a_copy(
        self, harness: Harness, longish: Recording, index: int, part: int
    ) -> None:
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
    def test_message_goes_to_the_dlq_when_a_fresh_token_is_refused_too(
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


class TestFailuresThatMayPass:
    @pytest.mark.parametrize("status", [500, 503])
    def test_message_is_retried_when_the_download_host_of_zoom_answers_500_or_503(
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

    def test_backoff_becomes_the_visibility_timeout_when_a_message_is_retried(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=500, times=99))
        with recorded(harness.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
            harness.take(harness.message(small), receive_count=2)
        (change,) = asked
        assert change["QueueUrl"] == harness.aws.download_queue
        assert change["VisibilityTimeout"] == 120

    def test_message_goes_to_the_dlq_with_a_reason_when_the_attempt_at_its_last_receive_fails(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=500, times=99))
        assert harness.take(harness.message(small), receive_count=12)
        (dead,) = harness.dead()
        assert "attempt 12 of 12, no more retries: an operator is needed" in dead["reason"]
        state, reason = harness.outcome
        assert state == "DOWNLOADER_FAILED"
        assert "attempt 12 of 12, no more retries: an operator is needed" in reason
        assert "retry_due" not in harness.row

    def test_message_is_retried_when_its_token_has_expired_and_the_zoom_api_answers_503(
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

    @pytest.mark.parametrize(
        "events", ["none", [{"day": "W", "time": "10:00"}], [{"day": 3, "time": 10, "title": "L"}]]
    )
    def test_message_is_retried_when_the_schedule_cannot_be_read(
        self, harness: Harness, small: Recording, events: Any
    ) -> None:
        # Somebody may edit the schedule's table by hand.
        harness.aws.schedule.put_item(Item={"zoom_series_id": str(MEETING), "events": events})
        assert not harness.take(harness.message(small))
        state, reason = harness.outcome
        assert state == "DOWNLOADER_FAILED"
        assert f"The schedule's row of meeting {MEETING} can't be read" in reason
        assert "next try at" in reason
        assert harness.downloads() == 0

    def test_recording_goes_to_the_uploader_when_a_retry_succeeds(
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
    def test_malformed_download_message_goes_to_the_dlq_with_the_reason(
        self, harness: Harness, small: Recording, spoil: dict[str, Any]
    ) -> None:
        message = {**harness.message(small), **spoil}
        assert harness.take(message)
        (dead,) = harness.dead()
        assert dead["body"] == message
        assert "can't be read" in dead["reason"]
        assert harness.outcome[0] == "DOWNLOADER_FAILED"
        assert harness.outcome[1].startswith("permanent failure: The message on the queue")


class TestTooManyRequests:
    """Answers of 429, after which messages wait without using up a receive."""

    @pytest.mark.parametrize("is_partial", [False, True], ids=["of a file", "of the API"])
    def test_request_waits_in_a_new_message_when_zoom_answers_429(
        self, harness: Harness, small: Recording, is_partial: bool
    ) -> None:
        where: Literal["api", "download"] = "api" if is_partial else "download"
        harness.zoom.fail(Fault(kind="status", status=429, where=where, times=99))
        message = harness.message(small) | {"is_partial": is_partial}
        assert harness.take(message, receive_count=12)
        (again,) = harness.aws.sent_to(harness.aws.download_queue)
        assert 60 <= again["delay_seconds"] <= 90
        assert harness.outcome[1].startswith("Zoom asks for fewer requests (429); asks again at ")
        assert harness.dead() == []
        harness.zoom.clear_faults()
        harness.clock.forward(seconds=90)
        assert harness.take(again["body"])
        assert harness.outcome == ("SENT_TO_UPLOADER", "")

    def test_other_recordings_wait_without_a_request_to_zoom_when_one_recording_got_a_429(
        self, harness: Harness, small: Recording, longish: Recording
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=429, times=99))
        assert harness.take(harness.message(small))
        harness.zoom.clear_faults()
        harness.zoom.forget_requests()
        other = harness.message(longish) | {"uuid": "other==", "zip_id": "auto-ingest-other"}
        assert harness.take(other)
        (waiting,) = harness.aws.sent_to(harness.aws.download_queue)
        assert 60 <= waiting["delay_seconds"] <= 90
        assert harness.zoom.requests == ()

    def test_shared_pause_of_downloads_doubles_with_each_429_of_any_request(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=429, times=999))
        delays = []
        for number in range(3):
            assert harness.take(harness.message(small, zip_id=f"auto-ingest-{number}"))
            (waiting,) = harness.aws.sent_to(harness.aws.download_queue)
            delays.append(waiting["delay_seconds"])
            harness.clock.forward(seconds=waiting["delay_seconds"])
        assert delays[1] >= 120
        assert delays[2] >= 240
