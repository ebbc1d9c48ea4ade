"""Read and write reconcile's state, which is one item in the ledger's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ingester.errors import LedgerBusy, LedgerUnreadable
from ingester.ledger.table import without_decimals
from ingester.reconcile.decisions import State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KEY = "#reconcile"
"""The `uuid` that is the key of the state's item. Zoom's uuids are base64, which has no `#`."""

ATTEMPTS = 10
"""Maximum number of attempts of a change when other runs write the item at the same time."""


class ReconcileState:
    """The item with reconcile's state. Every write is conditional on the version that was read.

    The item never expires.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self) -> State | None:
        """Return the state, read consistently; None if there is no item, as before the first run.

        Raises:
            LedgerUnreadable: The item isn't a valid state, for example because somebody edited the
                item.
        """
        answer = self._table.get_item(Key={"uuid": KEY}, ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        if item is None:
            return None
        try:
            return msgspec.convert(without_decimals(item), State)
        except msgspec.ValidationError as error:
            raise LedgerUnreadable(
                f"The item {KEY} in the table of recordings can't be read: {error}. Reconcile "
                "ingests nothing. Correct the item, or delete it: then the next run sets a new "
                "baseline, and leaves recordings that end before it alone."
            ) from error

    def begin(self, first: State) -> State:
        """Write the first state, unless another run has written one, and return the stored state.

        Raises:
            LedgerBusy: Another run wrote the item, but the item was deleted before it was read.
            LedgerUnreadable: See `get`.
        """
        return self._write(None, first) or self._current()

    def change(self, change: Callable[[State], State]) -> State:
        """Change the stored state, and return the changed state.

        Args:
            change: Returns the changed state, given the stored one. The function must have no side
                effects, because it is called again if another run wrote the item meanwhile.

        Raises:
            LedgerBusy: Other runs wrote the item during each of `ATTEMPTS` attempts, or somebody
                deleted the item.
            LedgerUnreadable: See `get`.
        """
        for _ in range(ATTEMPTS):
            old = self._current()
            written = self._write(old, change(old))
            if written is not None:
                return written
        raise LedgerBusy(f"The item {KEY} in the table of recordings keeps changing.")

    def _current(self) -> State:
        state = self.get()
        if state is None:
            raise LedgerBusy(f"The item {KEY} in the table of recordings was deleted meanwhile.")
        return state

    def _write(self, old: State | None, new: State) -> State | None:
        """Write `new` with the next version; return None if `old` isn't the stored version."""
        version = old.version if old else 0
        written = msgspec.structs.replace(new, version=version + 1)
        values = {name: msgspec.to_builtins(value) for name, value in _fields(written)}
        # A new item has no version. An item that somebody has edited may lack the version, too.
        absent = "" if version else "attribute_not_exists(#version) OR "
        try:
            self._table.update_item(
                Key={"uuid": KEY},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ConditionExpression=f"{absent}#version = :old",
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ExpressionAttributeValues={
                    **{f":{name}": value for name, value in values.items()},
                    ":old": version,
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return None
        return written


def _fields(state: State) -> list[tuple[str, Any]]:
    """Return the names and values of all fields, also of those with default values.

    A default value has to be written too, so that it overwrites an older value.
    """
    return list(msgspec.structs.asdict(state).items())
