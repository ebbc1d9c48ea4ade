"""Parse a function's log: our own log records, and the lines that Lambda and Python write.

Our log records are JSON (`ingester/log.py`). Lambda's lines about crashes and timeouts, and the
lines that libraries print, are text. Log lines are untrusted input: the parser accepts any text and
never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ingester.errors import UNREADABLE_JSON
from ingester.log_level import Level

_TRACEBACK = "Traceback (most recent call last)"
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PREFIX = re.compile(rf"^(?:\d{{4}}-\S+Z\s+)?(?:RequestId:\s*)?(?:{_ID}\s+)?(?:\[\w+\]\s*)?")


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a log. A text that the record lacks is "".

    Attributes:
        outlook: Text about the next automatic step, such as a retry.
        advice: Advice for a person.
        goes_on: Whether the work went on in spite of the error (`log.nonfatal`).
        crash: Words for a crash of the function, such as "timed out"; "" if it didn't crash.
    """

    level: Level
    message: str
    timestamp: str = ""
    location: str = ""
    uuid: str = ""
    zip_id: str = ""
    request_id: str = ""
    outlook: str = ""
    advice: str = ""
    goes_on: bool = False
    exception: str = ""
    crash: str = ""

    @property
    def headline(self) -> str:
        """The message's first line; for a crash, the line that names the crash.

        Time and request id are left out of the line that names a crash.
        """
        lines = [line for line in self.message.splitlines() if line.strip()] or [""]
        if not self.crash:
            return lines[0]
        if lines[0].startswith(_TRACEBACK):
            return [line for line in lines if not line[0].isspace()][-1]
        return _PREFIX.sub("", lines[0], count=1) or lines[0]


class _RawRecord(msgspec.Struct):
    level: str
    message: Any = ""
    timestamp: Any = ""
    location: Any = ""
    uuid: Any = ""
    zip_id: Any = ""
    aws_request_id: Any = ""
    outlook: Any = ""
    advice: Any = ""
    goes_on: Any = False
    exception: Any = ""


# Lambda writes `[ERROR] KeyError: …` for an exception of a handler or an import, `… Task timed out
# after 3.00 seconds`, `RequestId: … Error: Runtime exited with error: signal: killed`, and a REPORT
# with the status of an invocation that failed. Python writes `Traceback …`.
# https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
_CRASHES = (
    (
        "timed out",
        re.compile(r"Task timed out after|^(?:INIT_)?REPORT .*Status: timeout", re.DOTALL),
    ),
    ("was killed", re.compile(r"Runtime exited|^(?:INIT_)?REPORT .*Status: error", re.DOTALL)),
    ("crashed", re.compile(rf"^\[(?:ERROR|CRITICAL)\]\s*\S|^{re.escape(_TRACEBACK)}")),
)
_ROUTINE = re.compile(
    r"(?:START RequestId|END RequestId|INIT_START|INIT_REPORT|REPORT|XRAY|EXTENSION)\b"
)
_REQUEST_ID = re.compile(rf"\b{_ID}\b")
_LEVEL_WORD = re.compile(r"\b(CRITICAL|ERROR|WARNING)\b")


def records_of(lines: Iterable[str]) -> list[LogRecord]:
    """Parse the lines of one log stream, in their order.

    Lambda's routine lines are left out. The log record of a crash also has the lines of the crash's
    traceback and repeats.
    """
    return list(_joined(record for line in lines if (record := _record(line)) is not None))


def _record(line: str) -> LogRecord | None:
    text = line.rstrip()
    return (_parse_json(text) or _parse_text(text)) if text else None


def _parse_json(text: str) -> LogRecord | None:
    """Parse a log record of our `JsonFormatter`; return None if the line is something else."""
    if not text.startswith("{"):
        return None
    try:
        written = msgspec.json.decode(text, type=_RawRecord)
    except UNREADABLE_JSON:
        return None
    level = Level.__members__.get(written.level.upper())
    if level is None:
        return None
    return LogRecord(
        level=level,
        message=_text(written.message),
        timestamp=_text(written.timestamp),
        location=_text(written.location),
        uuid=_text(written.uuid),
        zip_id=_text(written.zip_id),
        request_id=_text(written.aws_request_id),
        outlook=_text(written.outlook),
        advice=_text(written.advice),
        goes_on=written.goes_on is True,
        exception=_text(written.exception),
    )


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _parse_text(text: str) -> LogRecord | None:
    request_id = found[0] if (found := _REQUEST_ID.search(text)) else ""
    for crash, pattern in _CRASHES:
        if pattern.search(text):
            return LogRecord(level=Level.CRITICAL, message=text, request_id=request_id, crash=crash)
    if _ROUTINE.match(text):
        return None
    word = _LEVEL_WORD.search(text)
    level = Level[word[1]] if word else Level.INFO
    return LogRecord(level=level, message=text, request_id=request_id)


def _joined(records: Iterable[LogRecord]) -> Iterator[LogRecord]:
    """Yield the log records, each crash joined with the crash's traceback and repeats.

    The traceback and the repeats are the next log records after the crash.
    """
    crash: LogRecord | None = None
    messages: list[str] = []
    for record in records:
        if crash and _continues(crash, record):
            messages.append(record.message)
            continue
        if crash:
            yield _with_message(crash, messages)
        crash, messages = (record, [record.message]) if record.crash else (None, [])
        if not crash:
            yield record
    if crash:
        yield _with_message(crash, messages)


def _with_message(crash: LogRecord, messages: list[str]) -> LogRecord:
    return msgspec.structs.replace(crash, message="\n".join(messages))


def _continues(crash: LogRecord, record: LogRecord) -> bool:
    # Only our own log records have a location, and our own log records continue no crash.
    if record.location:
        return False
    if record.crash:
        return record.request_id == crash.request_id or not record.request_id
    return not record.request_id
