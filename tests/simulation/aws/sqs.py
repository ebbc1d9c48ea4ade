"""A fake of boto3's SQS client, for any number of queues.

An event source mapping receives and deletes the messages. The fake has no ReceiveMessage, batches,
queue attributes, limits of messages in flight, limits of a FIFO queue's throughput or fair queues.
A standard queue keeps MessageGroupId, but ignores it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.aws.calls import Call, answer, client_error

REGION, ACCOUNT = "us-east-1", "123456789012"
MAX_BYTES = 1024 * 1024
"""Maximum size of a message in bytes.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

MAX_DELAY = 900
MAX_VISIBILITY = 43200
DEDUPLICATION_SECONDS = 300
RETENTION_SECONDS = 14 * 24 * 3600.0

_REFUSED = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IDENTIFIER = re.compile(r"[!-~]{1,128}")
_GONE = "Message does not exist or is not available for visibility timeout change."
_EXPIRED = "The receipt handle has expired."


class ReceiptHandleIsInvalid(ClientError):
    """The fake of botocore's error for a receipt handle that SQS never gave."""


class QueueDoesNotExist(ClientError):
    """The fake of botocore's error for a URL without a queue."""


@dataclass(frozen=True)
class MessageView:
    """A message as the judge sees it."""

    message_id: str
    body: str
    attributes: dict[str, dict[str, str]]


@dataclass(slots=True)
class _Message:
    """A message in a queue. Times are in seconds since 1970."""

    message_id: str
    body: str
    attributes: dict[str, dict[str, str]]
    system: dict[str, str]
    group: str | None
    sent_at: float
    visible_at: float
    receive_count: int = 0
    first_received_at: float = 0.0
    received_at: float = 0.0
    receipt_handle: str | None = None

    def is_hidden(self, now: float) -> bool:
        """Return whether a receive, and not the message's delay, hides the message."""
        return self.receive_count > 0 and self.visible_at > now


@dataclass
class _Queue:
    """A queue and its settings. A FIFO queue has content-based deduplication."""

    url: str
    arn: str
    fifo: bool
    visibility: int
    redrive: tuple[str, int] | None
    messages: dict[str, _Message] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    """Each receipt handle that was given → the message's id."""
    sent: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    """Deduplication id → (seconds since 1970, answer) of the latest original send."""

    def deliverable(self, now: float) -> list[list[_Message]]:
        """Return the messages that may be received now, one list for each free FIFO group.

        A list is in the order of arrival. In a standard queue each message has a list of its own.
        """
        if not self.fifo:
            return [[message] for message in self.messages.values() if message.visible_at <= now]
        free = [
            group for group in self.groups() if not any(message.is_hidden(now) for message in group)
        ]
        waiting = [[message for message in group if message.visible_at <= now] for group in free]
        return [group for group in waiting if group]

    def next_visible(self) -> float | None:
        """Return the time of the next possible delivery; None without messages.

        The time is in seconds since 1970.
        """
        if not self.fifo:
            return min((message.visible_at for message in self.messages.values()), default=None)
        # A group is blocked while one of its messages is in flight.
        moments = (
            max(
                group[0].visible_at,
                *(message.visible_at for message in group if message.receive_count),
                0.0,
            )
            for group in self.groups()
        )
        return min(moments, default=None)

    def groups(self) -> list[list[_Message]]:
        """Return the messages of each group, in the order of arrival."""
        found: dict[str | None, list[_Message]] = {}
        for message in self.messages.values():
            found.setdefault(message.group, []).append(message)
        return list(found.values())


class FakeQueues:
    """A fake of SQS's client.

    Args:
        call: The hook around each call.
        now: Returns the time in seconds since 1970.
        new_id: Returns the next message id.
        choose: Takes the number of the messages of a standard queue, or of the groups of a FIFO
            queue, that can be delivered. Returns the index of the next delivery.
        duplicates: Returns for each delivery from a standard queue whether the message stays
            visible.
    """

    def __init__(
        self,
        *,
        call: Call,
        now: Callable[[], float],
        new_id: Callable[[], str],
        choose: Callable[[int], int] = lambda _count: 0,
        duplicates: Callable[[], bool] = lambda: False,
    ) -> None:
        self.exceptions = SimpleNamespace(
            ClientError=ClientError,
            ReceiptHandleIsInvalid=ReceiptHandleIsInvalid,
            QueueDoesNotExist=QueueDoesNotExist,
        )
        self._call = call
        self._now = now
        self._new_id = new_id
        self._choose = choose
        self._duplicates = duplicates
        self._queues: dict[str, _Queue] = {}
        self._sequence = 0

    # The simulator and the judge use the next methods, which don't call the hook.

    def create(
        self,
        name: str,
        *,
        fifo: bool = False,
        visibility_seconds: int = 30,
        redrive: tuple[str, int] | None = None,
    ) -> str:
        """Create a queue, and return its URL.

        `redrive` is the URL of the dead-letter queue, and the largest number of receives.

        Raises:
            ValueError: The name doesn't fit the queue's type, or the types of the queue and of the
                dead-letter queue differ.
        """
        if name.endswith(".fifo") != fifo:
            raise ValueError(f"{name}: the name of a FIFO queue, and of no other, ends in .fifo.")
        url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"
        if redrive is not None and self._queues[redrive[0]].fifo != fifo:
            raise ValueError(f"{name}: a dead-letter queue has the type of its queue.")
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self._queues[url] = _Queue(url, arn, fifo, visibility_seconds, redrive)
        return url

    def messages(self, url: str) -> list[MessageView]:
        """Return every message of a queue, visible or not, in the order of arrival."""
        return [
            MessageView(
                message_id=message.message_id,
                body=message.body,
                attributes=_copied(message.attributes),
            )
            for message in self._queues[url].messages.values()
        ]

    def next_visible(self, url: str) -> float | None:
        """Return the time of the next possible delivery; None without messages.

        The time is in seconds since 1970, and may be in the past.
        """
        return self._queues[url].next_visible()

    def take(self, url: str, most: int) -> list[dict[str, Any]]:
        """Receive up to `most` messages as an event source mapping does.

        Return the records of the SQS event. A message that was received too often moves to the
        dead-letter queue.
        """
        queue = self._queues[url]
        return [
            {
                "messageId": message.message_id,
                "receiptHandle": message.receipt_handle,
                "body": message.body,
                "attributes": _system_attributes(message),
                "messageAttributes": {
                    name: _event_attribute(value) for name, value in message.attributes.items()
                },
                "md5OfBody": _md5(message.body),
                "eventSource": "aws:sqs",
                "eventSourceARN": queue.arn,
                "awsRegion": REGION,
            }
            for message in self._received(queue, most, queue.visibility)
        ]

    def delete(self, url: str, receipt_handle: str) -> None:
        """Delete the message of a receipt handle, as an event source mapping does.

        If the handle isn't the latest, a standard queue may keep the message, and the fake keeps
        the message. Source:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html

        Raises:
            ReceiptHandleIsInvalid: The queue never gave the handle.
            ClientError: The queue is a FIFO queue, and the handle has expired or isn't the latest.
        """
        queue = self._queues[url]
        message = self._message(queue, receipt_handle, "DeleteMessage")
        if message is None:
            return
        is_latest = message.receipt_handle == receipt_handle
        if queue.fifo and (not is_latest or message.visible_at <= self._now()):
            raise _wrong_handle("DeleteMessage", receipt_handle, _EXPIRED)
        if is_latest:
            del queue.messages[message.message_id]

    def expire(self) -> None:
        """Delete the messages that are older than 14 days."""
        limit = self._now() - RETENTION_SECONDS
        for queue in self._queues.values():
            for message in list(queue.messages.values()):
                if message.sent_at < limit:
                    del queue.messages[message.message_id]

    # The methods below have boto3's interface, as far as production uses it.

    def send_message(
        self,
        *,
        QueueUrl: str,
        MessageBody: str,
        DelaySeconds: int | None = None,
        MessageAttributes: Mapping[str, Any] | None = None,
        MessageGroupId: str | None = None,
        MessageDeduplicationId: str | None = None,
    ) -> dict[str, Any]:
        attributes = _copied(MessageAttributes or {})

        def effect() -> dict[str, Any]:
            queue = self._queue(QueueUrl, "SendMessage")
            _check_content(MessageBody, attributes)
            _check_delay(DelaySeconds, queue)
            identity = _identity(queue, MessageBody, MessageGroupId, MessageDeduplicationId)
            return self._send(
                queue, MessageBody, attributes, MessageGroupId, identity, DelaySeconds or 0
            )

        return self._call("sqs.SendMessage", effect)

    def change_message_visibility(
        self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            operation = "ChangeMessageVisibility"
            self._change_visibility(
                self._queue(QueueUrl, operation), ReceiptHandle, VisibilityTimeout, operation
            )
            return answer()

        return self._call("sqs.ChangeMessageVisibility", effect)

    def _queue(self, url: str, operation: str) -> _Queue:
        if url not in self._queues:
            raise client_error(
                operation,
                "AWS.SimpleQueueService.NonExistentQueue",
                "The specified queue does not exist.",
                error=QueueDoesNotExist,
            )
        return self._queues[url]

    def _send(
        self,
        queue: _Queue,
        body: str,
        attributes: dict[str, dict[str, str]],
        group: str | None,
        identity: str | None,
        delay: int,
    ) -> dict[str, Any]:
        now = self._now()
        if identity is not None and identity in queue.sent:
            first, answered = queue.sent[identity]
            if now < first + DEDUPLICATION_SECONDS:
                return answer(**answered)
        system: dict[str, str] = {}
        answered = {"MessageId": self._new_id(), "MD5OfMessageBody": _md5(body)}
        if group is not None:
            system["MessageGroupId"] = group
        if identity is not None:
            self._sequence += 1
            system["MessageDeduplicationId"] = identity
            system["SequenceNumber"] = answered["SequenceNumber"] = f"{self._sequence:020}"
            queue.sent[identity] = now, answered
        message_id = answered["MessageId"]
        queue.messages[message_id] = _Message(
            message_id, body, attributes, system, group, now, now + delay
        )
        return answer(**answered)

    def _received(self, queue: _Queue, most: int, visibility: int) -> list[_Message]:
        """Deliver up to `most` messages, and move messages received too often to the DLQ."""
        now = self._now()
        waiting, found = queue.deliverable(now), list[_Message]()
        while waiting and len(found) < most:
            chosen = waiting.pop(self._choose(len(waiting)))
            while chosen and len(found) < most:
                message = chosen.pop(0)
                if queue.redrive and message.receive_count >= queue.redrive[1]:
                    self._move(queue, message, self._queues[queue.redrive[0]])
                else:
                    self._deliver(queue, message, now, visibility)
                    found.append(message)
        return found

    def _deliver(self, queue: _Queue, message: _Message, now: float, visibility: int) -> None:
        message.receive_count += 1
        message.first_received_at = message.first_received_at or now
        message.received_at = now
        message.receipt_handle = f"{message.message_id}:{message.receive_count}"
        queue.handles[message.receipt_handle] = message.message_id
        if queue.fifo or not self._duplicates():
            message.visible_at = now + visibility

    def _move(self, queue: _Queue, message: _Message, to: _Queue) -> None:
        """Move a message to the dead-letter queue.

        A message of a FIFO queue gets a new SentTimestamp. A message of a standard queue keeps its
        SentTimestamp. Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
        """
        del queue.messages[message.message_id]
        message.system["DeadLetterQueueSourceArn"] = queue.arn
        message.visible_at = self._now()
        message.receipt_handle = None
        if queue.fifo:
            message.sent_at = self._now()
        to.messages[message.message_id] = message

    def _change_visibility(self, queue: _Queue, handle: str, seconds: int, operation: str) -> None:
        """Change the visibility of the message of a receipt handle.

        Raise a ClientError for a wrong time, an unknown handle, a deleted message, or an expired
        handle of a FIFO queue. A standard queue accepts an expired handle and does nothing. Source:
        https://github.com/localstack/localstack/pull/9632, whose test was run against AWS.
        """
        if not 0 <= seconds <= MAX_VISIBILITY:
            raise client_error(
                operation,
                "InvalidParameterValue",
                f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Must be "
                f"between 0 and {MAX_VISIBILITY}, if provided.",
            )
        message = self._message(queue, handle, operation)
        if message is None:
            raise _wrong_handle(operation, handle, _GONE)
        now = self._now()
        if message.receipt_handle != handle or message.visible_at <= now:
            if queue.fifo:
                raise _wrong_handle(operation, handle, _EXPIRED)
            return
        if now + seconds > message.received_at + MAX_VISIBILITY:
            raise client_error(
                operation,
                "InvalidParameterValue",
                f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total "
                "VisibilityTimeout for the message is beyond the limit [43200 seconds].",
            )
        message.visible_at = now + seconds

    def _message(self, queue: _Queue, handle: str, operation: str) -> _Message | None:
        """Return the message of a receipt handle, or None if the message has left the queue.

        Raise ReceiptHandleIsInvalid if the queue never gave the handle.
        """
        if handle not in queue.handles:
            raise client_error(
                operation,
                "ReceiptHandleIsInvalid",
                f'The input receipt handle "{handle}" is not a valid receipt handle.',
                status=404,
                error=ReceiptHandleIsInvalid,
            )
        return queue.messages.get(queue.handles[handle])


def _wrong_handle(operation: str, handle: str, reason: str) -> ClientError:
    text = f"Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}"
    return client_error(operation, "InvalidParameterValue", text)


def _check_content(body: str, attributes: Mapping[str, Mapping[str, str]]) -> None:
    """Raise a ClientError for a body or attributes that SQS refuses.

    Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    if not body:
        code = "MissingParameter"
        raise client_error(
            "SendMessage", code, "The request must contain the parameter MessageBody."
        )
    values = [value for attribute in attributes.values() for value in attribute.values()]
    if any(map(_REFUSED.search, (body, *values))):
        raise client_error(
            "SendMessage",
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to "
            "#xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        )
    for name, attribute in attributes.items():
        if not attribute.get("StringValue"):
            raise _invalid(
                f"Message (user) attribute '{name}' must contain a non-empty value of type "
                f"'{attribute['DataType']}'."
            )
    if len(attributes) > 10:
        raise _invalid("Number of message attributes exceeds the allowed maximum [10].")
    if sum(len(text.encode()) for text in (body, *attributes, *values)) > MAX_BYTES:
        raise _invalid(
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{MAX_BYTES} bytes."
        )


def _check_delay(delay: int | None, queue: _Queue) -> None:
    if delay is None:
        return
    if not 0 <= delay <= MAX_DELAY:
        raise _invalid(
            f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be "
            f">= 0 and <= {MAX_DELAY}."
        )
    if queue.fifo and delay:
        raise _invalid(
            f"Value {delay} for parameter DelaySeconds is invalid. Reason: The request include "
            "parameter that is not valid for this queue type."
        )


def _identity(queue: _Queue, body: str, group: str | None, given: str | None) -> str | None:
    """Return a message's deduplication id, or None for a standard queue.

    Raise a ClientError for ids that SQS refuses, or for a missing group.
    """
    if not queue.fifo:
        if given is not None:
            raise _invalid(
                f"Value {given} for parameter MessageDeduplicationId is invalid. Reason: The "
                "request includes a parameter that is not valid for this queue type."
            )
        return None
    if group is None:
        code, text = "MissingParameter", "The request must contain the parameter MessageGroupId."
        raise client_error("SendMessage", code, text)
    for name, value in (("MessageGroupId", group), ("MessageDeduplicationId", given)):
        if value is not None and not _IDENTIFIER.fullmatch(value):
            raise _invalid(
                f"Value {value} for parameter {name} is invalid. Reason: {name} can only include "
                "alphanumeric and punctuation characters. 1 to 128 in length."
            )
    return given or sha256(body.encode()).hexdigest()


def _invalid(message: str) -> ClientError:
    return client_error("SendMessage", "InvalidParameterValue", message)


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _copied(attributes: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Copy a caller's message attributes. Raise TypeError for a binary value."""
    if any("BinaryValue" in attribute for attribute in attributes.values()):
        raise TypeError("The fake of SQS has no binary attributes.")
    return {name: dict(value) for name, value in attributes.items()}


def _event_attribute(value: Mapping[str, str]) -> dict[str, Any]:
    """Make the attribute in a record of an SQS event.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    return {
        "stringValue": value["StringValue"],
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }


def _system_attributes(message: _Message) -> dict[str, str]:
    return {
        "ApproximateReceiveCount": str(message.receive_count),
        "SentTimestamp": _milliseconds(message.sent_at),
        "SenderId": ACCOUNT,
        "ApproximateFirstReceiveTimestamp": _milliseconds(message.first_received_at),
        **message.system,
    }


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
