"""`invoke queue.…`: show messages of queues and dead-letter queues, and redrive failed messages.

A view takes no message away from the functions. But a view costs each shown message of a live queue
one receive (of 12 on the download queue, 50 or more on the upload queue; see
`ops/queues/queue_messages.py`). The command prints this cost.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from invoke import Collection, Context, Exit

from cdk.names import Names
from ingester.ledger.table import Ledger
from ingester.status.table import StatusTable
from ops import arguments, terminal
from ops.command import OpsError, command, error_line
from ops.interrupts import Interrupted, deferred_signals
from ops.printable import printable, table_time
from ops.queues import queue_messages
from ops.queues.queue_messages import (
    LOOK_SECONDS,
    QueueCounts,
    QueueMessage,
    QueuePair,
    SqsQueue,
    hold_messages,
)
from ops.queues.redrive import Redrive, RedrivenMessage, Selection
from ops.target import Target, existing_target, staging_lifetime, target_to_change

PairOf = Callable[[Names], QueuePair]


@dataclass(frozen=True)
class QueueView:
    """A view of one queue.

    A view of a DLQ costs nothing, because a DLQ has no limit of receives.
    """

    name: str
    counts: QueueCounts
    messages: tuple[QueueMessage, ...]
    is_dlq: bool

    @property
    def cost_receives(self) -> bool:
        """True if the view cost each shown message a receive."""
        return bool(self.messages) and not self.is_dlq

    @property
    def unseen(self) -> int:
        """Number of waiting messages that the view doesn't show, by SQS's count."""
        return max(0, self.counts.waiting - len(self.messages))


def view_both(target: Target, pair: QueuePair, limit: int) -> tuple[QueueView, QueueView]:
    """Return the views of a queue (see `view_queue`) and of its DLQ.

    Raises:
        OpsError: A queue doesn't exist.
        ClientError: SQS refuses a request.
    """
    sqs = target.client("sqs")
    return view_queue(SqsQueue(sqs, pair.queue), limit), view_dlq(SqsQueue(sqs, pair.dlq), limit)


def view_queue(queue: SqsQueue, limit: int) -> QueueView:
    """Return the view of a live queue with up to `limit` messages, at most ten.

    Messages are received only if a message waits. Each shown message is received once more.

    Raises:
        ClientError: SQS refuses a request.
    """
    counts = queue.counts()
    seen = tuple(queue.peek(limit)) if counts.waiting else ()
    return QueueView(queue.name, counts, seen, is_dlq=False)


def view_dlq(queue: SqsQueue, limit: int) -> QueueView:
    """Return the view of a DLQ with up to `limit` messages.

    Raises:
        ClientError: SQS refuses a request.
    """
    counts = queue.counts()
    seen: list[QueueMessage] = []
    with hold_messages(queue, LOOK_SECONDS) as held:
        while len(seen) < limit:
            page = held.next_page(limit - len(seen))
            if not page:
                break
            seen += page
    return QueueView(queue.name, counts, tuple(seen), is_dlq=True)


def as_json(views: Sequence[QueueView]) -> dict[str, Any]:
    """Return views as an object for JSON."""
    return {
        "queues": [
            {
                "name": view.name,
                "waiting": view.counts.waiting,
                "in_flight": view.counts.in_flight,
                "delayed": view.counts.delayed,
                "receive_limit": view.counts.receive_limit or None,
                "receives_spent": len(view.messages) if view.cost_receives else 0,
            }
            for view in views
        ],
        "messages": [
            {
                "queue": view.name,
                "message_id": message.message_id,
                "uuid": message.uuid or None,
                "zip_id": message.zip_id or None,
                "meeting_id": message.meeting or None,
                "topic": message.topic or None,
                "sent": message.sent.isoformat(timespec="seconds").replace("+00:00", "Z"),
                "received": message.received,
                "failed_reason": message.reason or None,
                "is_readable": message.content is not None,
            }
            for view in views
            for message in view.messages
        ],
    }


def show(views: Sequence[QueueView]) -> None:
    """Print views as tables, and remarks below the tables."""
    terminal.show(
        "Queues",
        ("queue", "waiting", "in flight", "delayed"),
        [
            (
                view.name,
                terminal.marked(str(counts.waiting), failed=bool(view.is_dlq and counts.waiting)),
                str(counts.in_flight),
                str(counts.delayed),
            )
            for view in views
            for counts in [view.counts]
        ],
    )
    rows = [row_of(view, message) for view in views for message in view.messages]
    if rows:
        columns = ("queue", "uuid", "meeting", "topic", "sent (UTC)", "received", "failed because")
        terminal.show("Messages", columns, rows)
    else:
        terminal.say(reason_for_no_messages(views))
    for line in (line for view in views for line in remarks(view)):
        terminal.say(line)


def reason_for_no_messages(views: Sequence[QueueView]) -> str:
    """Return a sentence with the reason why no message is shown."""
    if not any(view.counts.total for view in views):
        return "Both queues are empty."
    if any(view.counts.total and not view.is_dlq for view in views):
        return (
            "No message can be shown: each is being worked on, or waits for its next attempt. "
            "`invoke recordings` shows which recordings."
        )
    return "No message can be shown."


def held_by_others(name: str, count: int) -> str:
    """Return a sentence about messages of a DLQ that another program holds."""
    verb = "is" if count == 1 else "are"
    return (
        f"{count} on {name} {verb} held by somebody who looks at them, and can be seen again in "
        "some minutes."
    )


def row_of(view: QueueView, message: QueueMessage) -> tuple[str, ...]:
    """Return a message as a row of the table."""
    unreadable = f"(not JSON; message {message.message_id})"
    return (
        view.name,
        printable(message.uuid) or (unreadable if message.content is None else "-"),
        printable(message.meeting) or "-",
        printable(message.topic) or "-",
        table_time(message.sent),
        str(message.received),
        printable(message.reason) or "-",
    )


def remarks(view: QueueView) -> list[str]:
    """Return the sentences below the table of a view."""
    said = []
    if view.cost_receives:
        limit = f" of {view.counts.receive_limit}" if view.counts.receive_limit else ""
        said.append(
            f"Looking at {len(view.messages)} waiting on {view.name} spent one receive{limit} of "
            "each."
        )
    said += [
        f"Don't look again: {message.uuid or message.message_id} has no receive left, and what "
        "takes it next moves it to the dead-letter queue."
        for message in view.messages
        if view.cost_receives and message.received >= view.counts.receive_limit > 0
    ]
    if view.is_dlq and view.counts.in_flight:
        said.append(held_by_others(view.name, view.counts.in_flight))
    if view.unseen:
        more = "asking again would spend receives" if view.cost_receives else "--limit shows more"
        said.append(f"{view.unseen} more on {view.name}: {more}.")
    return said


def show_views(pair_of: PairOf, limit: int, *, json: bool) -> None:
    """Print the messages of a queue and its DLQ, as tables or as JSON.

    Raises:
        SettingsError, ProfileNotFound: See `existing_target`.
        ClientError: AWS refuses a request.
        OpsError: The limit is below 1, or the stack or a queue doesn't exist.
    """
    check_limit(limit)
    target = existing_target()
    with terminal.working("Looking at the queues"):
        views = view_both(target, pair_of(target.names), limit)
    if json:
        terminal.show_json(as_json(views))
    else:
        show(views)


def check_limit(limit: int) -> None:
    """Raise OpsError if a limit is below 1."""
    if limit < 1:
        raise OpsError(f"--limit {limit} is no number of messages: 1 or more.")


def selection_of(limit: int | None, uuid: str | None, *, every: bool) -> Selection:
    """Return an operator's selection of messages: without options, the first message.

    `every` stands for the option `--all`.

    Raises:
        OpsError: More than one of the options is given, the limit is below 1, or `uuid` contains
            no uuid.
    """
    given = {"--all": every, "--uuid": uuid is not None, "--limit": limit is not None}
    options = [option for option, is_given in given.items() if is_given]
    if len(options) > 1:
        raise OpsError(f"{' and '.join(options)} exclude each other: leave all but one out.")
    limit = 1 if limit is None else limit
    check_limit(limit)
    if uuid is not None:
        return Selection(most=None, uuid=arguments.recording_uuid(uuid))
    return Selection(most=None, unreadable=True) if every else Selection(most=limit)


def redrive_dlq(pair_of: PairOf, selection: Selection, *, dry_run: bool) -> None:
    """Redrive messages of a DLQ, or only select messages in a dry run, and print the result.

    Raises:
        SettingsError: See `target_to_change` and `staging_lifetime`.
        ProfileNotFound, EOFError: See `target_to_change`.
        ClientError: AWS refuses a request before or after the redrive.
        OpsError: The stack or a queue doesn't exist, the operator doesn't confirm the change, the
            redrive failed, or the DLQ delivered no message of the selected recording.
        Exit: A signal interrupted the redrive (exit code 130).
    """
    target = existing_target() if dry_run else target_to_change()
    pair, sqs = pair_of(target.names), target.client("sqs")
    redrive = Redrive(
        pair,
        SqsQueue(sqs, pair.queue),
        SqsQueue(sqs, pair.dlq),
        StatusTable(target.table(target.names.status_table), _now),
        Ledger(target.table(target.names.recordings_table), _now),
        staging_lifetime(),
        is_dry=dry_run,
    )
    with deferred_signals() as interrupted:
        redrive_and_report(redrive, selection, interrupted)


def _now() -> datetime:
    return datetime.now(UTC)


def redrive_and_report(redrive: Redrive, selection: Selection, interrupted: Interrupted) -> None:
    """Redrive the selected messages, or only select them in a dry run, and print the result.

    Raises:
        Exit: A signal interrupted the redrive (exit code 130).
        OpsError: The redrive failed, or the DLQ delivered no message of the selected recording.
        ClientError: SQS refuses to count the messages.
    """
    moved: list[RedrivenMessage] = []
    left: tuple[QueueMessage, ...] = ()
    error: Exception | None = None
    total = redrive.dead.counts().waiting if selection.unreadable else selection.most
    with terminal.progress() as bar:
        task = bar.add_task("Messages", total=total)

        def on_redriven(redriven: RedrivenMessage) -> None:
            moved.append(redriven)
            bar.advance(task)

        try:
            left = redrive.run(selection, interrupted, on_redriven)
        except Exception as caught:  # noqa: BLE001 - raised again below, after the report
            error = caught
    show_redriven(redrive, moved, left)
    so_far = f"{0 if redrive.is_dry else len(moved)} moved, the rest is where it was."
    if error:
        raise OpsError(f"Stopped: {error_line(error)} {so_far}") from error
    if interrupted():
        raise Exit(f"Interrupted. {so_far}", code=130)
    if not moved:
        report_nothing(redrive.pair, selection, left, redrive.dead.counts().in_flight)


def show_redriven(
    redrive: Redrive, moved: Sequence[RedrivenMessage], left: Sequence[QueueMessage]
) -> None:
    """Print the redriven messages, then each message in `left` with the reason."""
    if moved:
        terminal.show(
            f"{'Would be back' if redrive.is_dry else 'Back'} on {redrive.pair.queue}",
            ("uuid", "topic", "had failed because"),
            [
                (
                    printable(redriven.message.uuid) or f"(message {redriven.message.message_id})",
                    printable(redriven.message.topic) or "-",
                    printable(redriven.reason),
                )
                for redriven in moved
            ],
        )
    for message in left:
        if message.content is None:
            terminal.say(f"Left: message {message.message_id} is no JSON. --all moves it too.")
        else:
            uuid = printable(message.uuid)
            terminal.say(
                f"Left: {uuid} failed on {table_time(message.sent)}, and its files are gone "
                f"from S3 after STAGING_DAYS. `invoke exec.pipeline {shlex.quote(uuid)}` fetches "
                "them again."
            )


def report_nothing(
    pair: QueuePair, selection: Selection, left: Sequence[QueueMessage], in_flight: int
) -> None:
    """Print that nothing waits in the DLQ, unless `left` has messages.

    `in_flight` is the number of messages that another program holds.

    Raises:
        OpsError: A recording was selected, and `left` is empty.
    """
    more = f" {held_by_others(pair.dlq, in_flight)}" if in_flight else ""
    if selection.uuid and not left:
        raise OpsError(
            f"Nothing of {selection.uuid} waits in {pair.dlq}: `invoke queue.{pair.command}` "
            f"shows what does, `invoke recordings --uuid {selection.uuid}` where it is.{more}"
        )
    if not left:
        terminal.say(f"Nothing waits in {pair.dlq}.{more}")


VIEW_HELP = {"limit": "maximum number of messages of each queue", "json": "print JSON"}
RETRY_HELP = {
    "limit": "how many messages, from the first on: 1, unless --uuid or --all is given",
    "uuid": "all messages of this recording: its uuid, or the link to it in Zoom",
    "all": "all messages, also those that can't be read",
    "dry-run": "only show which messages would be sent again",
}


@command(name="downloads", help=VIEW_HELP)
def show_downloads(_context: Context, limit: int = 20, json: bool = False) -> None:
    """Show the download queue and its dead-letter queue."""
    show_views(queue_messages.downloads, limit, json=json)


@command(name="uploads", help=VIEW_HELP)
def show_uploads(_context: Context, limit: int = 20, json: bool = False) -> None:
    """Show the upload queue and its dead-letter queue."""
    show_views(queue_messages.uploads, limit, json=json)


@command(help=RETRY_HELP)
def retry_downloads(
    _context: Context,
    limit: int | None = None,
    uuid: str | None = None,
    all_: bool = False,
    dry_run: bool = False,
) -> None:
    """Send failed messages to the downloader again."""
    redrive_dlq(queue_messages.downloads, selection_of(limit, uuid, every=all_), dry_run=dry_run)


@command(help=RETRY_HELP)
def retry_uploads(
    _context: Context,
    limit: int | None = None,
    uuid: str | None = None,
    all_: bool = False,
    dry_run: bool = False,
) -> None:
    """Send failed messages to the uploader again."""
    redrive_dlq(queue_messages.uploads, selection_of(limit, uuid, every=all_), dry_run=dry_run)


collection = Collection("queue", show_downloads, show_uploads, retry_downloads, retry_uploads)
