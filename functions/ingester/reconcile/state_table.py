"""Reconcile's one item in the ledger's table: its baseline, its last run, what it has told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ingester.errors import LedgerBusy, LedgerUnreadable
from ingester.reconcile.decisions import State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KEY = "#reconcile"
"""The item's `uuid`. No uuid of Zoom's looks like it: they are base64."""

ATTEMPTS = 10


class ReconcileState:
    """The item. Every write is conditional on the version that was read; it never expires."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self) -> State | None:
        """What reconcile remembers (a consistent read), None before its first run.

        Raises:
            LedgerUnreadable: somebody has edited the item, and it makes no sense any more.
        """
        found = self._table.get_item(Key={"uuid": KEY}, ConsistentRead=True)
        item: dict[str, Any] | None = found.get("Item")
        if item is None:
            return None
        try:
            # DynamoDB's numbers come as Decimal, which become texts here, and then whole numbers.
            return msgspec.convert(msgspec.to_builtins(item), State, strict=False)
        except msgspec.ValidationError as error:
            raise LedgerUnreadable(
                f"The item {KEY} in the table of recordings can't be read: {error}. Reconcile "
                "ingests nothing. Correct the item, or delete it: then the next run sets a new "
                "baseline, and leaves recordings that end before it alone."
            ) from error

    def begin(self, first: State) -> State:
        """Write the first state, unless another run has; what is remembered then."""
        return self._write(None, first) or self._now()

    def change(self, change: Callable[[State], State]) -> State:
        """Change what is remembered. `change` may be called several times.

        Raises:
            LedgerBusy: other runs wrote the item again and again.
            LedgerUnreadable: see `get`.
        """
        for _ in range(ATTEMPTS):
            old = self._now()
            written = self._write(old, change(old))
            if written is not None:
                return written
        raise LedgerBusy(f"The item {KEY} in the table of recordings keeps changing.")

    def _now(self) -> State:
        state = self.get()
        if state is None:
            raise LedgerBusy(f"The item {KEY} in the table of recordings was deleted meanwhile.")
        return state

    def _write(self, old: State | None, new: State) -> State | None:
        """Write the item if it is still `old`; None if it isn't any more."""
        written = msgspec.structs.replace(new, version=(old.version if old else 0) + 1)
        values = {name: msgspec.to_builtins(value) for name, value in _fields(written)}
        condition = "#version = :old" if old else "attribute_not_exists(#version)"
        try:
            self._table.update_item(
                Key={"uuid": KEY},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ExpressionAttributeValues={
                    **{f":{name}": value for name, value in values.items()},
                    **({":old": old.version} if old else {}),
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return None
        return written


def _fields(state: State) -> list[tuple[str, Any]]:
    """All fields, those with their default value too: what is over has to be overwritten."""
    return list(msgspec.structs.asdict(state).items())
