"""The uploader's retries, the reasons in the row, and messages that are given up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingester.ledger.record import End
from tests.hooks import failing_table, recorded
from tests.unit.functions.uploader.harness import OTHER_ZIP_ID, OWN_ID, ZIP_ID, Harness


class TestCounting:
    """The count of a request's failures, and the end of its retries."""

    def test_message_goes_to_the_dlq_after_five_failures(self, harness: Harness) -> None:
        harness.fail("status", path="/series/", status=403, times=None)
        message = harness.message()
        dues = ["18:31:00", "18:32:00", "18:34:00", "18:38:00"]
        for number, due in enumerate(dues, 1):
            assert not harness.take(message, receive_count=number + 10)
            state, reason = harness.outcome
            assert state == "UPLOADER_FAILED"
            assert reason.startswith("Opencast refuses its user reading the series (403)")
            assert f"(attempt {number} of 5, next try at 2026-10-14T{due}Z)" in reason
            assert harness.failures == harness.row["failures"] == number
            assert harness.row["retry_due"] == f"2026-10-14T{due}Z"
            assert harness.dead() == []
        assert harness.take(message, receive_count=15)
        state, reason = harness.outcome
        assert state == "UPLOADER_FAILED"
        assert "attempt 5 of 5, no more retries: an operator is needed" in reason
        (dead,) = harness.dead()
        assert dead["body"] == message
        assert dead["reason"] == reason
        assert dead["group"] == message["uuid"]
        assert "retry_due" not in harness.row
        assert harness.record.request(ZIP_ID).end is End.FAILED

    def test_failure_is_counted_when_opencast_answers_500_to_the_ingest(
        self, harness: Harness
    ) -> None:
        for number in range(1, 5):
            harness.break_down()
            assert not harness.take(harness.message())
            assert harness.failures == number
        harness.break_down()
        assert harness.take(harness.message())
        (dead,) = harness.dead()
        assert "It broke down in the ingest (500) and has no such event." in dead["reason"]
        assert harness.posts == 5

    def test_failures_are_counted_from_0_when_an_operator_redrives_the_message(
        self, harness: Harness
    ) -> None:
        harness.fail("status", path="/series/", status=403, times=6)
        for _ in range(5):
            harness.take(harness.message())
        assert not harness.take(harness.message())
        assert "attempt 1 of 5" in harness.outcome[1]

    def test_dlq_keeps_a_redriven_message_when_it_fails_again_within_five_minutes(
        self, harness: Harness
    ) -> None:
        # A FIFO queue drops a message if its deduplication id came in the last five minutes:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
        message = harness.message(opencast_series_id="20269999999")
        harness.take(message)
        harness.take(message)
        assert len(harness.dead()) == 2

    def test_number_of_failures_stays_the_same_while_the_message_waits(
        self, harness: Harness
    ) -> None:
        harness.be_busy()
        harness.fail("status", path="/series/", status=403, times=2)
        harness.take(harness.message())
        harness.take(harness.message(), receive_count=2)
        harness.fail("close")
        for receive_count in range(3, 9):
            assert not harness.take(harness.message(), receive_count=receive_count)
        assert harness.outcome[0] == "UPLOADER_RECEIVED"
        assert harness.failures == 2
        harness.clock.forward(hours=6)
        harness.fail("status", path="/api/events/", status=403)
        harness.take(harness.message(), receive_count=9)
        assert "attempt 3 of 5" in harness.outcome[1]

    def test_failures_of_a_request_are_not_counted_for_another_request(
        self, harness: Harness
    ) -> None:
        harness.fail("status", path="/series/", status=403, times=4)
        for _ in range(4):
            harness.take(harness.message())
        harness.put_row(OTHER_ZIP_ID)
        harness.fail("status", path="/series/", status=403)
        harness.take(harness.message(zip_id=OTHER_ZIP_ID))
        assert "attempt 1 of 5" in harness.outcome_of(OTHER_ZIP_ID)[1]

    def test_message_is_retried_when_its_failure_cannot_be_counted(self, harness: Harness) -> None:
        harness.fail("status", path="/series/", status=403)
        with failing_table(harness.aws.recordings):
            assert not harness.take(harness.message())
        assert harness.outcome[0] == "UPLOADER_FAILED"
        assert harness.outcome[1].startswith("AWS failed: UpdateItem answered Throttling.")
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    def test_message_goes_to_the_dlq_when_waiting_has_used_up_the_last_receive(
        self, harness: Harness
    ) -> None:
        harness.fail("close")
        harness.take(harness.message())
        assert not harness.take(harness.message(), receive_count=49)
        assert harness.take(harness.message(), receive_count=50)
        state, reason = harness.outcome
        assert state == "UPLOADER_FAILED"
        assert "doesn't show it yet: look for it in Opencast" in reason
        assert reason.endswith("an operator is needed")
        (dead,) = harness.dead()
        assert dead["reason"] == reason
        assert harness.posts_of == {OWN_ID: ["unknown"]}

    def test_message_goes_to_the_dlq_when_the_attempt_at_its_last_receive_fails(
        self, harness: Harness
    ) -> None:
        harness.fail("status", path="/series/", status=403)
        assert harness.take(harness.message(), receive_count=50)
        assert "attempt 1 of 5, no more retries: an operator is needed" in harness.outcome[1]
        assert len(harness.dead()) == 1

    def test_visibility_timeout_doubles_with_each_failure(self, harness: Harness) -> None:
        harness.fail("status", path="/series/", status=403, times=None)
        with recorded(harness.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
            for _ in range(5):
                harness.take(harness.message())
        assert [call["VisibilityTimeout"] for call in asked] == [60, 120, 240, 480]

    def test_failures_are_reset_in_row_and_ledger_when_the_ingest_is_accepted(
        self, harness: Harness
    ) -> None:
        harness.fail("status", path="/series/", status=403)
        harness.take(harness.message())
        assert harness.failures == 1
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.failures == 0
        assert not {"failures", "retry_due"} & harness.row.keys()


class TestMalformedMessages:
    @pytest.mark.parametrize(
        "spoil", [{"uuid": None}, {"s3_files": []}, {"created": "yesterday"}, {"oc_title": 7}]
    )
    def test_malformed_upload_message_goes_to_the_dlq_with_the_reason(
        self, harness: Harness, spoil: dict[str, Any]
    ) -> None:
        message = {**harness.message(), **spoil}
        assert harness.take(message)
        (dead,) = harness.dead()
        assert dead["body"] == message
        assert "can't be read" in dead["reason"]
        assert harness.outcome == ("UPLOADER_FAILED", dead["reason"])
        assert harness.opencast.requests == []


class TestTheHandler:
    def record(self, harness: Harness, message: Any, message_id: str) -> dict[str, Any]:
        taken = harness.receive(message)
        return {
            "messageId": message_id,
            "receiptHandle": taken.receipt_handle,
            "body": taken.body,
            "attributes": {"ApproximateReceiveCount": "2"},
        }

    def test_batch_response_names_a_message_that_waits(self, harness: Harness) -> None:
        harness.fail("close")
        record = self.record(harness, harness.message(), "waits")
        answer = harness.run({"Records": [record]})
        assert answer == {"batchItemFailures": [{"itemIdentifier": "waits"}]}

    @pytest.mark.parametrize(("fails", "left"), [(False, 0), (True, 1)])
    def test_uploader_called_by_an_operator_leaves_only_a_message_to_retry_on_the_queue(
        self, harness: Harness, fails: bool, left: int
    ) -> None:
        if fails:
            harness.fail("status", path="/series/", status=403)
        harness.aws.sqs.send_message(
            QueueUrl=harness.aws.upload_queue,
            MessageBody=json.dumps(harness.message()),
            MessageGroupId="g",
        )
        answer = harness.run({})
        assert answer["message"].startswith("not done" if fails else "done")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = harness.aws.sqs.get_queue_attributes(
            QueueUrl=harness.aws.upload_queue, AttributeNames=names
        )["Attributes"]
        assert sum(int(attributes[name]) for name in names) == left

    def test_uploader_called_by_an_operator_reports_a_failure_when_the_message_is_given_up(
        self, harness: Harness
    ) -> None:
        harness.aws.sqs.send_message(
            QueueUrl=harness.aws.upload_queue,
            MessageBody=json.dumps(harness.message(opencast_series_id="none")),
            MessageGroupId="g",
        )
        assert harness.run({}) == {"message": "failed, see the recording's row and the log"}
        assert len(harness.dead()) == 1


def test_recording_is_ingested_when_its_row_is_gone(harness: Harness) -> None:
    harness.aws.status.delete_item(Key={"zip_id": ZIP_ID})
    assert harness.take(harness.message())
    assert len(harness.opencast.ingests) == 1
    assert harness.take(harness.message(), receive_count=2)
    assert harness.posts == 1


def test_failures_are_counted_when_the_row_is_gone(harness: Harness) -> None:
    # The table keeps a row for 7 days, and the queue keeps a message for 14 days.
    harness.aws.status.delete_item(Key={"zip_id": ZIP_ID})
    harness.fail("status", status=400, times=None)
    for receive_count in range(1, 5):
        assert not harness.take(harness.message(), receive_count=receive_count)
    assert harness.take(harness.message(), receive_count=5)
    (dead,) = harness.dead()
    assert "attempt 5 of 5, no more retries" in dead["reason"]
