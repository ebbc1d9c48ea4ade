"""Redrive messages from a DLQ to their queue, for `invoke queue.retry-…`.

For each message: its row returns to the state after the message was first sent, the body is sent
again unchanged, and the message is deleted from the DLQ. A crash loses nothing, but between send
and
delete it leaves the message in both queues. A second redrive is then harmless:

- Uploads: the deduplication id is made of the DLQ message's id, so SQS drops a repeat within five
  minutes. Later the uploader gets a second message of the same request, in the same group and so
  after the first, and finds the first one's ingest (`uploader._media_package`). A message that
  fails again has another id and is never dropped.
- Downloads: the second message stages the same files under the same keys, where the first one's
  files are found (`ingester.transfer`). The upload message is then dropped as a duplicate, or its
  ingest is found in the ledger.

The ledger isn't written. A request whose message is on a DLQ has ended: it doesn't count as sent,
and no failure is counted, so the uploader accepts its message again. Only if another message of the
request continues with more files is a message superseded, and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from ops.command import OpsError, one_line
from ops.interrupts import Asked
from ops.printable import printable
from ops.queues.queue_messages import MOVE_SECONDS, Box, Hand, Letter, Pipe, held

RETRIED = "retried by an operator"
DOUBT = timedelta(seconds=2)
STAGED = timedelta(days=7)
"""How long the staging bucket keeps a recording's files (cdk/bucket.py)."""


@dataclass(frozen=True)
class Wanted:
    """Selects messages: the first `most` (None: all), or all of a recording (`uuid`).

    `unreadable` includes messages whose body is no JSON.
    """

    most: int | None = 1
    uuid: str = ""
    unreadable: bool = False

    def is_enough(self, done: Sequence[Letter]) -> bool:
        return self.most is not None and len(done) >= self.most

    def takes(self, letter: Letter) -> bool:
        if self.uuid:
            return letter.uuid == self.uuid
        return letter.content is not None or self.unreadable


@dataclass(frozen=True)
class Moved:
    """A message that is back on its queue, and why it had been moved to the DLQ."""

    letter: Letter
    reason: str


@dataclass(frozen=True)
class Redrive:
    """Moves the messages of one DLQ back to their queue."""

    pipe: Pipe
    live: Box
    dead: Box
    status: StatusTable
    ledger: Ledger

    def run(
        self, wanted: Wanted, stopped: Asked, moved: Callable[[Moved], None]
    ) -> tuple[Letter, ...]:
        """Redrive the selected messages and call `on_moved` with each; `interrupted` ends it
        between two.

        Return the messages that were left: unreadable ones that weren't selected, and uploads whose
        files
        are gone. Only messages that were there at the beginning are moved, so one that fails again
        at once
        isn't moved for ever. An error leaves all remaining messages in the DLQ.
        """
        begin = self.dead.counts().at
        left: list[Letter] = []
        done: list[Letter] = []
        with held(self.dead, MOVE_SECONDS) as hand:
            while not (stopped() or wanted.is_enough(done)):
                drawn = hand.draw()
                if not drawn:
                    break
                for letter in fullest_first(drawn):
                    if stopped() or wanted.is_enough(done):
                        break
                    if self._stays(letter, wanted, begin):
                        left.append(letter)
                    elif wanted.takes(letter) and not came_since(letter, begin, done):
                        moved(self._move(letter, hand))
                        done.append(letter)
        return tuple(left)

    def _stays(self, letter: Letter, wanted: Wanted, now: datetime) -> bool:
        """Tell whether a message is left and reported although it might have been meant."""
        if letter.content is None:
            return not wanted.unreadable
        return wanted.takes(letter) and self.is_too_late(letter, now)

    def is_too_late(self, letter: Letter, now: datetime) -> bool:
        """Tell whether an upload's staged files are gone. Opencast would get dead addresses."""
        return self.pipe.is_fifo and letter.content is not None and now - letter.sent > STAGED

    def _move(self, letter: Letter, hand: Hand) -> Moved:
        row = self.status.get(letter.zip_id) if letter.zip_id else None
        is_rewound = row is not None and not self._is_dropped(letter) and self._rewind(row)
        try:
            self._send(letter)
        except (BotoCoreError, ClientError):
            if row and row.state and is_rewound:
                self.status.write(
                    row.zip_id,
                    StatusChange(
                        row.state,
                        row.reason,
                        retry_due=row.retry_due,
                        replacing=frozenset({row.state}),
                    ),
                )
            raise
        try:
            hand.drop(letter)
        except (BotoCoreError, ClientError) as error:
            raise OpsError(
                f"{printable(letter.uuid) or letter.message_id} was sent again, but its dead "
                f"letter can't be deleted, so that it is on both queues: {one_line(error)}"
            ) from error
        known = letter.reason or (row.reason if row else "")
        return Moved(letter, known or f"received {letter.received} times, no reason known")

    def _is_dropped(self, letter: Letter) -> bool:
        """Tell whether the uploader will drop a message as superseded."""
        wanted = upload_in(letter)
        if wanted is None or not self.pipe.is_fifo:
            return False
        try:
            record = self.ledger.get(wanted.uuid)
        except (BotoCoreError, ClientError, LedgerUnreadable):
            return False
        return is_superseded(record, wanted.zip_id, set(files_of(wanted)))

    def _rewind(self, row: StatusRow) -> bool:
        """Set the row's state to that of a queued message, unless the ingest got further."""
        if row.state in ENDED or row.state is self.pipe.taken:
            replaced = frozenset({row.state})
            return bool(
                self.status.write(
                    row.zip_id, StatusChange(self.pipe.sent, RETRIED, replacing=replaced)
                )
            )
        return bool(self.status.write(row.zip_id, StatusChange(self.pipe.sent, RETRIED)))

    def _send(self, letter: Letter) -> None:
        if not self.pipe.is_fifo:
            self.live.send(letter.body)
            return
        self.live.send(
            letter.body,
            MessageGroupId=letter.uuid or letter.group or letter.message_id,
            MessageDeduplicationId=f"retry-{letter.message_id}",
        )


def upload_in(letter: Letter) -> UploadMessage | None:
    """Return a message as an upload message; None if it isn't one."""
    try:
        return decode(letter.body, UploadMessage)
    except MessageError:
        return None


def fullest_first(letters: Sequence[Letter]) -> list[Letter]:
    """Return messages grouped by request, and within a request the one with most files first.

    A second message of the request may have late files. If the message without them came first, its
    ingest would exist already, and the late files would stay outside.
    """
    requests: dict[str, list[Letter]] = {}
    for letter in letters:
        requests.setdefault(letter.zip_id or letter.message_id, []).append(letter)
    return [
        letter
        for of_one in requests.values()
        for letter in sorted(of_one, key=_count_of_files, reverse=True)
    ]


def _count_of_files(letter: Letter) -> int:
    wanted = upload_in(letter)
    return len(files_of(wanted)) if wanted else 0


def came_since(letter: Letter, begin: datetime, moved: Sequence[Letter]) -> bool:
    """Tell whether a message was moved to the DLQ after `begin`, by SQS's clock in whole seconds.

    Within CLOCK_TOLERANCE of `begin` only the body can tell whether it was redriven and failed
    again.
    """
    is_doubtful = letter.sent >= begin - DOUBT
    return letter.sent >= begin or (
        is_doubtful and any(letter.body == other.body for other in moved)
    )
