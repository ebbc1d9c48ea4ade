"""Group log records by fault, so that each fault needs one mail."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from ingester.alerts.log_records import LogRecord
from ingester.log_level import Level

_SHAPE_LIMIT = 500
_READ_LIMIT = 5_000
_VARIES = (
    re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE),
    re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z?"),
    re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE),
    re.compile(r"\d+(?:[.,:]\d+)*"),
)
"""Patterns of texts that differ between the log records of one fault: ids, times, memory addresses
and numbers."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """The log records of one fault in one batch of a log.

    Attributes:
        key: Identifier of the fault, the same in each batch.
        function: Name of the function without the stack's name, such as `slack`.
        records: The log records, at least one.
    """

    key: str
    function: str
    records: tuple[LogRecord, ...]

    @property
    def first(self) -> LogRecord:
        return self.records[0]


def faults_in(records: Iterable[LogRecord], function: str, min_level: Level) -> list[Fault]:
    """Group a function's log records of the level `min_level` or above by fault.

    The faults have the order of their first log records.
    """
    by_key: dict[str, list[LogRecord]] = {}
    for record in records:
        if record.level >= min_level:
            by_key.setdefault(_key(record, function), []).append(record)
    return [
        Fault(key=key, function=function, records=tuple(found)) for key, found in by_key.items()
    ]


def shape_of(message: str) -> str:
    """Return the start of a message, with `#` for each text that matches `_VARIES`."""
    shape = message[:_READ_LIMIT]
    for pattern in _VARIES:
        shape = pattern.sub("#", shape)
    # If the message were cut to `_SHAPE_LIMIT` before, longer numbers would move the shape's end.
    return shape[:_SHAPE_LIMIT]


def _key(record: LogRecord, function: str) -> str:
    # Prefer the uuid: requests for the same recording may have different `zip_id`s.
    about = record.uuid or record.zip_id
    # Leave out the line number, so that a release doesn't change the key.
    where = record.crash or record.location.rpartition(":")[0]
    parts = "\0".join((function, record.level.name, about, where, shape_of(record.headline)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()
