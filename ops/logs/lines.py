"""A line of a function's log, formatted for people or for programs.

The functions write one JSON object for each log record (`ingester.log`). Lambda writes most other
lines, such as START, END, REPORT, timeouts, and crashes before the function's logging starts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.text import Text

from cdk.names import Function
from ingester.log import redact
from ops.printable import printable

ALWAYS_HIDDEN = frozenset(
    {"level", "timestamp", "location", "message", "exception", "aws_request_id", "_aws"}
)
"""Fields that lines for people show elsewhere or not at all. `--json` shows all fields."""

STYLES = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
INDENT = " " * 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROUTINE = re.compile(r"(START|END|REPORT) RequestId: |INIT_START |EXTENSION\t|INIT_REPORT ")


@dataclass(frozen=True)
class Line:
    """One log event of CloudWatch.

    `stored` is CloudWatch's timestamp. `moment` is the log record's own timestamp, or `stored`
    without such a timestamp. `record` is None if the line isn't a log record. `key` identifies the
    log event.
    """

    function: Function
    stream: str
    key: str
    stored: datetime
    moment: datetime
    text: str
    record: Mapping[str, Any] | None

    def text_field(self, name: str) -> str:
        """Return a text field of the log record; "" if the log record has no text of this name."""
        value = self.record.get(name) if self.record else None
        return value if isinstance(value, str) else ""

    @property
    def is_routine(self) -> bool:
        """True for a line of Lambda's, such as START, END or REPORT, that tells of no failure."""
        is_bookkeeping = self.record is None and _ROUTINE.match(self.text)
        return bool(is_bookkeeping) and "Status: " not in self.text


def line_of(function: Function, event: Mapping[str, Any]) -> Line:
    """Return the line for a log event of FilterLogEvents."""
    text = str(event.get("message", "")).rstrip()
    stream, milliseconds = str(event.get("logStreamName", "")), int(event["timestamp"])
    stored = EPOCH + timedelta(milliseconds=milliseconds)
    record = _record(text)
    return Line(
        function=function,
        stream=stream,
        key=str(event.get("eventId") or f"{stream}\n{milliseconds}\n{text}"),
        stored=stored,
        moment=(_moment(record) if record else None) or stored,
        text=text,
        record=record,
    )


def _record(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_ours = isinstance(content, dict) and {"level", "message"} <= content.keys()
    return content if is_ours else None


def _moment(record: Mapping[str, Any]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(record.get("timestamp")))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def render_text(line: Line, hidden: Collection[str] = ()) -> Text:
    """Return the line for people: time, function, level, message, other fields, and the exception.

    A line of Lambda's has time, function and text. `hidden` names fields that are left out, because
    every line has the same value there.
    """
    moment = line.moment.strftime("%H:%M:%S.") + f"{line.moment.microsecond // 1000:03d}"
    head = f"{moment} {line.function.task:<12} "
    if line.record is None:
        first, *rest = [printable(redact(part)) for part in line.text.splitlines()] or [""]
        return Text("\n".join([f"{head}{first}", *(INDENT + part for part in rest)]), style="dim")
    level = printable(str(line.record["level"]))
    extras = [
        f"{printable(str(name))}={_value(value)}"
        for name, value in line.record.items()
        if name not in ALWAYS_HIDDEN and name not in hidden
    ]
    shown = Text(head).append(f"{level:<8}", STYLES.get(level, ""))
    shown.append(f" {_message(line.record)}", STYLES.get(level, "") if level != "DEBUG" else "dim")
    if extras:
        shown.append(f"  {' '.join(extras)}", "dim")
    for part in str(line.record.get("exception") or "").splitlines():
        shown.append(f"\n{INDENT}{printable(part)}", "dim")
    return shown


def _message(record: Mapping[str, Any]) -> str:
    return printable(" / ".join(str(record["message"]).splitlines()))


def _value(value: object) -> str:
    if isinstance(value, str) and value and not re.search(r"[\s\"]", value):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def render_json(line: Line) -> str:
    """Return the line as a JSON object with function, log stream and the log record's fields.

    In place of a log record's fields, a line of Lambda's has `timestamp` and `text`.
    """
    where = {"function": line.function.name, "log_stream": line.stream}
    if line.record is not None:
        return json.dumps({**where, **line.record}, ensure_ascii=True)
    moment = line.moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({**where, "timestamp": moment, "text": redact(line.text)})
