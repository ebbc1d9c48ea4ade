"""Unit tests of the pipeline's queues, with moto's SQS."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingester.pipeline.queue import Queue, received_of
from tests.cloud import Cloud
from tests.hooks import recorded

RECORD = {
    "messageId": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78",
    "receiptHandle": "MessageReceiptHandle",
    "body": '{"uuid":"a"}',
    "attributes": {
        "ApproximateReceiveCount": "3",
        "SentTimestamp": "1523232000000",
        "SenderId": "123456789012",
        "ApproximateFirstReceiveTimestamp": "1523232000001",
    },
    "messageAttributes": {},
    "eventSource": "aws:sqs",
    "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:test-download",
    "awsRegion": "us-east-1",
}


def test_received_message_has_the_fields_of_its_record_in_the_lambda_event() -> None:
    message = received_of(RECORD)
    assert message.message_id == RECORD["messageId"]
    assert message.receipt_handle == "MessageReceiptHandle"
    assert message.body == '{"uuid":"a"}'
    assert message.receive_count == 3
    assert message.first_received == datetime(2018, 4, 9, 0, 0, 0, 1000, tzinfo=UTC)


def test_time_of_the_first_receive_is_none_when_the_lambda_event_lacks_it() -> None:
    attributes = {"ApproximateReceiveCount": "3"}
    assert received_of(RECORD | {"attributes": attributes}).first_received is None


@pytest.mark.parametrize(("asked", "sent"), [(0, 0), (300, 300), (900, 900), (5000, 900)])
def test_delay_of_a_message_is_at_most_900_seconds(aws: Cloud, asked: int, sent: int) -> None:
    Queue(aws.sqs, aws.download_queue).send("{}", delay_seconds=asked)
    (message,) = aws.sent_to(aws.download_queue)
    assert message["delay_seconds"] == sent


def test_fifo_queue_keeps_the_order_and_drops_repeated_messages(aws: Cloud) -> None:
    queue = Queue(aws.sqs, aws.upload_queue)
    for body in ('{"n": 1}', '{"n": 1}', '{"n": 2}'):
        queue.send_in_order(body, group="uuid==")
    found = aws.messages(aws.upload_queue)
    assert [(message["body"]["n"], message["group"]) for message in found] == [
        (1, "uuid=="),
        (2, "uuid=="),
    ]


class TestDeadLetterQueue:
    def test_message_on_a_dlq_has_the_reason_of_its_failure(self, aws: Cloud) -> None:
        queue = Queue(aws.sqs, aws.download_dlq)
        queue.send_with_reason('{"a": 1}', "It is gone.", group="g", identity="m-1")
        (dead,) = aws.messages(aws.download_dlq)
        assert (dead["body"], dead["reason"]) == ({"a": 1}, "It is gone.")

    def test_dlq_drops_a_message_only_when_the_same_message_failed_before(self, aws: Cloud) -> None:
        queue = Queue(aws.sqs, aws.upload_dlq)
        for identity in ("m-1", "m-1", "m-2"):
            queue.send_with_reason('{"a": 1}', "why", group="uuid==", identity=identity)
        dead = aws.messages(aws.upload_dlq)
        assert [(message["reason"], message["group"]) for message in dead] == [
            ("why", "uuid==")
        ] * 2

    def test_reason_of_a_message_on_a_dlq_contains_no_secret(self, aws: Cloud) -> None:
        queue = Queue(aws.sqs, aws.download_dlq)
        reason = "at https://x/a?access_token=abc123&b=1"
        queue.send_with_reason("{}", reason, group="g", identity="m-1")
        (dead,) = aws.messages(aws.download_dlq)
        assert "abc123" not in dead["reason"]

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(reason=st.text(max_size=1200))
    def test_reason_of_a_message_on_a_dlq_has_a_form_that_sqs_accepts_whatever_its_text(
        self, aws: Cloud, reason: str
    ) -> None:
        queue = Queue(aws.sqs, aws.download_dlq)
        with recorded(aws.sqs, "sqs.SendMessage") as sent:
            queue.send_with_reason("{}", reason, group="g", identity="m-1")
        text = sent[0]["MessageAttributes"]["FailedReason"]["StringValue"]
        assert 0 < len(text) <= 1000
        assert all(
            char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char not in "\ufffe\uffff"
            for char in text
        )


class TestTaking:
    def test_nothing_is_received_from_an_empty_queue(self, aws: Cloud) -> None:
        assert Queue(aws.sqs, aws.download_queue).receive_one() is None

    def test_received_message_stays_in_its_queue_until_it_is_deleted(self, aws: Cloud) -> None:
        queue = Queue(aws.sqs, aws.download_queue)
        queue.send('{"a": 1}')
        taken = queue.receive_one()
        assert taken is not None
        assert (json.loads(taken.body), taken.receive_count) == ({"a": 1}, 1)
        assert self.left(aws) == ("0", "1")
        queue.delete(taken)
        assert self.left(aws) == ("0", "0")

    def test_message_is_visible_again_when_the_backoff_is_over(self, aws: Cloud) -> None:
        queue = Queue(aws.sqs, aws.download_queue)
        queue.send("{}")
        taken = queue.receive_one()
        assert taken is not None
        assert queue.receive_one() is None
        queue.retry_in(taken, 0)
        again = queue.receive_one()
        assert again is not None
        assert again.receive_count == 2
        assert again.first_received == taken.first_received

    def test_time_of_the_first_receive_comes_from_sqs(self, aws: Cloud) -> None:
        queue = Queue(aws.sqs, aws.download_queue)
        queue.send("{}")
        taken = queue.receive_one()
        assert taken is not None
        assert taken.first_received is not None
        assert abs(datetime.now(UTC) - taken.first_received) < timedelta(minutes=1)

    def left(self, aws: Cloud) -> tuple[str, str]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer: dict[str, Any] = aws.sqs.get_queue_attributes(
            QueueUrl=aws.download_queue, AttributeNames=names
        )
        return answer["Attributes"][names[0]], answer["Attributes"][names[1]]
