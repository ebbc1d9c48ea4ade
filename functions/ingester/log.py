"""Structured logs: one JSON object a line, with the recording's keys and without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

_NAMES = (
    r"X-Amz-(?:Signature|Security-Token|Credential)|Signature|Policy"
    r"|token|pwd|passcode|password|secret|api[_-]?key"
)
_SECRETS = (
    re.compile(r"(?i)(\bbearer\s+|\bbasic\s+)[A-Za-z0-9._~+/=-]+"),
    # A quoted value ends at its own quote, which may itself be escaped, as in JSON within JSON.
    re.compile(rf"(?i)((?:{_NAMES})(?:\\*[\"'])?\s*[=:]\s*b?(\\*[\"']))(?:(?!(?<!\\)\2).)+"),
    re.compile(rf"(?i)((?:{_NAMES})(?:\\*[\"'])?\s*[=:]\s*)[^\s\"'\\&,;}}]+"),
)
_SECRET_NAME = re.compile(rf"(?i).*(?:{_NAMES})")
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_context: ContextVar[dict[str, str]] = ContextVar("recording")


def redact(text: str) -> str:
    """Return `text` without the values of tokens, passwords and signatures."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text


@contextmanager
def about(**keys: str) -> Iterator[None]:
    """Add `uuid`, `zip_id` or other keys to every record that the block writes."""
    token = _context.set({**_context.get({}), **keys})
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON.

    The object has `level`, `timestamp`, `location` and `message`, the keys of `about`, those of the
    call's `extra`, and `exception` if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, Any] = {
            "level": record.levelname,
            "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "location": f"{record.module}.{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            **_context.get({}),
            **{key: value for key, value in vars(record).items() if key not in _KNOWN},
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(_redacted(entry)).decode()


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            str(key): "***" if _SECRET_NAME.fullmatch(str(key)) else _redacted(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item) for item in value]
    return value if isinstance(value, int | float | bool | None) else redact(str(value))


def goes_on(outlook: str, advice: str = "") -> dict[str, Any]:
    """Return the `extra` of an error record after which processing continues.

    Args:
        outlook: What happens automatically.
        advice: What a person should do; "" for nothing. UUID in it stands for the recording's uuid.
    """
    return {"outlook": outlook, "goes_on": True, **({"advice": advice} if advice else {})}


def start(context: object) -> None:
    """Start the log of an invocation: records go to stdout, with the request id of `context`."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _context.set({"aws_request_id": str(getattr(context, "aws_request_id", ""))})


def verbose(on: bool) -> None:
    """Turn this project's own debug records on or off."""
    logging.getLogger("ingester").setLevel(logging.DEBUG if on else logging.INFO)
