"""Receive, hold, send and delete messages of a pipeline queue and its dead-letter queue (DLQ).

SQS shows a message only to a program that receives the message.

- No function receives from a DLQ. A view holds received messages, so that the next page has other
  messages. At the view's end, also after an error or ^C, all messages that the view didn't delete
  become available again. (If the program is killed, the messages reappear when their visibility
  timeout ends.)
- The functions receive from a live queue. A view receives once, ten messages at most, with a
  visibility timeout of 0, so each message stays available for the functions. A view costs each
  shown message one receive: a message has 12 receives on the download queue, and 50 or more on the
  upload queue (`cdk/receive_limits.py`). After the last receive, the message goes to the DLQ. So
  a view doesn't receive if no message waits, and reports the cost in receives.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from cdk.names import Names
from cdk.receive_limits import RESERVE_RECEIVES
from ingester.pipeline.states import State
from ops.command import OpsError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_BATCH = 10
"""SQS's limit of messages in a request, for ReceiveMessage and batches.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

LOOK_SECONDS = 30
"""Seconds for which a view hides a message of a DLQ from other receivers."""

MOVE_SECONDS = 120
"""Seconds for which a redrive or `recordings.forget` hides a DLQ's message from other receivers."""

POLL_SECONDS = 1
"""Maximum seconds for which `take` waits. SQS may miss messages in a receive that doesn't wait.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
"""


@dataclass(frozen=True)
class QueuePair:
    """A queue and its DLQ.

    `sent` is the state of an ingest whose message waits. `taken` is the state of an ingest on
    whose message the function works.
    """

    command: str
    queue: str
    dlq: str
    sent: State
    taken: State

    @property
    def is_fifo(self) -> bool:
        return self.queue.endswith(".fifo")


def downloads(names: Names) -> QueuePair:
    """Return the download queue, from the webhook to the downloader, with its DLQ."""
    return QueuePair(
        "downloads",
        names.download_queue,
        names.download_dlq,
        State.SENT_TO_DOWNLOADER,
        State.OC_SERIES_FOUND,
    )


def uploads(names: Names) -> QueuePair:
    """Return the upload queue, from the downloader to the uploader, with its DLQ."""
    return QueuePair(
        "uploads",
        names.upload_queue,
        names.upload_dlq,
        State.SENT_TO_UPLOADER,
        State.UPLOADER_RECEIVED,
    )


@dataclass(frozen=True)
class QueueMessage:
    """A received message. `content` is None if the body isn't a JSON object.

    `received` counts every receive, also by commands. `reason` is the attribute `FailedReason`.
    """

    message_id: str
    handle: str
    body: str
    sent: datetime
    received: int
    reason: str
    group: str
    content: Mapping[str, Any] | None

    def _text(self, name: str) -> str:
        value = self.content.get(name) if self.content else None
        return str(value) if isinstance(value, str | int) else ""

    @property
    def uuid(self) -> str:
        return self._text("uuid")

    @property
    def zip_id(self) -> str:
        return self._text("zip_id")

    @property
    def meeting(self) -> str:
        return self._text("zoom_series_id")

    @property
    def topic(self) -> str:
        return self._text("topic")


def message_of(message: Mapping[str, Any]) -> QueueMessage:
    """Return the `QueueMessage` of a message from ReceiveMessage, which may have any body."""
    attributes = message.get("Attributes", {})
    reason = message.get("MessageAttributes", {}).get("FailedReason", {})
    milliseconds = int(attributes.get("SentTimestamp", 0))
    return QueueMessage(
        message_id=message["MessageId"],
        handle=message["ReceiptHandle"],
        body=message["Body"],
        sent=datetime.fromtimestamp(milliseconds / 1000, UTC),
        received=int(attributes.get("ApproximateReceiveCount", 0)),
        reason=reason.get("StringValue", ""),
        group=attributes.get("MessageGroupId", ""),
        content=_content(message["Body"]),
    )


def _content(body: str) -> Mapping[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


@dataclass(frozen=True)
class QueueCounts:
    """SQS's approximate counts of a queue's messages.

    `at` is the time by SQS's clock, rounded up to seconds. If SQS sent no date, `at` is a second
    after the time by this machine's clock. `receive_limit` is the number of receives after which
    the queue's function no longer processes a message; 0 for a DLQ.
    """

    waiting: int
    in_flight: int
    delayed: int
    receive_limit: int
    at: datetime

    @property
    def total(self) -> int:
        """Number of all messages."""
        return self.waiting + self.in_flight + self.delayed


class SqsQueue:
    """A client of one SQS queue. `take` waits at most `poll_seconds` for messages.

    Raises:
        OpsError: The queue doesn't exist.
    """

    def __init__(self, sqs: SQSClient, name: str, poll_seconds: int = POLL_SECONDS) -> None:
        self._sqs = sqs
        self._poll_seconds = poll_seconds
        self.name = name
        try:
            self._url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        except sqs.exceptions.QueueDoesNotExist:
            raise OpsError(
                f"There is no queue {name}: bring the stack up to date (`invoke stack.update`)."
            ) from None

    def counts(self) -> QueueCounts:
        """Return the queue's counts."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        found = {str(name): value for name, value in answer["Attributes"].items()}
        redrive = json.loads(found.get("RedrivePolicy") or "{}")
        headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
        return QueueCounts(
            waiting=int(found["ApproximateNumberOfMessages"]),
            in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(found.get("ApproximateNumberOfMessagesDelayed", 0)),
            receive_limit=max(0, int(redrive.get("maxReceiveCount", 0)) - RESERVE_RECEIVES),
            at=_server_time(headers.get("date", "")) + timedelta(seconds=1),
        )

    def peek(self, most: int) -> list[QueueMessage]:
        """Return up to `most` (at most ten) messages of a live queue, without hiding them."""
        return self._receive(most, 0, 0)

    def take(self, most: int, visibility_seconds: int) -> list[QueueMessage]:
        """Return up to `most` (at most ten) messages, and hide them for `visibility_seconds`."""
        return self._receive(most, visibility_seconds, self._poll_seconds)

    def _receive(self, most: int, visibility_seconds: int, wait_seconds: int) -> list[QueueMessage]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(most, MAX_BATCH),
            VisibilityTimeout=visibility_seconds,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [message_of(message) for message in answer.get("Messages", ())]

    def release(self, messages: Sequence[QueueMessage]) -> None:
        """Make received messages available again immediately."""
        for first in range(0, len(messages), MAX_BATCH):
            some = messages[first : first + MAX_BATCH]
            self._sqs.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message.handle, "VisibilityTimeout": 0}
                    for number, message in enumerate(some)
                ],
            )

    def delete(self, message: QueueMessage) -> None:
        """Delete a received message."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.handle)

    def send(self, body: str, **fifo: str) -> None:
        """Send a message. A FIFO queue needs `MessageGroupId` and `MessageDeduplicationId`."""
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body, **fifo)  # type: ignore[arg-type]


def _server_time(date: str) -> datetime:
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)


@dataclass
class HeldMessages:
    """Received messages of a DLQ, each hidden from other receivers for `_seconds`."""

    _queue: SqsQueue
    _seconds: int
    _held: dict[str, QueueMessage] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def next_page(self, most: int = MAX_BATCH) -> list[QueueMessage]:
        """Return up to `most` (at most ten) messages that weren't returned before.

        The result is empty if SQS delivers no message, or only messages that were returned before.
        While a message is held, a FIFO queue delivers no later message of the same group.
        """
        page = self._queue.take(most, self._seconds)
        new = [message for message in page if message.message_id not in self._seen]
        self._held.update((message.message_id, message) for message in page)
        self._seen.update(message.message_id for message in page)
        return new

    def delete(self, message: QueueMessage) -> None:
        """Delete a held message."""
        self._queue.delete(self._held.get(message.message_id, message))
        self._held.pop(message.message_id, None)

    def release(self) -> None:
        """Make all held messages that weren't deleted available again."""
        self._queue.release(list(self._held.values()))
        self._held.clear()


@contextmanager
def hold_messages(queue: SqsQueue, seconds: int) -> Iterator[HeldMessages]:
    """Yield an empty `HeldMessages` of a DLQ.

    `seconds` is the time for which a received message is hidden from other receivers. After the
    block, held messages that weren't deleted become available again.
    """
    held = HeldMessages(queue, seconds)
    try:
        yield held
    finally:
        held.release()
