"""Redrive messages from a DLQ to their queue, for `invoke queue.retry-…`.

For each message, a redrive sets the row back to the state after the first send (unless the ingest
got further, or the uploader will drop the message), sends the body again unchanged, and deletes the
message from the DLQ. A crash loses no message, but a crash between send and delete leaves the
message in both queues. A second redrive is then harmless:

- Uploads: the deduplication id is made of the DLQ message's id, so SQS drops a repeat within five
  minutes:
  https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
  After five minutes, SQS delivers a second message of the same request after the first message,
  because both messages are in the same group. At the second message, the uploader finds the first
  message's ingest (`opencast/lookup.py`). A message that fails again has another id, so SQS never
  drops the message.
- Downloads: the downloader finds the files of the first message under the same staging keys
  (`ingester.transfer`). SQS drops the second upload message as a duplicate, or the uploader finds
  the first message's ingest in the ledger.

A redrive doesn't write the ledger. When a function moves a message to the DLQ, the message's
request ends. The ended request doesn't count as sent and has no counted failures, so the uploader
accepts the message again. The uploader drops a message that another message of the request has
superseded with more files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from ingester.errors import LedgerUnreadable, MessageError
from ingester.ledger.record import is_superseded
from ingester.ledger.table import Ledger
from ingester.opencast.differences import files_of
from ingester.pipeline.messages import UploadMessage, decode
from ingester.pipeline.states import ENDED
from ingester.status.row import StatusRow
from ingester.status.table import StatusChange, StatusTable
from ops.command import OpsError, error_line
from ops.interrupts import Interrupted
from ops.printable import printable
from ops.queues.queue_messages import (
    MOVE_SECONDS,
    HeldMessages,
    QueueMessage,
    QueuePair,
    SqsQueue,
    hold_messages,
)

RETRIED = "retried by an operator"
CLOCK_TOLERANCE = timedelta(seconds=2)
STAGING_LIFETIME = timedelta(days=7)
"""Default time for which the staging bucket keeps a recording's files (STAGING_DAYS)."""


@dataclass(frozen=True)
class Selection:
    """A selection of messages: the first `most` (None: all), or those of `uuid`.

    If `unreadable` is set, messages that aren't JSON objects are selected, too.
    """

    most: int | None = 1
    uuid: str = ""
    unreadable: bool = False

    def is_enough(self, done: Sequence[QueueMessage]) -> bool:
        return self.most is not None and len(done) >= self.most

    def takes(self, message: QueueMessage) -> bool:
        if self.uuid:
            return message.uuid == self.uuid
        return message.content is not None or self.unreadable


@dataclass(frozen=True)
class RedrivenMessage:
    """A redriven message, with the reason for which the message was on the DLQ."""

    message: QueueMessage
    reason: str


@dataclass(frozen=True)
class Redrive:
    """A redrive of one DLQ's messages to the queue. A dry redrive moves no message."""

    pair: QueuePair
    live: SqsQueue
    dead: SqsQueue
    status: StatusTable
    ledger: Ledger
    staging_lifetime: timedelta = STAGING_LIFETIME
    is_dry: bool = False

    def run(
        self,
        selection: Selection,
        interrupted: Interrupted,
        on_redriven: Callable[[RedrivenMessage], None],
    ) -> tuple[QueueMessage, ...]:
        """Redrive the selected messages, and call `on_redriven` with each.

        A dry redrive moves no message, but calls `on_redriven`. Only messages that were in the DLQ
        at the beginning are moved, so a message that soon fails again isn't moved again and again.
        An error leaves the remaining messages in the DLQ.

        Returns:
            The messages that stay and have to be reported: unreadable messages that weren't
            selected, and uploads whose files are gone.

        Raises:
            BotoCoreError, ClientError: A request to AWS fails.
            OpsError: A message was sent again, but can't be deleted from the DLQ.
        """
        begin = self.dead.counts().at
        left: list[QueueMessage] = []
        done: list[QueueMessage] = []
        with hold_messages(self.dead, MOVE_SECONDS) as held:
            while not (interrupted() or selection.is_enough(done)):
                page = held.next_page()
                if not page:
                    break
                for message in most_files_first(page):
                    if interrupted() or selection.is_enough(done):
                        break
                    if self._is_left(message, selection, begin):
                        left.append(message)
                    elif selection.takes(message) and not arrived_since(message, begin, done):
                        on_redriven(self._move(message, held))
                        done.append(message)
        return tuple(left)

    def _is_left(self, message: QueueMessage, selection: Selection, now: datetime) -> bool:
        """Return whether a message stays and is reported, as unreadable or without files."""
        if message.content is None:
            return not selection.unreadable
        return selection.takes(message) and self.has_lost_files(message, now)

    def has_lost_files(self, message: QueueMessage, now: datetime) -> bool:
        """Return whether an upload's message is older than the lifetime of the staged files."""
        return (
            self.pair.is_fifo
            and message.content is not None
            and now - message.sent > self.staging_lifetime
        )

    def _move(self, message: QueueMessage, held: HeldMessages) -> RedrivenMessage:
        row = self.status.get(message.zip_id) if message.zip_id else None
        if not self.is_dry:
            self._redrive(message, row, held)
        known = message.reason or (row.reason if row else "")
        return RedrivenMessage(
            message, known or f"received {message.received} times, no reason known"
        )

    def _redrive(self, message: QueueMessage, row: StatusRow | None, held: HeldMessages) -> None:
        """Set the row back, send a message to the queue, and delete the message from the DLQ.

        The row stays as it is if the uploader will drop the message. If the send fails, a row that
        was set back gets its earlier state again.

        Raises:
            BotoCoreError, ClientError: The row can't be written, or the message can't be sent.
            OpsError: The message was sent, but can't be deleted from the DLQ.
        """
        is_rewound = row is not None and not self._is_dropped(message) and self._rewind(row)
        try:
            self._send(message)
        except (BotoCoreError, ClientError):
            if row and row.state and is_rewound:
                undone = StatusChange(row.state, row.reason, retry_due=row.retry_due)
                self.status.write(row.zip_id, replace(undone, replacing=frozenset({row.state})))
            raise
        try:
            held.delete(message)
        except (BotoCoreError, ClientError) as error:
            raise OpsError(
                f"{printable(message.uuid) or message.message_id} was sent again, but its message "
                "in the dead-letter queue can't be deleted, so that it is on both queues: "
                f"{error_line(error)}"
            ) from error

    def _is_dropped(self, message: QueueMessage) -> bool:
        """Return whether the uploader will drop a message as superseded.

        The result is False if the ledger can't be read.
        """
        upload = upload_message_in(message)
        if upload is None or not self.pair.is_fifo:
            return False
        try:
            record = self.ledger.get(upload.uuid)
        except (BotoCoreError, ClientError, LedgerUnreadable):
            return False
        return is_superseded(record, upload.zip_id, set(files_of(upload)))

    def _rewind(self, row: StatusRow) -> bool:
        """Set the row to the state of a queued message, unless the ingest got further.

        Return whether the row was changed.
        """
        change = StatusChange(self.pair.sent, RETRIED)
        if row.state in ENDED or row.state is self.pair.taken:
            change = replace(change, replacing=frozenset({row.state}))
        return bool(self.status.write(row.zip_id, change))

    def _send(self, message: QueueMessage) -> None:
        if not self.pair.is_fifo:
            self.live.send(message.body)
            return
        self.live.send(
            message.body,
            MessageGroupId=message.uuid or message.group or message.message_id,
            MessageDeduplicationId=f"retry-{message.message_id}",
        )


def upload_message_in(message: QueueMessage) -> UploadMessage | None:
    """Return the upload message in a message's body; None if the body is something else."""
    try:
        return decode(message.body, UploadMessage)
    except MessageError:
        return None


def most_files_first(messages: Sequence[QueueMessage]) -> list[QueueMessage]:
    """Return messages grouped by request, with the most files first within each request.

    A request's second message may have more files. After an ingest by the first message, Opencast
    would never get the additional files.
    """
    requests: dict[str, list[QueueMessage]] = {}
    for message in messages:
        requests.setdefault(message.zip_id or message.message_id, []).append(message)
    return [
        message
        for of_request in requests.values()
        for message in sorted(of_request, key=_count_of_files, reverse=True)
    ]


def _count_of_files(message: QueueMessage) -> int:
    upload = upload_message_in(message)
    return len(files_of(upload)) if upload else 0


def arrived_since(message: QueueMessage, begin: datetime, moved: Sequence[QueueMessage]) -> bool:
    """Return whether a message was sent to the DLQ at or after `begin`, by SQS's clock.

    Within CLOCK_TOLERANCE before `begin`, a message counts as new if the message's body was
    redriven before.
    """
    if message.sent >= begin:
        return True
    is_near = message.sent >= begin - CLOCK_TOLERANCE
    return is_near and any(message.body == other.body for other in moved)
