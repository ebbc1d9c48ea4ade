"""How often the uploader retries, what the row says meanwhile, and where messages end."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from ingester.ledger.record import End
from tests.hooks import recorded
from tests.unit.functions.uploader.harness import OTHER_ZIP_ID, OWN_ID, ZIP_ID, Kit


class TestCounting:
    """Real failures: Opencast answered, and what it said is no outage."""

    def test_operator_is_needed_after_five_failures(self, kit: Kit) -> None:
        kit.fail("status", path="/series/", status=403, times=None)
        message = kit.message()
        dues = ["18:31:00", "18:32:00", "18:34:00", "18:38:00"]
        for number, due in enumerate(dues, 1):
            assert not kit.take(message, receive_count=number + 10)
            state, reason = kit.outcome
            assert state == "UPLOADER_FAILED"
            assert reason.startswith("Opencast refuses its user reading the series (403)")
            assert f"(attempt {number} of 5, next try at 2026-10-14T{due}Z)" in reason
            assert kit.failures == kit.row["failures"] == number
            assert kit.row["retry_due"] == f"2026-10-14T{due}Z"
            assert kit.dead() == []
        assert kit.take(message, receive_count=15)
        state, reason = kit.outcome
        assert state == "UPLOADER_FAILED"
        assert "attempt 5 of 5, no more tries: an operator is needed" in reason
        (dead,) = kit.dead()
        assert dead["body"] == message
        assert dead["reason"] == reason
        assert dead["group"] == message["uuid"]
        assert "retry_due" not in kit.row
        assert kit.record.request(ZIP_ID).end is End.FAILED

    def test_opencast_breaking_down_in_the_ingest_is_a_failure(self, kit: Kit) -> None:
        for number in range(1, 5):
            kit.break_down()
            assert not kit.take(kit.message())
            assert kit.failures == number
        kit.break_down()
        assert kit.take(kit.message())
        (dead,) = kit.dead()
        assert "It broke down in the ingest (500) and has no such event." in dead["reason"]
        assert kit.posts == 5

    def test_count_begins_anew_when_an_operator_retries(self, kit: Kit) -> None:
        kit.fail("status", path="/series/", status=403, times=6)
        for _ in range(5):
            kit.take(kit.message())
        assert not kit.take(kit.message())
        assert "attempt 1 of 5" in kit.outcome[1]

    def test_dead_letter_is_not_dropped_when_it_fails_again_at_once(self, kit: Kit) -> None:
        """A FIFO queue drops what it had within five minutes: not these."""
        message = kit.message(opencast_series_id="20269999999")
        kit.take(message)
        kit.take(message)
        assert len(kit.dead()) == 2

    def test_waiting_is_not_counted_as_a_failure(self, kit: Kit) -> None:
        kit.be_busy()
        kit.fail("status", path="/series/", status=403, times=2)
        kit.take(kit.message())
        kit.take(kit.message(), receive_count=2)
        kit.fail("close")
        for receive_count in range(3, 9):
            assert not kit.take(kit.message(), receive_count=receive_count)
        assert kit.outcome[0] == "UPLOADER_RECEIVED"
        assert kit.failures == 2
        kit.clock.forward(hours=6)
        kit.fail("status", path="/api/events/", status=403)
        kit.take(kit.message(), receive_count=9)
        assert "attempt 3 of 5" in kit.outcome[1]

    def test_failures_of_another_request_are_not_counted(self, kit: Kit) -> None:
        kit.fail("status", path="/series/", status=403, times=4)
        for _ in range(4):
            kit.take(kit.message())
        kit.put_row(OTHER_ZIP_ID)
        kit.fail("status", path="/series/", status=403)
        kit.take(kit.message(zip_id=OTHER_ZIP_ID))
        assert "attempt 1 of 5" in kit.outcome_of(OTHER_ZIP_ID)[1]

    def test_failure_waits_when_it_can_not_be_counted(self, kit: Kit) -> None:
        kit.fail("status", path="/series/", status=403)
        with kit.ledger_failing():
            assert not kit.take(kit.message())
        assert kit.outcome[0] == "UPLOADER_FAILED"
        assert kit.outcome[1].startswith("AWS failed: UpdateItem answered Throttling.")
        assert kit.take(kit.message(), receive_count=2)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")

    def test_operator_is_needed_when_waiting_has_spent_the_last_receive(self, kit: Kit) -> None:
        """Then the queue would drop it, without a reason and with a row that says when it asks."""
        kit.fail("close")
        kit.take(kit.message())
        assert not kit.take(kit.message(), receive_count=49)
        assert kit.take(kit.message(), receive_count=50)
        state, reason = kit.outcome
        assert state == "UPLOADER_FAILED"
        assert "doesn't show it yet: look for it in Opencast" in reason
        assert reason.endswith("an operator is needed")
        (dead,) = kit.dead()
        assert dead["reason"] == reason
        assert kit.posts_of == {OWN_ID: ["unknown"]}

    def test_operator_is_needed_when_the_last_receive_fails(self, kit: Kit) -> None:
        kit.fail("status", path="/series/", status=403)
        assert kit.take(kit.message(), receive_count=50)
        assert "attempt 1 of 5, no more tries: an operator is needed" in kit.outcome[1]
        assert len(kit.dead()) == 1

    def test_next_try_is_the_messages_own_visibility(self, kit: Kit) -> None:
        kit.fail("status", path="/series/", status=403, times=None)
        with recorded(kit.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
            for _ in range(5):
                kit.take(kit.message())
        assert [one["VisibilityTimeout"] for one in asked] == [60, 120, 240, 480]

    def test_row_and_ledger_forget_failures_when_the_ingest_is_taken(self, kit: Kit) -> None:
        kit.fail("status", path="/series/", status=403)
        kit.take(kit.message())
        assert kit.failures == 1
        assert kit.take(kit.message(), receive_count=2)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.failures == 0
        assert not {"failures", "retry_due"} & kit.row.keys()


class TestMalformedMessages:
    @pytest.mark.parametrize(
        "spoil", [{"uuid": None}, {"s3_files": []}, {"created": "yesterday"}, {"oc_title": 7}]
    )
    def test_malformed_message_is_given_up_with_the_reason(
        self, kit: Kit, spoil: dict[str, Any]
    ) -> None:
        message = {**kit.message(), **spoil}
        assert kit.take(message)
        (dead,) = kit.dead()
        assert dead["body"] == message
        assert "can't be read" in dead["reason"]
        assert kit.outcome == ("UPLOADER_FAILED", dead["reason"])
        assert kit.opencast.requests == []

    @pytest.mark.parametrize("body", ['"text"', "[]", '{"zip_id": 7}', "{}"])
    def test_malformed_message_is_given_up_when_it_has_no_zip_id(self, kit: Kit, body: str) -> None:
        assert kit.take(body)
        (dead,) = kit.dead()
        assert dead["body"] == json.loads(body)
        assert kit.outcome == ("SENT_TO_UPLOADER", "")


class TestTheHandler:
    def record(self, kit: Kit, message: Any, message_id: str) -> dict[str, Any]:
        taken = kit.receive(message)
        return {
            "messageId": message_id,
            "receiptHandle": taken.receipt_handle,
            "body": taken.body,
            "attributes": {"ApproximateReceiveCount": "2"},
        }

    def test_batch_response_names_only_retried_messages(self, kit: Kit) -> None:
        kit.fail("status", path="/series/", status=403)
        records = [
            self.record(kit, kit.message(), "fails"),
            self.record(kit, "{}", "malformed"),
            self.record(kit, kit.message(), "works"),
        ]
        answer = kit.run({"Records": records})
        assert answer == {"batchItemFailures": [{"itemIdentifier": "fails"}]}
        assert kit.outcome == ("SENT_TO_OPENCAST", "")

    def test_batch_response_names_a_message_that_waits(self, kit: Kit) -> None:
        kit.fail("close")
        record = self.record(kit, kit.message(), "waits")
        answer = kit.run({"Records": [record]})
        assert answer == {"batchItemFailures": [{"itemIdentifier": "waits"}]}

    def test_operator_is_told_when_the_queue_is_empty(self, kit: Kit) -> None:
        answer = kit.run({})
        assert answer == {"message": "nothing waiting"}

    @pytest.mark.parametrize(("fails", "left"), [(False, 0), (True, 1)])
    def test_operators_call_deletes_a_message_only_when_it_is_done(
        self, kit: Kit, fails: bool, left: int
    ) -> None:
        if fails:
            kit.fail("status", path="/series/", status=403)
        kit.aws.sqs.send_message(
            QueueUrl=kit.aws.upload_queue,
            MessageBody=json.dumps(kit.message()),
            MessageGroupId="g",
        )
        answer = kit.run({})
        assert answer["message"].startswith("not done" if fails else "done")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = kit.aws.sqs.get_queue_attributes(
            QueueUrl=kit.aws.upload_queue, AttributeNames=names
        )["Attributes"]
        assert sum(int(attributes[name]) for name in names) == left


def test_recording_is_ingested_when_its_row_is_gone(kit: Kit) -> None:
    kit.aws.status.delete_item(Key={"zip_id": ZIP_ID})
    assert kit.take(kit.message())
    assert len(kit.opencast.ingests) == 1
    assert kit.take(kit.message(), receive_count=2)
    assert kit.posts == 1


def test_failures_are_counted_when_the_row_is_gone(kit: Kit) -> None:
    """Rows live for 7 days, messages for 14."""
    kit.aws.status.delete_item(Key={"zip_id": ZIP_ID})
    kit.fail("status", status=400, times=None)
    for receive_count in range(1, 5):
        assert not kit.take(kit.message(), receive_count=receive_count)
    assert kit.take(kit.message(), receive_count=5)
    (dead,) = kit.dead()
    assert "attempt 5 of 5, no more tries" in dead["reason"]


class TestUnforeseenErrors:
    @pytest.fixture(autouse=True)
    def _broken(self, kit: Kit) -> None:
        def stumble() -> None:
            raise KeyError("token=abc")

        kit.when_answered("/series/", stumble)

    def test_unforeseen_error_is_raised_until_the_last_receive(self, kit: Kit) -> None:
        with pytest.raises(KeyError):
            kit.take(kit.message(), receive_count=49)
        assert kit.dead() == []

    def test_message_is_given_up_when_an_unforeseen_error_comes_at_its_last_receive(
        self, kit: Kit, caplog: pytest.LogCaptureFixture
    ) -> None:
        """SQS would move it to the dead-letter queue without a reason."""
        message = kit.message()
        assert kit.take(message, receive_count=50)
        said = "An error that was not foreseen (KeyError): see the log."
        assert kit.outcome == ("UPLOADER_FAILED", said)
        [dead] = kit.dead()
        assert (dead["body"], dead["reason"]) == (message, said)
        [record] = [one for one in caplog.records if one.levelname == "ERROR"]
        assert "stumble" in logging.Formatter().format(record)
