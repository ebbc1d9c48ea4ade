"""`invoke queue.…`: show the messages of the queues and dead-letter queues, and redrive them.

A view takes nothing away from the functions. But if it finds messages on a live queue, it costs
each
of them one receive (of 12 on the download queue, 50 or more on the upload queue; see
`ops/queues/queue_messages.py`), and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from invoke import Collection, Context, Exit
from rich.table import Column

from cdk.names import Names
from ingester.ledger.table import Ledger
from ingester.status.table import StatusTable
from ops import terminal
from ops.command import OpsError, command, one_line
from ops.interrupts import Asked, noted
from ops.printable import moment, printable
from ops.queues import queue_messages
from ops.queues.queue_messages import LOOK_SECONDS, Box, Counts, Letter, Pipe, held
from ops.queues.redrive import Moved, Redrive, Wanted
from ops.recordings import arguments
from ops.target import Target, changing, looking

PipeOf = Callable[[Names], Pipe]


@dataclass(frozen=True)
class Seen:
    """What a view found in one queue. Views of a dead-letter queue cost no receives."""

    name: str
    counts: Counts
    letters: tuple[Letter, ...]
    is_dead: bool

    @property
    def peeked(self) -> bool:
        """Whether the view cost each message a receive."""
        return bool(self.letters) and not self.is_dead

    @property
    def others(self) -> int:
        """Number of waiting messages that weren't received, by SQS's count."""
        return max(0, self.counts.waiting - len(self.letters))


def look(target: Target, pipe: Pipe, limit: int) -> tuple[Seen, Seen]:
    """Return the views of a queue and its DLQ, with up to `limit` messages of each."""
    sqs = target.client("sqs")
    return look_live(Box(sqs, pipe.queue), limit), look_dead(Box(sqs, pipe.dead_letters), limit)


def look_live(box: Box, limit: int) -> Seen:
    """Return the view of a live queue: one receive, or none if nothing waits."""
    counts = box.counts()
    seen = tuple(box.peek(limit)) if counts.waiting else ()
    return Seen(box.name, counts, seen, is_dead=False)


def look_dead(box: Box, limit: int) -> Seen:
    """Return the view of a DLQ: its first messages, page by page."""
    counts = box.counts()
    seen: list[Letter] = []
    with held(box, LOOK_SECONDS) as hand:
        while len(seen) < limit:
            page = hand.draw(limit - len(seen))
            if not page:
                break
            seen += page
    return Seen(box.name, counts, tuple(seen), is_dead=True)


def as_json(seen: Sequence[Seen]) -> dict[str, Any]:
    """Return views for other programs."""
    return {
        "queues": [
            {
                "name": one.name,
                "waiting": one.counts.waiting,
                "in_flight": one.counts.in_flight,
                "delayed": one.counts.delayed,
                "receive_limit": one.counts.receive_limit or None,
                "receives_spent": len(one.letters) if one.peeked else 0,
            }
            for one in seen
        ],
        "messages": [
            {
                "queue": one.name,
                "message_id": letter.message_id,
                "uuid": letter.uuid or None,
                "zip_id": letter.zip_id or None,
                "meeting_id": letter.meeting or None,
                "topic": letter.topic or None,
                "sent": letter.sent.isoformat(timespec="seconds").replace("+00:00", "Z"),
                "received": letter.received,
                "failed_reason": letter.reason or None,
                "is_readable": letter.content is not None,
            }
            for one in seen
            for letter in one.letters
        ],
    }


def show(seen: Sequence[Seen]) -> None:
    """Print views as tables."""
    terminal.show(
        "Queues",
        ("queue", "waiting", "in flight", "delayed"),
        [
            (one.name, *map(str, (one.counts.waiting, one.counts.in_flight, one.counts.delayed)))
            for one in seen
        ],
    )
    rows = [row_of(one, letter) for one in seen for letter in one.letters]
    if rows:
        columns = ("queue", "uuid", "meeting", "topic", "sent (UTC)", "received", "failed because")
        terminal.show("Messages", uncut(columns), rows)
    else:
        terminal.say("No message can be seen.")
    for line in (line for one in seen for line in remarks(one)):
        terminal.say(line)


def held_by_others(name: str, count: int) -> str:
    """Return a sentence about messages of a DLQ that another program holds."""
    verb = "is" if count == 1 else "are"
    return (
        f"{count} on {name} {verb} held by somebody who looks at them, and can be seen again in "
        "some minutes."
    )


def uncut(names: Sequence[str]) -> list[Column]:
    """Return columns that are never cut: narrow terminals fold all but the uuids."""
    return [Column(name, overflow="fold", no_wrap=name == "uuid") for name in names]


def row_of(one: Seen, letter: Letter) -> tuple[str, ...]:
    """Return a message as a row of the table."""
    unreadable = f"(not JSON; message {letter.message_id})"
    return (
        one.name,
        printable(letter.uuid) or (unreadable if letter.content is None else "-"),
        printable(letter.meeting) or "-",
        printable(letter.topic) or "-",
        moment(letter.sent),
        str(letter.received),
        printable(letter.reason) or "-",
    )


def remarks(one: Seen) -> list[str]:
    """Return sentences to print below the tables of a view."""
    said = []
    if one.peeked:
        limit = f" of {one.counts.receive_limit}" if one.counts.receive_limit else ""
        said.append(
            f"Looking at {len(one.letters)} waiting on {one.name} spent one receive{limit} of each."
        )
    said += [
        f"Don't look again: {letter.uuid or letter.message_id} has no receive left, and what takes "
        f"it next puts it into the dead letters."
        for letter in one.letters
        if one.peeked and letter.received >= one.counts.receive_limit > 0
    ]
    if one.is_dead and one.counts.in_flight:
        said.append(held_by_others(one.name, one.counts.in_flight))
    if one.others:
        more = "asking again would spend receives" if one.peeked else "--limit shows more"
        said.append(f"{one.others} more on {one.name}: {more}.")
    return said


def view(pipe_of: PipeOf, limit: int, *, json: bool) -> None:
    """Show a queue and its DLQ."""
    positive(limit)
    target = looking()
    seen = look(target, pipe_of(target.names), limit)
    if json:
        terminal.show_json(as_json(seen))
    else:
        show(seen)


def positive(limit: int) -> None:
    """Raise OpsError if a limit is below 1."""
    if limit < 1:
        raise OpsError(f"--limit {limit} is no number of messages: 1 or more.")


def wanted_of(limit: int, uuid: str | None, *, every: bool) -> Wanted:
    """Return an operator's selection of messages. Raises OpsError if the options contradict."""
    positive(limit)
    if uuid is not None and every:
        raise OpsError("--all and --uuid exclude each other: leave one of them out.")
    if uuid is not None:
        return Wanted(most=None, uuid=arguments.recording_uuid(uuid))
    return Wanted(most=None, unreadable=True) if every else Wanted(most=limit)


def retry(pipe_of: PipeOf, wanted: Wanted) -> None:
    """Redrive messages of a DLQ."""
    target = changing()
    pipe, sqs = pipe_of(target.names), target.client("sqs")
    redrive = Redrive(
        pipe,
        Box(sqs, pipe.queue),
        Box(sqs, pipe.dead_letters),
        StatusTable(target.table(target.names.status_table), _now),
        Ledger(target.table(target.names.recordings_table), _now),
    )
    with noted() as stopped:
        move(redrive, wanted, stopped)


def _now() -> datetime:
    return datetime.now(UTC)


def move(redrive: Redrive, wanted: Wanted, stopped: Asked) -> None:
    """Redrive messages and print them.

    Raises:
        Exit: with 130 if a signal came.
        OpsError: the redrive failed.
    """
    moved: list[Moved] = []
    left: tuple[Letter, ...] = ()
    error: Exception | None = None
    total = redrive.dead.counts().waiting if wanted.unreadable else wanted.most
    with terminal.progress() as bar:
        task = bar.add_task("Dead letters", total=total)

        def tell(one: Moved) -> None:
            moved.append(one)
            bar.advance(task)

        try:
            left = redrive.run(wanted, stopped, tell)
        except Exception as caught:  # noqa: BLE001 - raised again below, behind what was moved
            error = caught
    report(redrive.pipe, moved, left)
    so_far = f"{len(moved)} moved, the rest is where it was."
    if error:
        raise OpsError(f"Stopped: {one_line(error)} {so_far}") from error
    if stopped():
        raise Exit(f"Interrupted. {so_far}", code=130)
    if not moved:
        nothing(redrive.pipe, wanted, left, redrive.dead.counts().in_flight)


def report(pipe: Pipe, moved: Sequence[Moved], left: Sequence[Letter]) -> None:
    """Print the messages that were redriven, and those that were left with the reason."""
    if moved:
        terminal.show(
            f"Back on {pipe.queue}",
            uncut(("uuid", "topic", "had failed because")),
            [
                (
                    printable(one.letter.uuid) or f"(message {one.letter.message_id})",
                    printable(one.letter.topic) or "-",
                    printable(one.reason),
                )
                for one in moved
            ],
        )
    for letter in left:
        if letter.content is None:
            terminal.say(f"Left: message {letter.message_id} is no JSON. --all moves it too.")
        else:
            uuid = printable(letter.uuid)
            terminal.say(
                f"Left: {uuid} was buried on {moment(letter.sent)}, and its files are gone from S3 "
                f"after seven days. `invoke exec.pipeline {uuid}` fetches them anew."
            )


def nothing(pipe: Pipe, wanted: Wanted, left: Sequence[Letter], in_flight: int) -> None:
    """Print that nothing was redriven. Raises OpsError if a certain recording was selected."""
    more = f" {held_by_others(pipe.dead_letters, in_flight)}" if in_flight else ""
    if wanted.uuid and not left:
        raise OpsError(
            f"Nothing of {wanted.uuid} waits in {pipe.dead_letters}: `invoke queue.{pipe.word}` "
            f"shows what does, `invoke recordings --uuid {wanted.uuid}` where it is.{more}"
        )
    if not left:
        terminal.say(f"Nothing waits in {pipe.dead_letters}.{more}")


VIEW = {"limit": "how many messages of each queue at most", "json": "for other programs"}
RETRY = {
    "limit": "how many, the first ones",
    "uuid": "those of this recording, all of them",
    "all": "all, those that can't be read too",
}


@command(name="downloads", help=VIEW)
def show_downloads(_context: Context, limit: int = 20, json: bool = False) -> None:
    """Show what waits for the downloader; dead letters."""
    view(queue_messages.downloads, limit, json=json)


@command(name="uploads", help=VIEW)
def show_uploads(_context: Context, limit: int = 20, json: bool = False) -> None:
    """Show what waits for the uploader; dead letters."""
    view(queue_messages.uploads, limit, json=json)


@command(help=RETRY)
def retry_downloads(
    _context: Context, limit: int = 1, uuid: str | None = None, all_: bool = False
) -> None:
    """Send dead letters to the downloader again."""
    retry(queue_messages.downloads, wanted_of(limit, uuid, every=all_))


@command(help=RETRY)
def retry_uploads(
    _context: Context, limit: int = 1, uuid: str | None = None, all_: bool = False
) -> None:
    """Send dead letters to the uploader again."""
    retry(queue_messages.uploads, wanted_of(limit, uuid, every=all_))


collection = Collection("queue", show_downloads, show_uploads, retry_downloads, retry_uploads)
