"""Structured logs: one JSON object a line, with the recording it is about, without secrets."""

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
    """`text` without the values of tokens, passwords and signatures."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text


@contextmanager
def about(**keys: str) -> Iterator[None]:
    """Puts `uuid`, `zip_id` or others into every record written inside."""
    token = _context.set({**_context.get({}), **keys})
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """`level`, `timestamp`, `location`, `message`, the context's keys, `exception` if any."""

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
    """The `extra` of an error that stopped nothing: what follows by itself, and what is left to do.

    In `advice` the word UUID stands for the recording's.
    """
    return {"outlook": outlook, "goes_on": True, **({"advice": advice} if advice else {})}


def start(context: object) -> None:
    """Begins an invocation: records go to stdout, where Lambda picks them up, with its id."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _context.set({"aws_request_id": str(getattr(context, "aws_request_id", ""))})


def verbose(on: bool) -> None:
    """Whether this project's own debug records are written."""
    logging.getLogger("ingester").setLevel(logging.DEBUG if on else logging.INFO)
