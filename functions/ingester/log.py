"""Structured logs: one JSON object per line, with the recording's ids and with secrets redacted."""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from ingester.texts import encodable

_PASSCODES = r"pwd|passcode|password"
_NAMES = (
    r"X-Amz-(?:Signature|Security-Token|Credential)|Signature|Policy"
    rf"|token|{_PASSCODES}|secret|api[_-]?key"
)
_SEPARATOR = r"(?:\s*=\s*|\s*:(?!\s)|\s*:\s+(?=[A-Za-z.,;!?]*+[^\sA-Za-z.,;!?\"']))"
"""The separator between a secret's name and its value. A plain word after ": " doesn't count as a
secret, because the word may be part of a topic, like "Secret: the Life of Bees"."""

_SECRETS = (
    re.compile(r"(?i)(\bbearer\s+|\bbasic\s+)[A-Za-z0-9._~+/=-]+"),
    # The shape identifies Slack's tokens, JSON web tokens, private keys, the password in a URL, and
    # the URLs of Slack's webhooks.
    re.compile(r"()\bxox[a-z]-[A-Za-z0-9-]{8,}+"),
    re.compile(r"()\beyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)?"),
    re.compile(r"(?s)(-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----).*?(?=-----END|\Z)"),
    re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@:]*+:[^\s/@]*+(?=@)"),
    re.compile(r"(?i)(\bhooks\.slack(?:-gov)?\.com/)[^\s\"'\\]+"),
    # A URL's query may contain another URL, whose own secret is encoded.
    re.compile(rf"(?i)((?:{_NAMES})%3D)(?:(?!%26)[^\s\"'\\&])+"),
    # A quoted value ends at its own quote, which may itself be escaped, as in JSON within JSON.
    re.compile(rf"(?i)((?:{_NAMES})(?:\\*[\"'])?\s*[=:]\s*b?(\\*[\"']))(?:(?!(?<!\\)\2).)+"),
    # A topic has no name of `_NAMES` after `_` or `-`, and no `apikey`, `api_key` or `api-key`.
    re.compile(rf"(?i)((?:[_-](?:{_NAMES})|api[_-]?key)(?:\\*[\"'])?\s*[=:]\s*)[^\s\"'\\&,;}}]+"),
    # A passcode may contain the characters that end other values.
    re.compile(rf"(?i)((?:{_PASSCODES})(?:\\*[\"'])?{_SEPARATOR})[^\s\"'\\}}]+"),
    re.compile(rf"(?i)((?:{_NAMES})(?:\\*[\"'])?{_SEPARATOR})[^\s\"'\\&,;}}]+"),
)
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_SECRET_NAME = re.compile(rf"(?i)(?:{_NAMES})\Z")
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_context: ContextVar[dict[str, str]] = ContextVar("recording")
_hidden: ContextVar[tuple[str, ...]] = ContextVar("hidden", default=())

SHORTEST_HIDDEN = 8
"""Minimum length, in characters, of a secret that is hidden by its value. A shorter secret may be
part of a word."""


def redact(text: str) -> str:
    """Return `text` without secrets: known values, known shapes, values after known names."""
    for form in _hidden.get():
        text = text.replace(form, "***")
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text


def hide(secret: str) -> None:
    """Let `redact` remove a secret from now on, in plain or encoded form.

    Each item of a comma-separated secret counts as a secret, too. A secret of fewer than
    `SHORTEST_HIDDEN` characters isn't removed.
    """
    found = {*_hidden.get()}
    for value in (secret, *secret.split(",")):
        if len(value.strip()) >= SHORTEST_HIDDEN:
            found |= _forms(value.strip())
    _hidden.set(tuple(sorted(found, key=lambda form: (-len(form), form))))


def _forms(secret: str) -> set[str]:
    """Return a secret's forms: plain, URL-encoded, base64, hex, and as in JSON, HTML, Python."""
    raw = secret.encode()
    encoded = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    lower = {_PERCENT.sub(lambda found: found[0].lower(), form) for form in encoded}
    twice = {quote(form, safe="") for form in encoded}
    forms = {secret, secret.translate(_HTML), repr(secret)[1:-1], repr(raw)[2:-1]}
    forms |= encoded | lower | twice | {raw.hex(), raw.hex().upper()}
    once = {msgspec.json.encode(secret).decode()[1:-1], json.dumps(secret)[1:-1]}
    forms |= once | {json.dumps(form)[1:-1] for form in once}
    for before in range(3):
        # Base64 makes four characters of three bytes, so the form depends on the number of bytes
        # before the secret.
        text = base64.b64encode(b"\0" * before + raw).decode()
        whole = text[-(-before * 4 // 3) : (before + len(raw)) * 4 // 3]
        forms |= {whole, whole.replace("+", "-").replace("/", "_")}
    return forms


@contextmanager
def context(**keys: str) -> Iterator[None]:
    """Add `uuid`, `zip_id` or other keys to every log record that the block writes."""
    token = _context.set({**_context.get({}), **keys})
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """Formatter of log records as JSON objects without secrets.

    The object has `level`, `timestamp`, `location` and `message`, the keys of `context`, those of
    the call's `extra`, and `exception` if there is one.
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
        return encodable(redact(value))
    if isinstance(value, dict):
        return {
            encodable(str(key)): "***" if _SECRET_NAME.search(str(key)) else _redacted(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item) for item in value]
    return value if isinstance(value, int | float | bool | None) else _redacted(str(value))


def nonfatal(outlook: str, advice: str = "") -> dict[str, Any]:
    """Return the `extra` of an error record after which processing continues.

    Args:
        outlook: Sentence that says what happens automatically.
        advice: Sentence that says what a person should do, with UUID for the recording's uuid; ""
            for none.
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


def set_debug(on: bool) -> None:
    """Turn this project's own debug records on or off."""
    logging.getLogger("ingester").setLevel(logging.DEBUG if on else logging.INFO)
