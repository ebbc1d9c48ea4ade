"""`invoke logs.…`: show log lines by time, live, or of one recording.

Times are UTC. People see a log record as `HH:MM:SS.mmm function level message key=value …`, and a
new date gets a line of its own. For programs (`--json`) each line is one JSON object.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from botocore.config import Config
from invoke import Collection as Tasks
from invoke import Context, Exit, Task
from rich.text import Text

from cdk.names import FUNCTIONS, Function
from ingester.status.table import StatusTable
from ops import arguments, terminal
from ops.code.package import select_functions
from ops.command import OpsError, command
from ops.logs.lines import INDENT, Line, render_json, render_text
from ops.logs.reading import Logs, read_all, recording_lines, watch
from ops.status_rows import rows_of
from ops.target import Target, existing_target

RETRYING = Config(retries={"mode": "standard", "max_attempts": 10})
"""A client's configuration with many retries, because AWS throttles FilterLogEvents.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

HELP = {
    "watch": "keep printing new lines until ^C",
    "since": "how far to look back: a number with s, m, h or d behind it",
    "json": "one JSON object a line, with all that was logged",
}


def now() -> datetime:
    return datetime.now(UTC)


def logs_of(target: Target) -> Logs:
    """Return the logs of a stack's functions."""
    return Logs(target.client("logs", config=RETRYING), target.names)


class Printer:
    """A printer of lines. Unless `as_json`, a date comes before the first line of each day.

    `hidden` names fields that aren't printed for people.
    """

    def __init__(self, *, as_json: bool, hidden: Collection[str] = ()) -> None:
        self._as_json = as_json
        self._hidden = hidden
        self._date: date | None = None
        self._console = terminal.console()
        # rich only renders the text, and `print` writes the text.
        self._console.file = io.StringIO()

    def __call__(self, lines: Iterable[Line]) -> None:
        """Print the lines.

        Raises:
            BrokenPipeError: The reader of the output is gone.
        """
        for line in lines:
            if self._as_json:
                print(render_json(line))
                continue
            if line.moment.date() != self._date:
                self._date = line.moment.date()
                self._print(Text(f"{self._date} (UTC)", style="bold"))
            self._print(render_text(line, self._hidden))
        sys.stdout.flush()

    def _print(self, text: Text) -> None:
        with self._console.capture() as captured:
            for line in self._lines(text):
                self._console.print(line, soft_wrap=True)
        print(captured.get(), end="")

    def _lines(self, text: Text) -> Iterator[Text]:
        """Yield a text's lines, wrapped between words; the text itself without a terminal."""
        if not sys.stdout.isatty():
            yield text
            return
        for part in text.split("\n", allow_blank=True):
            first, *others = terminal.wrapped(part, self._console.width - len(INDENT)) or [Text()]
            yield first
            for other in others:
                yield Text.assemble(INDENT, other)


def run(functions: Sequence[Function], since: str, *, watched: bool, as_json: bool) -> None:
    """Show the log lines of `functions` from the period `since`, such as `2h`, until now.

    If `watched`, show new lines until ^C.

    Raises:
        SettingsError, ProfileNotFound: See `existing_target`.
        OpsError: See `arguments.since` and `existing_target`.
        ClientError: AWS refuses a request.
        Exit: ^C was pressed while `watched`.
    """
    length = arguments.since(since)
    target = existing_target()
    logs, begin, show = logs_of(target), now() - length, Printer(as_json=as_json)
    if watched:
        follow(watch(logs, functions, begin, clock=now, sleep=time.sleep), show)
    else:
        with terminal.working("Reading the logs"):
            lines = read_all(logs, functions, begin)
        show(lines)
        if not (lines or as_json):
            # The sentence goes to stderr, because it isn't part of the log.
            said = f"Nothing was logged in the last {since.strip()}: --since 1d goes further back."
            print(terminal.fitted(said, sys.stderr), file=sys.stderr)


def follow(batches: Iterable[Sequence[Line]], show: Callable[[Sequence[Line]], None]) -> None:
    """Show lines as they arrive until ^C, which ends the command without a message.

    Raises:
        Exit: ^C was pressed.
    """
    try:
        for lines in batches:
            show(lines)
    except KeyboardInterrupt:
        raise Exit(code=130) from None


def task_of(function: Function) -> Task[Any]:
    """Return the command `logs.<function>`."""

    def task(_context: Context, watch: bool = False, since: str = "1h", json: bool = False) -> None:
        run([function], since, watched=watch, as_json=json)

    task.__doc__ = f"Show what {function.name} logged."
    return command(name=function.task, help=HELP)(task)


@command(name="all", help=HELP)
def all_functions(
    _context: Context, watch: bool = False, since: str = "1h", json: bool = False
) -> None:
    """Show what all functions logged, by time."""
    run(FUNCTIONS, since, watched=watch, as_json=json)


@command(
    help={
        "uuid": "the recording's uuid, as `invoke recordings` shows it, or the link to it in Zoom",
        "function": "only this function, such as zoom-downloader or downloader",
        "since": HELP["since"],
        "json": HELP["json"],
    }
)
def recording(
    _context: Context, uuid: str, function: str | None = None, since: str = "7d", json: bool = False
) -> None:
    """Show what the functions logged about a recording."""
    wanted, length, functions = (
        arguments.recording_uuid(uuid),
        arguments.since(since),
        select_functions(function),
    )
    target = existing_target()
    status = StatusTable(target.table(target.names.status_table), now)
    zip_ids = [row.zip_id for row in rows_of(status, wanted, now())]
    begin = now() - length
    with terminal.working("Reading the logs"):
        lines = recording_lines(logs_of(target), functions, wanted, zip_ids, begin)
    if not lines:
        raise OpsError(
            f"No log records of {wanted} since {begin:%Y-%m-%d %H:%M} UTC: is the uuid right "
            "(`invoke recordings --meeting ID` shows a meeting's), or was it earlier "
            "(`--since 30d`; logs are kept for LOG_RETENTION_DAYS)?"
        )
    ingests = {line.text_field("zip_id") for line in lines} - {""}
    hidden = ("uuid", "zip_id") if len(ingests) == 1 else ("uuid",)
    Printer(as_json=json, hidden=hidden)(lines)


collection = Tasks("logs", all_functions, *(task_of(function) for function in FUNCTIONS), recording)
