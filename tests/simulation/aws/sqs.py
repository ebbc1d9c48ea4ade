"""A fake of boto3's SQS client, for any number of queues.

Not modelled: long polling (a receive answers at once), batches of sends and deletes, queue
management, ReceiveRequestAttemptId, the limits of messages in flight, counts that come late, a
FIFO queue's throughput, and fair queues (a standard queue keeps MessageGroupId and ignores it).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.aws.calls import Call, answer, client_error

MAX_BYTES = 1024 * 1024
"""SendMessage, MessageBody: "The maximum size is 1 MiB or 1,048,576 bytes"."""
MAX_DELAY = 900
MAX_VISIBILITY = 43200
DEDUPLICATION_SECONDS = 300
RETENTION_SECONDS = 14 * 24 * 3600.0

_REFUSED = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GONE = "Message does not exist or is not available for visibility timeout change."
_EXPIRED = "The receipt handle has expired."


class ReceiptHandleIsInvalid(ClientError):
    """A receipt handle that SQS never gave."""


class QueueDoesNotExist(ClientError):
    """There is no queue of this URL."""


@dataclass(frozen=True)
class MessageView:
    """A message as a judge sees it. Times are seconds since the epoch."""

    message_id: str
    body: str
    attributes: dict[str, dict[str, str]]
    group: str | None
    deduplication_id: str | None
    sent_at: float
    visible_at: float
    receive_count: int
    receipt_handle: str | None


@dataclass(slots=True)
class _Message:
    """A message in a queue."""

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
        """Whether a receive hides the message, and not its queue's delay."""
        return self.receive_count > 0 and self.visible_at > now


@dataclass
class _Queue:
    """A queue and its settings."""

    url: str
    arn: str
    fifo: bool
    visibility: int
    delay: int
    deduplicates_content: bool
    redrive: tuple[str, int] | None
    messages: dict[str, _Message] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    """Every receipt handle ever given, and the message's id."""
    sent: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    """When a deduplication id was first sent, and what was answered."""

    def deliverable(self, now: float) -> list[list[_Message]]:
        """What may be received now: in each list, the first message before the others."""
        if not self.fifo:
            return [[message] for message in self.messages.values() if message.visible_at <= now]
        free = [
            group for group in self.groups() if not any(message.is_hidden(now) for message in group)
        ]
        waiting = [[message for message in group if message.visible_at <= now] for group in free]
        return [group for group in waiting if group]

    def next_visible(self) -> float | None:
        """When the next delivery is possible, None if never."""
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
        """The messages of each group, in the order of sending."""
        found: dict[str | None, list[_Message]] = {}
        for message in self.messages.values():
            found.setdefault(message.group, []).append(message)
        return list(found.values())


class FakeQueues:
    """SQS's client.

    Args:
        call: The hook around each call.
        now: Gives the time in seconds since the epoch.
        new_id: Gives the next message id.
        choose: Gives the index of what is delivered next among so many: a standard queue's
            messages, a FIFO queue's groups.
        duplicates: Tells of each delivery from a standard queue whether the message stays visible.
    """

    def __init__(
        self,
        *,
        call: Call,
        now: Callable[[], float],
        new_id: Callable[[], str],
        choose: Callable[[int], int] = lambda _count: 0,
        duplicates: Callable[[], bool] = lambda: False,
        region: str = "us-east-1",
        account: str = "123456789012",
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
        self._region = region
        self._account = account
        self._queues: dict[str, _Queue] = {}
        self._sequence = 0

    # What a judge and the simulator use, without the hook.

    def create(
        self,
        url_or_name: str,
        *,
        fifo: bool = False,
        visibility_seconds: int = 30,
        redrive: tuple[str, int] | None = None,
        delay_seconds: int = 0,
        content_based_deduplication: bool = True,
    ) -> str:
        """Make a queue. Returns its URL.

        `redrive` is the URL or name of the dead-letter queue, which must be there, and the number
        of times that a message is received at most.
        """
        name = url_or_name.rsplit("/", 1)[-1]
        if name.endswith(".fifo") != fifo:
            raise ValueError(f"{name}: the name of a FIFO queue, and of no other, ends in .fifo.")
        url = self._url(url_or_name)
        to = None
        if redrive is not None:
            to = (self._url(redrive[0]), redrive[1])
            if self._queues[to[0]].fifo != fifo:
                raise ValueError(f"{name}: a dead-letter queue has the type of its queue.")
        arn = f"arn:aws:sqs:{self._region}:{self._account}:{name}"
        self._queues[url] = _Queue(
            url, arn, fifo, visibility_seconds, delay_seconds, content_based_deduplication, to
        )
        return url

    def _url(self, url_or_name: str) -> str:
        if "/" in url_or_name:
            return url_or_name
        return f"https://sqs.{self._region}.amazonaws.com/{self._account}/{url_or_name}"

    def arn(self, url: str) -> str:
        """The ARN of a queue."""
        return self._queues[url].arn

    def messages(self, url: str) -> list[MessageView]:
        """Every message of a queue in the order of sending, whether visible or not."""
        return [
            MessageView(
                message_id=message.message_id,
                body=message.body,
                attributes=_attributes_out(message.attributes),
                group=message.group,
                deduplication_id=message.system.get("MessageDeduplicationId"),
                sent_at=message.sent_at,
                visible_at=message.visible_at,
                receive_count=message.receive_count,
                receipt_handle=message.receipt_handle,
            )
            for message in self._queues[url].messages.values()
        ]

    def next_visible(self, url: str) -> float | None:
        """When the next delivery is possible (in the past: since then), None if never."""
        return self._queues[url].next_visible()

    def take(self, url: str, most: int) -> list[dict[str, Any]]:
        """Receive as an event source mapping does: up to `most` records of an SQS event."""
        queue = self._queues[url]
        return [
            {
                "messageId": message.message_id,
                "receiptHandle": message.receipt_handle,
                "body": message.body,
                "attributes": _system_attributes(message, self._account),
                "messageAttributes": {
                    name: _event_attribute(value) for name, value in message.attributes.items()
                },
                "md5OfBody": _md5(message.body),
                "eventSource": "aws:sqs",
                "eventSourceARN": queue.arn,
                "awsRegion": self._region,
            }
            for message in self._received(queue, most, queue.visibility)
        ]

    def delete(self, url: str, receipt_handle: str) -> None:
        """`delete_message` without the hook, for the event source mapping."""
        self._delete(self._queues[url], receipt_handle)

    def change_visibility(self, url: str, receipt_handle: str, seconds: int) -> None:
        """`change_message_visibility` without the hook, for the event source mapping."""
        self._change_visibility(self._queues[url], receipt_handle, seconds)

    def expire(self) -> list[MessageView]:
        """Delete the messages that are older than 14 days. Returns them."""
        gone: list[MessageView] = []
        for url, queue in self._queues.items():
            limit = self._now() - RETENTION_SECONDS
            old = [view for view in self.messages(url) if view.sent_at < limit]
            for view in old:
                del queue.messages[view.message_id]
            gone += old
        return gone

    # What production uses.

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
        attributes = _attributes_in(MessageAttributes or {})

        def effect() -> dict[str, Any]:
            queue = self._queue(QueueUrl, "SendMessage")
            _check_content(MessageBody, attributes)
            _check_delay(DelaySeconds, queue)
            identity = _identity(queue, MessageBody, MessageGroupId, MessageDeduplicationId)
            delay = DelaySeconds if DelaySeconds is not None and not queue.fifo else queue.delay
            return self._send(queue, MessageBody, attributes, MessageGroupId, identity, delay)

        return self._call("sqs.SendMessage", effect)

    def receive_message(
        self,
        *,
        QueueUrl: str,
        MaxNumberOfMessages: int = 1,
        AttributeNames: Iterable[str] = (),
        MessageSystemAttributeNames: Iterable[str] = (),
        MessageAttributeNames: Iterable[str] = (),
        VisibilityTimeout: int | None = None,
        WaitTimeSeconds: int = 0,
    ) -> dict[str, Any]:
        system = frozenset((*AttributeNames, *MessageSystemAttributeNames))
        custom = tuple(MessageAttributeNames)

        def effect() -> dict[str, Any]:
            queue = self._queue(QueueUrl, "ReceiveMessage")
            _check_range("MaxNumberOfMessages", MaxNumberOfMessages, 1, 10)
            _check_range("WaitTimeSeconds", WaitTimeSeconds, 0, 20)
            visibility = queue.visibility if VisibilityTimeout is None else VisibilityTimeout
            _check_range("VisibilityTimeout", visibility, 0, MAX_VISIBILITY)
            found = self._received(queue, MaxNumberOfMessages, visibility)
            if not found:
                return answer()
            return answer(Messages=[self._told(message, system, custom) for message in found])

        return self._call("sqs.ReceiveMessage", effect)

    def change_message_visibility(
        self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            queue = self._queue(QueueUrl, "ChangeMessageVisibility")
            self._change_visibility(queue, ReceiptHandle, VisibilityTimeout)
            return answer()

        return self._call("sqs.ChangeMessageVisibility", effect)

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._delete(self._queue(QueueUrl, "DeleteMessage"), ReceiptHandle)
            return answer()

        return self._call("sqs.DeleteMessage", effect)

    def get_queue_attributes(
        self, *, QueueUrl: str, AttributeNames: Iterable[str] = ()
    ) -> dict[str, Any]:
        names = tuple(AttributeNames)

        def effect() -> dict[str, Any]:
            queue = self._queue(QueueUrl, "GetQueueAttributes")
            known = self._attributes(queue)
            wanted = tuple(known) if "All" in names else names
            if unknown := sorted(set(wanted) - known.keys()):
                code = "InvalidAttributeName"
                raise client_error("GetQueueAttributes", code, f"Unknown Attribute {unknown[0]}.")
            return answer(Attributes={name: known[name] for name in wanted})

        return self._call("sqs.GetQueueAttributes", effect)

    # How it works.

    def _queue(self, url: str, operation: str) -> _Queue:
        if url not in self._queues:
            raise client_error(
                operation,
                "AWS.SimpleQueueService.NonExistentQueue",
                "The specified queue does not exist.",
                error=QueueDoesNotExist,
            )
        return self._queues[url]

    def _attributes(self, queue: _Queue) -> dict[str, str]:
        now, messages = self._now(), queue.messages.values()
        hidden = [message for message in messages if message.visible_at > now]
        delayed = sum(not message.receive_count for message in hidden)
        return {
            "ApproximateNumberOfMessages": str(len(messages) - len(hidden)),
            "ApproximateNumberOfMessagesNotVisible": str(len(hidden) - delayed),
            "ApproximateNumberOfMessagesDelayed": str(delayed),
            "QueueArn": queue.arn,
            "VisibilityTimeout": str(queue.visibility),
            "DelaySeconds": str(queue.delay),
        }

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
        """Deliver up to `most` messages; move those that were received too often."""
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

        A FIFO queue's message gets a new SentTimestamp, a standard queue's keeps its own (developer
        guide, "Using dead-letter queues in Amazon SQS").
        """
        del queue.messages[message.message_id]
        message.system["DeadLetterQueueSourceArn"] = queue.arn
        message.visible_at = self._now()
        message.receipt_handle = None
        if queue.fifo:
            message.sent_at = self._now()
        to.messages[message.message_id] = message

    def _told(
        self, message: _Message, system: frozenset[str], custom: tuple[str, ...]
    ) -> dict[str, Any]:
        """A message as ReceiveMessage gives it."""
        told: dict[str, Any] = {
            "MessageId": message.message_id,
            "ReceiptHandle": message.receipt_handle,
            "MD5OfBody": _md5(message.body),
            "Body": message.body,
        }
        known = _system_attributes(message, self._account)
        if kept := {name: value for name, value in known.items() if system & {name, "All"}}:
            told["Attributes"] = kept
        chosen = {
            name: value
            for name, value in message.attributes.items()
            if any(_is_named(name, wanted) for wanted in custom)
        }
        if chosen:
            told["MessageAttributes"] = _attributes_out(chosen)
        return told

    def _delete(self, queue: _Queue, handle: str) -> None:
        """Delete the message of a receipt handle.

        A standard queue's may not be deleted with an older handle than its latest (DeleteMessage,
        "you must use the most recently received ReceiptHandle"): here it never is.
        """
        message = self._message(queue, handle, "DeleteMessage")
        if message is None:
            return
        is_latest = message.receipt_handle == handle
        if queue.fifo and (not is_latest or message.visible_at <= self._now()):
            raise _wrong_handle("DeleteMessage", handle, _EXPIRED)
        if is_latest:
            del queue.messages[message.message_id]

    def _change_visibility(self, queue: _Queue, handle: str, seconds: int) -> None:
        """Change the visibility of the message of a receipt handle.

        A standard queue accepts a handle that has expired, and does nothing (localstack's pull
        request 9632, whose test was run against AWS).
        """
        operation = "ChangeMessageVisibility"
        _check_range("VisibilityTimeout", seconds, 0, MAX_VISIBILITY, operation)
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
        """The message that a receipt handle is of, None if the queue has it no longer."""
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


def _check_range(
    name: str, value: int, least: int, most: int, operation: str = "ReceiveMessage"
) -> None:
    if not least <= value <= most:
        raise client_error(
            operation,
            "InvalidParameterValue",
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {least} and "
            f"{most}, if provided.",
        )


def _check_content(body: str, attributes: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse what SQS takes in no message (SendMessage, MessageBody and MessageAttributes)."""
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
    """The deduplication id of a message to a FIFO queue; None for a standard queue."""
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
    if given is None and not queue.deduplicates_content:
        raise _invalid(
            "The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly"
        )
    return given or sha256(body.encode()).hexdigest()


def _invalid(message: str) -> ClientError:
    return client_error("SendMessage", "InvalidParameterValue", message)


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _attributes_in(attributes: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """A copy of a caller's message attributes. Only texts are supported."""
    for attribute in attributes.values():
        if "BinaryValue" in attribute:
            raise TypeError("The fake of SQS knows no binary attributes.")
    return _attributes_out(attributes)


def _attributes_out(attributes: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    return {name: dict(value) for name, value in attributes.items()}


def _event_attribute(value: Mapping[str, str]) -> dict[str, Any]:
    """A message attribute in a record of an SQS event (Lambda's guide, "Using Lambda with SQS")."""
    return {
        "stringValue": value["StringValue"],
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }


def _system_attributes(message: _Message, sender: str) -> dict[str, str]:
    return {
        "ApproximateReceiveCount": str(message.receive_count),
        "SentTimestamp": _milliseconds(message.sent_at),
        "SenderId": sender,
        "ApproximateFirstReceiveTimestamp": _milliseconds(message.first_received_at),
        **message.system,
    }


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def _is_named(name: str, wanted: str) -> bool:
    """Whether MessageAttributeNames' entry is of this attribute: its name, "All", ".*", "bar.*"."""
    if wanted in {"All", ".*"}:
        return True
    return name.startswith(wanted[:-1]) if wanted.endswith(".*") else name == wanted
