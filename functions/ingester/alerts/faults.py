"""Which records of a log tell of the same fault, so that one mail is enough for all of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from ingester.alerts.log_records import LogRecord
from ingester.log_level import Level

_SHAPE_LIMIT = 500
_VARIES = (
    re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE),
    re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z?"),
    re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE),
    re.compile(r"\d+(?:[.,:]\d+)*"),
)
"""What differs from one record of a fault to the next: ids, moments, addresses, numbers."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of one function, with the records that tell of it, at least one.

    `key` is the same whenever it happens again.
    """

    key: str
    function: str
    records: tuple[LogRecord, ...]

    @property
    def first(self) -> LogRecord:
        return self.records[0]


def faults_in(records: Iterable[LogRecord], function: str, at_least: Level) -> list[Fault]:
    """The faults that `records` of a function tell of, in order; those below a level left out."""
    by_key: dict[str, list[LogRecord]] = {}
    for record in records:
        if record.level >= at_least:
            by_key.setdefault(_key(record, function), []).append(record)
    return [
        Fault(key=key, function=function, records=tuple(found)) for key, found in by_key.items()
    ]


def shape_of(message: str) -> str:
    """A message without what differs each time it is written."""
    shape = message[:_SHAPE_LIMIT]
    for pattern in _VARIES:
        shape = pattern.sub("#", shape)
    return shape


def _key(record: LogRecord, function: str) -> str:
    # Of a recording that is asked for again and again, each request has a zip id of its own.
    about = record.uuid or record.zip_id
    # Without the number of the line, so that a release doesn't make another fault of it.
    where = record.crash or record.location.rpartition(":")[0]
    parts = "\0".join((function, record.level.name, about, where, shape_of(record.headline)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()
