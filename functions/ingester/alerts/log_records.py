"""What a function's log says: our own records, and what Lambda and Python write beside them.

Ours are JSON (`ingester/log.py`). What Lambda itself writes of a crash or a time-out is text, and
so is whatever a library prints. A line of a log is foreign input: anything
is taken, nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ingester.log_level import Level

_TRACEBACK = "Traceback (most recent call last)"
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PREFIX = re.compile(rf"^(?:\d{{4}}-\S+Z\s+)?(?:RequestId:\s*)?(?:{_ID}\s+)?(?:\[\w+\]\s*)?")


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a log says; absent texts are "".

    `outlook` is what the function does about it by itself, `advice` what a person can do, and
    `goes_on` whether the work went on in spite of it (`log.goes_on`). `crash` says in a word or two
    how the function itself ended, "" if it didn't.
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
        """The line that says what happened; of a crash without moment, id and traceback."""
        lines = [line for line in self.message.splitlines() if line.strip()] or [""]
        if not self.crash:
            return lines[0]
        if lines[0].startswith(_TRACEBACK):
            return [line for line in lines if not line[0].isspace()][-1]
        return _PREFIX.sub("", lines[0], count=1) or lines[0]


class _Written(msgspec.Struct):
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


# What Lambda writes (its guide, "Using CloudWatch Logs with Lambda" and "Troubleshoot invocation
# issues"): `[ERROR] KeyError: …` for what a handler or an import raised, `… Task timed out after
# 3.00 seconds`, `RequestId: … Error: Runtime exited with error: signal: killed`, and a REPORT with
# the status of an invocation that didn't end well. `Traceback …` is Python's own.
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
    """The records in lines of one log stream, in their order.

    What is no record of ours is text: routine lines of Lambda's are left out, and lines that go on
    with a crash, or tell it a second time, become part of it.
    """
    return list(_joined(record for line in lines if (record := _record(line)) is not None))


def _record(line: str) -> LogRecord | None:
    text = line.rstrip()
    return (_own(text) or _foreign(text)) if text else None


def _own(text: str) -> LogRecord | None:
    """A record that JsonFormatter wrote, or one that looks like it."""
    if not text.startswith("{"):
        return None
    try:
        written = msgspec.json.decode(text, type=_Written)
    except (msgspec.DecodeError, RecursionError):
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


def _foreign(text: str) -> LogRecord | None:
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
    """Text behind a crash belongs to it: its traceback, or the report of the same end."""
    crash: LogRecord | None = None
    for record in records:
        if crash and _goes_on(crash, record):
            told = f"{crash.message}\n{record.message}"
            crash = msgspec.structs.replace(crash, message=told)
            continue
        if crash:
            yield crash
        crash = record if record.crash else None
        if not crash:
            yield record
    if crash:
        yield crash


def _goes_on(crash: LogRecord, record: LogRecord) -> bool:
    if record.location:
        return False  # one of ours
    if record.crash:
        return record.request_id == crash.request_id or not record.request_id
    return not record.request_id
