"""A copy of a table that lags behind it: a global secondary index, or an eventual read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.aws.attribute_values import Item


class Replica:
    """Every item as it was seconds ago.

    `lag` gives the seconds until one write arrives. The writes of one item arrive in their order.
    """

    def __init__(self, now: Callable[[], float], lag: Callable[[], float]) -> None:
        self._now = now
        self._lag = lag
        self._versions: dict[Any, list[tuple[float, Item | None]]] = {}

    def record(self, key: Any, item: Item | None) -> None:
        """Take over a write; `item` is None for a deletion."""
        versions = self._versions.setdefault(key, [])
        earliest = versions[-1][0] if versions else 0.0
        versions.append((max(earliest, self._now() + self._lag()), item))

    def get(self, key: Any) -> Item | None:
        """An item as the replica has it now."""
        versions = self._versions.get(key, [])
        now, arrived = self._now(), 0
        while arrived < len(versions) and versions[arrived][0] <= now:
            arrived += 1
        if not arrived:
            return None
        del versions[: arrived - 1]
        item = versions[0][1]
        if item is None and len(versions) == 1:
            del self._versions[key]
        return item

    def items(self) -> list[Item]:
        """Every item that the replica has now."""
        found = (self.get(key) for key in list(self._versions))
        return [item for item in found if item is not None]
