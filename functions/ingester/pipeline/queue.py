"""SQS's queues, and the messages that SQS delivers."""

from __future__ import annotations

import hashlib
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
"""The longest delay that SQS accepts.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""


_NOT_TEXT = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
"""Characters that SQS accepts in no message and no attribute.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""


_IDENTIFIER = re.compile(r"[!-~]{1,128}")
"""Form of texts that SQS accepts as the id of a message group. Zoom's uuids have this form.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message that SQS has delivered. `receive_count` is 1 at the first receive.

    `first_received` is the time of the first receive; None if SQS doesn't state the time.
    """

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    first_received: datetime | None = None


def received_of(record: Mapping[str, Any]) -> Received:
    """Return the message in a record of an SQS event.

    The event is documented at https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html.
    """
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
    """The approximate numbers of messages of a queue, which SQS counts with a delay.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """

    waiting: int
    in_flight: int
    delayed: int


class Queue:
    """One queue, named by its URL. The URL of a FIFO queue ends with ".fifo"."""

    def __init__(self, sqs: SQSClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, body: str, *, delay_seconds: int = 0) -> None:
        """Send a message to a standard queue, to arrive after `delay_seconds` (at most 900)."""
        self._sqs.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            DelaySeconds=min(delay_seconds, MAX_DELAY_SECONDS),
        )

    def send_in_order(self, body: str, *, group: str) -> None:
        """Send a message to a FIFO queue.

        For five minutes, the queue drops repeats by content. The queue keeps the order in `group`.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
        """
        self._sqs.send_message(
            QueueUrl=self._url, MessageBody=body, MessageGroupId=_identifier(group)
        )

    def send_with_reason(self, body: str, reason: str, *, group: str, identity: str) -> None:
        """Send a message to a dead-letter queue, with the reason as the attribute `FailedReason`.

        The reason is redacted, and cut to 1000 characters. A FIFO queue needs `group` and
        `identity`, the id of the message that failed, by which the queue drops repeats. If the
        queue dropped repeats by content, the queue would drop a message that an operator sent again
        and that failed again within five minutes:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
        """
        in_order: dict[str, Any] = {}
        if self._url.endswith(".fifo"):
            in_order = {"MessageGroupId": _identifier(group), "MessageDeduplicationId": identity}
        self._sqs.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            MessageAttributes=_failed_reason(reason),
            **in_order,
        )

    def retry_in(self, message: Received, seconds: int) -> None:
        """Make a message that is being processed visible again after `seconds`."""
        self._sqs.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=message.receipt_handle, VisibilityTimeout=seconds
        )

    def receive_one(self) -> Received | None:
        """Receive a message, which stays on the queue until `delete`.

        Return None if SQS delivers no message.
        """
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
        """Return the approximate numbers of messages on the queue, without receiving any."""
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
        """Delete a message that `receive_one` received."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt_handle)


def _identifier(text: str) -> str:
    """Return a text as the id of a message group, hashed if SQS doesn't accept the text."""
    return text if _IDENTIFIER.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()


def _failed_reason(reason: str) -> dict[str, MessageAttributeValueTypeDef]:
    text = _NOT_TEXT.sub(" ", redact(reason))[:1000]
    return {"FailedReason": {"DataType": "String", "StringValue": text or "unknown"}}
