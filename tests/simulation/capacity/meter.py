"""Count the DynamoDB request units and log bytes that AWS charges in a simulated world."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil
from typing import Any

from ingester.log import JsonFormatter
from tests.simulation.aws.attribute_values import Item, item_size
from tests.simulation.aws.conditions import Condition
from tests.simulation.aws.dynamodb import FakeTable, Index

WRITE_BYTES, READ_BYTES = 1024, 4096
LOG_EVENT_BYTES = 26
"""Bytes that CloudWatch Logs adds to the text of each log event.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

REQUEST_ID_BYTES = 60
"""Bytes of `aws_request_id`, which the log of a simulated invocation lacks."""


@dataclass(frozen=True)
class Stored:
    """The charged properties of an item: its size in bytes, and its key in each index.

    The key is () for an index that lacks the item.
    """

    size: int
    entries: tuple[tuple[Any, ...], ...] = ()

    def units(self, unit: int) -> int:
        return max(1, ceil(self.size / unit))


NOTHING = Stored(0)


def stored(item: Item, indexes: Iterable[Index]) -> Stored:
    """Make the charged properties of an item."""
    return Stored(item_size(item), tuple(_entry(item, index) for index in indexes))


def _entry(item: Item, index: Index) -> tuple[Any, ...]:
    keys = tuple(item.get(name) for name in index if name)
    return () if None in keys else keys


@dataclass
class Meter:
    """Sums of the DynamoDB request units and log bytes that AWS charges."""

    write_units: float = 0.0
    read_units: float = 0.0
    log_bytes: int = 0

    def write(self, old: Stored, new: Stored) -> None:
        """Count a write by the larger of the old and new size, and the writes to the indexes.

        Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
        ("Provisioned throughput considerations for Global Secondary Indexes")
        """
        before, after = old.units(WRITE_BYTES), new.units(WRITE_BYTES)
        self.write_units += max(before, after)
        for was, is_now in zip_longest(old.entries, new.entries, fillvalue=()):
            if was and is_now and was != is_now:
                self.write_units += before + after
            elif was or is_now:
                self.write_units += after if is_now else before

    def read(self, item: Stored, *, consistent: bool) -> None:
        """Count a read of an item. An eventually consistent read costs half.

        Source:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
        """
        self.read_units += item.units(READ_BYTES) * (1.0 if consistent else 0.5)


class MeteredTable(FakeTable):
    """A fake table that counts the request units of writes, GetItem and Query."""

    def __init__(self, name: str, key: str, *, meter: Meter, **given: Any) -> None:
        super().__init__(name, key, **given)
        self._meter = meter
        self._charged: dict[Any, Stored] = {}

    def get_item(self, **given: Any) -> dict[str, Any]:
        found = super().get_item(**given)
        item = self._charged.get(given["Key"][self._key], NOTHING)
        self._meter.read(item, consistent=bool(given.get("ConsistentRead")))
        return found

    def query(self, **given: Any) -> dict[str, Any]:
        found = super().query(**given)
        # A query of an index costs a read of the sum of the items' sizes in the index. Source:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
        size = sum(map(item_size, found["Items"]))
        self._meter.read(Stored(size), consistent=False)
        return found

    def _required(self, key: Any, required: Condition | None, given: Any) -> Item | None:
        try:
            return super()._required(key, required, given)
        except Exception:
            # A failed condition costs a write of the item without its indexes. Source:
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
            size = Stored(self._charged.get(key, NOTHING).size)
            self._meter.write(size, size)
            raise

    def _put(self, key: Any, item: Item, bound: int) -> None:
        old, new = self._charged.get(key, NOTHING), stored(item, self._indexes.values())
        super()._put(key, item, bound)
        self._meter.write(old, new)
        self._charged[key] = new

    def _forget(self, key: Any) -> None:
        # Only TTL deletes items. These deletions are free. Source:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
        super()._forget(key)
        self._charged.pop(key, None)


def metered(meter: Meter) -> Callable[..., FakeTable]:
    """Return a function that makes fake tables with the meter."""
    return lambda name, key, **given: MeteredTable(name, key, meter=meter, **given)


class LogMeter(logging.Handler):
    """A counter of the bytes of log records in production's format."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(logging.INFO)
        self._meter = meter
        self._formatter = JsonFormatter()

    def emit(self, record: logging.LogRecord) -> None:
        text = self._formatter.format(record)
        self._meter.log_bytes += len(text.encode()) + LOG_EVENT_BYTES + REQUEST_ID_BYTES
