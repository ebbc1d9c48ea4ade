"""Counts what AWS charges for in a simulated world: request units, requests, log bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from ingester.log import JsonFormatter
from tests.simulation.aws.attribute_values import Item, size_of
from tests.simulation.aws.conditions import Condition
from tests.simulation.aws.dynamodb import FakeTable, Index, ProjectionExpression

WRITE_BYTES, READ_BYTES = 1024, 4096
LOG_EVENT_BYTES = 26
"""What CloudWatch Logs counts for each event beside its text."""

REQUEST_ID_BYTES = 60
"""`aws_request_id`, which a simulated invocation doesn't have."""


@dataclass
class Meter:
    """The sums."""

    write_units: float = 0.0
    read_units: float = 0.0
    log_bytes: int = 0

    def write(self, old: Item | None, new: Item | None, indexes: Iterable[Index]) -> None:
        """Counts a write: the larger of both sizes, and each index that changes with it.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html ("Provisioned
        throughput considerations for Global Secondary Indexes")
        """
        self.write_units += max(_units(old, WRITE_BYTES), _units(new, WRITE_BYTES))
        if old == new:
            return
        for index in indexes:
            before, after = _entry(old, index), _entry(new, index)
            if before and after and before != after:
                self.write_units += _units(old, WRITE_BYTES) + _units(new, WRITE_BYTES)
            elif before or after:
                self.write_units += _units(new if after else old, WRITE_BYTES)

    def read(self, items: Iterable[Item | None], *, consistent: bool) -> None:
        """Counts a read of items; one that isn't consistent costs half."""
        total = sum(size_of(item) for item in items if item is not None)
        self.read_units += max(1, ceil(total / READ_BYTES)) * (1.0 if consistent else 0.5)


def _units(item: Item | None, unit: int) -> int:
    return max(1, ceil(size_of(item) / unit)) if item is not None else 1


def _entry(item: Item | None, index: Index) -> tuple[Any, ...]:
    """An item's key in an index; () if it isn't in it."""
    keys = tuple((item or {}).get(name) for name in index if name)
    return () if None in keys else keys


class MeteredTable(FakeTable):
    """A table that counts its request units."""

    def __init__(self, name: str, key: str, *, meter: Meter, **given: Any) -> None:
        super().__init__(name, key, **given)
        self._meter = meter
        self._is_consistent = False

    def get_item(self, **given: Any) -> dict[str, Any]:
        found = super().get_item(**given)
        item = self._stored.get(given["Key"][self._key])
        self._meter.read([item], consistent=bool(given.get("ConsistentRead")))
        return found

    def _required(self, key: Any, required: Condition | None, given: Any) -> Item | None:
        try:
            return super()._required(key, required, given)
        except Exception:
            # A condition that fails costs what the write would have cost.
            self._meter.write(self._stored.get(key), self._stored.get(key), ())
            raise

    def _put(self, key: Any, item: Item, bound: int) -> None:
        self._meter.write(self._stored.get(key), item, self._indexes.values())
        super()._put(key, item, bound)

    def _forget(self, key: Any) -> None:
        self._meter.write(self._stored.get(key), None, self._indexes.values())
        super()._forget(key)

    def _source(self, index: str | None, consistent: bool) -> Iterable[Item]:
        self._is_consistent = consistent
        return super()._source(index, consistent)

    def _page(
        self,
        items: list[Item],
        index: Index,
        limit: int | None,
        kept: Condition | None,
        wanted: ProjectionExpression | None,
        values: Mapping[str, Any],
    ) -> dict[str, Any]:
        read = items[: self._page_length(items, limit)]
        self._meter.read(read, consistent=self._is_consistent)
        return super()._page(items, index, limit, kept, wanted, values)


def metered(meter: Meter) -> Callable[..., FakeTable]:
    """Makes tables that count."""
    return lambda name, key, **given: MeteredTable(name, key, meter=meter, **given)


class LogMeter(logging.Handler):
    """Counts the bytes of what is logged, as production formats it."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(logging.INFO)
        self._meter = meter
        self._formatter = JsonFormatter()

    def emit(self, record: logging.LogRecord) -> None:
        text = self._formatter.format(record)
        self._meter.log_bytes += len(text.encode()) + LOG_EVENT_BYTES + REQUEST_ID_BYTES
