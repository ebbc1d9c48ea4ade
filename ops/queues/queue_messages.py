"""A pipeline queue with its dead-letter queue, as an operator reads them.

SQS shows messages only by receiving them.

- Of a dead-letter queue nobody else receives: what is looked at is kept for a moment, so that the
  next page holds others, and given back at the end, also after an error or ^C. (If this program
  is killed, it comes back by itself when that moment is over.)
- Of a live queue the functions receive. It is looked at once, ten messages at most, with a
  visibility time-out of 0: each stays available for the functions, and is never looked at twice. It
  costs each one of its receives all the same, of which a message has 12 on the download queue and
  50 or more on the upload queue (`cdk/receive_limits.py`): after the last one it is given up.
  So nothing is received at all of a queue that counts no waiting message, and whoever prints what
  was seen says what it cost.

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

MOST_AT_ONCE = 10
"""Messages a request: ReceiveMessage and the batches."""

LOOK_SECONDS = 30
MOVE_SECONDS = 120
POLL_SECONDS = 1
"""A receive that waits asks all of SQS's servers, and doesn't come back empty by chance."""


@dataclass(frozen=True)
class Pipe:
    """One of the two queues: its names, and what a row says of a recording that is on it."""

    word: str
    queue: str
    dead_letters: str
    sent: State
    taken: State

    @property
    def is_fifo(self) -> bool:
        return self.queue.endswith(".fifo")


def downloads(names: Names) -> Pipe:
    """The way from the webhook to the downloader."""
    return Pipe(
        "downloads",
        names.download_queue,
        names.download_dlq,
        State.SENT_TO_DOWNLOADER,
        State.OC_SERIES_FOUND,
    )


def uploads(names: Names) -> Pipe:
    """The way from the downloader to the uploader."""
    return Pipe(
        "uploads",
        names.upload_queue,
        names.upload_dlq,
        State.SENT_TO_UPLOADER,
        State.UPLOADER_RECEIVED,
    )


@dataclass(frozen=True)
class Letter:
    """A message as it was received. `content` is None if its body is no JSON object.

    `received` counts every receive, ours too; `reason` is the attribute `FailedReason`.
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


def letter_of(message: Mapping[str, Any]) -> Letter:
    """A message as ReceiveMessage answers it, whatever its body is."""
    attributes = message.get("Attributes", {})
    reason = message.get("MessageAttributes", {}).get("FailedReason", {})
    milliseconds = int(attributes.get("SentTimestamp", 0))
    return Letter(
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
class Counts:
    """What SQS counts of a queue, approximately, and when by its clock (to the second, upwards).

    `receive_limit` is how often the queue's function works on a message; 0 for a dead-letter queue.
    """

    waiting: int
    in_flight: int
    delayed: int
    receive_limit: int
    at: datetime


class Box:
    """One queue. OpsError if it isn't there. `poll_seconds` is how long `take` waits for more."""

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

    def counts(self) -> Counts:
        """How many messages the queue holds."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        found = {str(name): value for name, value in answer["Attributes"].items()}
        redrive = json.loads(found.get("RedrivePolicy") or "{}")
        headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
        return Counts(
            waiting=int(found["ApproximateNumberOfMessages"]),
            in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(found.get("ApproximateNumberOfMessagesDelayed", 0)),
            receive_limit=max(0, int(redrive.get("maxReceiveCount", 0)) - RESERVE_RECEIVES),
            at=_server_time(headers.get("date", "")) + timedelta(seconds=1),
        )

    def peek(self, most: int) -> list[Letter]:
        """Up to ten messages of a live queue, which stay available. See the module's text."""
        return self._receive(most, 0, 0)

    def take(self, most: int, visibility_seconds: int) -> list[Letter]:
        """Up to `most` (at most ten) messages, kept from others for `visibility_seconds`."""
        return self._receive(most, visibility_seconds, self._poll_seconds)

    def _receive(self, most: int, visibility_seconds: int, wait_seconds: int) -> list[Letter]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(most, MOST_AT_ONCE),
            VisibilityTimeout=visibility_seconds,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [letter_of(message) for message in answer.get("Messages", ())]

    def give_back(self, letters: Sequence[Letter]) -> None:
        """Make received messages available again at once."""
        for first in range(0, len(letters), MOST_AT_ONCE):
            some = letters[first : first + MOST_AT_ONCE]
            self._sqs.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": letter.handle,
                        "VisibilityTimeout": 0,
                    }
                    for number, letter in enumerate(some)
                ],
            )

    def delete(self, letter: Letter) -> None:
        """Take a received message off the queue for good."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.handle)

    def send(self, body: str, **fifo: str) -> None:
        """Send a message; `fifo` are `MessageGroupId` and `MessageDeduplicationId`."""
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body, **fifo)  # type: ignore[arg-type]


def _server_time(date: str) -> datetime:
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)


@dataclass
class Hand:
    """Dead letters that are held: each once, in the order in which they came."""

    _box: Box
    _seconds: int
    _held: dict[str, Letter] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    def draw(self, most: int = MOST_AT_ONCE) -> list[Letter]:
        """The next ones that were not drawn before; empty if there are no more.

        Of a FIFO queue the later ones of a group come only when the earlier ones are gone.
        """
        drawn = self._box.take(most, self._seconds)
        new = [letter for letter in drawn if letter.message_id not in self._known]
        self._held.update((letter.message_id, letter) for letter in drawn)
        self._known.update(letter.message_id for letter in drawn)
        return new

    def drop(self, letter: Letter) -> None:
        """Delete one."""
        self._box.delete(self._held.get(letter.message_id, letter))
        self._held.pop(letter.message_id, None)

    def give_back(self) -> None:
        """Make all others available again."""
        self._box.give_back(list(self._held.values()))
        self._held.clear()


@contextmanager
def held(box: Box, seconds: int) -> Iterator[Hand]:
    """A hand for letters of `box`; at the end, however it comes, they are given back."""
    hand = Hand(box, seconds)
    try:
        yield hand
    finally:
        hand.give_back()
