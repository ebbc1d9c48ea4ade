"""SQS: what the event sources hand in, and what is sent on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ingester.log import redact

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

MAX_DELAY_SECONDS = 900
"""The longest delay that SQS takes (SendMessage, DelaySeconds)."""


_NOT_TEXT = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
"""What SQS takes nowhere in a message or attribute (SendMessage)."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message taken from a queue. `receive_count` is 1 at the first try.

    `first_received` is when that was, None if SQS doesn't tell.
    """

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    first_received: datetime | None = None


def received_of(record: Mapping[str, Any]) -> Received:
    """A record of an SQS event (Lambda's guide, "Using Lambda with Amazon SQS")."""
    return Received(
        message_id=record["messageId"],
        receipt_handle=record["receiptHandle"],
        body=record["body"],
        receive_count=int(record["attributes"]["ApproximateReceiveCount"]),
        first_received=_moment(record["attributes"].get("ApproximateFirstReceiveTimestamp")),
    )


def _moment(milliseconds: str | None) -> datetime | None:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds else None


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages a queue holds, about: SQS counts them a little late."""

    waiting: int
    in_flight: int
    delayed: int


class Queue:
    """One queue, named by its URL."""

    def __init__(self, sqs: SQSClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, body: str, *, delay_seconds: int = 0) -> None:
        """Sends to a standard queue, to be delivered after `delay_seconds` (at most 900)."""
        self._sqs.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            DelaySeconds=min(delay_seconds, MAX_DELAY_SECONDS),
        )

    def send_in_order(self, body: str, *, group: str) -> None:
        """Sends to a FIFO queue that drops repeats by content; `group` keeps its order."""
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body, MessageGroupId=group)

    def bury(self, body: str, reason: str) -> None:
        """Sends to a dead-letter queue with the attribute `FailedReason`."""
        self._sqs.send_message(
            QueueUrl=self._url, MessageBody=body, MessageAttributes=_failed_reason(reason)
        )

    def bury_in_order(self, body: str, reason: str, *, group: str, identity: str) -> None:
        """`bury` for a FIFO queue. `identity` is the id of the message that failed.

        It is what makes a repeat: by its content, a message that an operator sent again and that
        failed again within five minutes would be dropped, and be nowhere.
        """
        self._sqs.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            MessageAttributes=_failed_reason(reason),
            MessageGroupId=group,
            MessageDeduplicationId=identity,
        )

    def retry_in(self, message: Received, seconds: int) -> None:
        """Makes a message that is being handled visible again after `seconds`."""
        self._sqs.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=message.receipt_handle, VisibilityTimeout=seconds
        )

    def take_one(self) -> Received | None:
        """Takes one message itself, if one is waiting; it stays there until `delete`."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=1,
            MessageSystemAttributeNames=[
                "ApproximateReceiveCount",
                "ApproximateFirstReceiveTimestamp",
            ],
        )
        for message in answer.get("Messages", ()):
            return Received(
                message_id=message["MessageId"],
                receipt_handle=message["ReceiptHandle"],
                body=message["Body"],
                receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
                first_received=_moment(
                    message["Attributes"].get("ApproximateFirstReceiveTimestamp")
                ),
            )
        return None

    def backlog(self) -> Backlog:
        """How many messages there are; none of them is taken."""
        kinds = ("", "NotVisible", "Delayed")
        counts = self._sqs.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=[f"ApproximateNumberOfMessages{kind}" for kind in kinds],  # type: ignore[misc]  # the names of the literal type
        )["Attributes"]
        waiting, in_flight, delayed = (
            int(counts[f"ApproximateNumberOfMessages{kind}"])  # type: ignore[index]  # as above
            for kind in kinds
        )
        return Backlog(waiting=waiting, in_flight=in_flight, delayed=delayed)

    def delete(self, message: Received) -> None:
        """Lets go of a message taken by `take_one`."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt_handle)


def _failed_reason(reason: str) -> dict[str, MessageAttributeValueTypeDef]:
    text = _NOT_TEXT.sub(" ", redact(reason))[:1000]
    return {"FailedReason": {"DataType": "String", "StringValue": text or "unknown"}}
