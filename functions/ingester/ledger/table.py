"""The DynamoDB table `<stack>-recordings`: the ledger, one record a recording, kept for a year.

The pipeline decides by it. The status table beside it is a report for people.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ingester.errors import AwsFailed, LedgerBusy, LedgerUnreadable
from ingester.ledger.record import Record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = logging.getLogger("ingester.ledger")

LIFE = timedelta(days=365)
ATTEMPTS = 10
"""How often a change is made anew because another process has written the record meanwhile."""


class Ledger:
    """`<stack>-recordings`. Every write is conditional on the version that was read."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def note(self, uuid: str, change: Callable[[Record], Record]) -> None:
        """`change` for what follows a message that is sent: a failure is logged, not raised.

        Were it raised, the message that led here would come back beside the one that was sent.
        """
        try:
            self.change(uuid, change)
        except (BotoCoreError, ClientError) as error:
            logger.warning("The ledger isn't written. %s", AwsFailed.of(error))
        except (LedgerBusy, LedgerUnreadable) as error:
            logger.warning("The ledger isn't written. %s", error)

    def get(self, uuid: str) -> Record:
        """The record of a recording (a consistent read), an empty one if there is none.

        Raises:
            LedgerUnreadable: somebody has edited it, and it makes no sense any more.
        """
        item = self._table.get_item(Key={"uuid": uuid}, ConsistentRead=True).get("Item")
        return _record(item) if item else Record(uuid=uuid)

    def replace(self, old: Record, new: Record) -> Record | None:
        """Write `new` if the record is still `old`; None if it isn't any more."""
        written = msgspec.structs.replace(new, version=old.version + 1)
        values = msgspec.to_builtins(written)
        del values["uuid"]
        values["expiration"] = int((self._clock() + LIFE).timestamp())
        names = {f"#{name}": name for name in values}
        try:
            self._table.update_item(
                Key={"uuid": old.uuid},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ConditionExpression="#version = :old"
                if old.version
                else "attribute_not_exists(#version)",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={
                    **{f":{name}": value for name, value in values.items()},
                    **({":old": old.version} if old.version else {}),
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return None
        return written

    def change(self, uuid: str, change: Callable[[Record], Record]) -> Record:
        """Change a record and return it as it is then. `change` may be called several times.

        Raises:
            LedgerBusy: other processes wrote the record again and again.
            LedgerUnreadable: see `get`.
        """
        for _ in range(ATTEMPTS):
            old = self.get(uuid)
            new = change(old)
            if new == old:
                return old
            written = self.replace(old, new)
            if written is not None:
                return written
        raise LedgerBusy(f"The ledger's record of {uuid} keeps changing.")


def _record(item: Mapping[str, Any]) -> Record:
    try:
        return msgspec.convert(_without_decimals(item), Record)
    except msgspec.ValidationError as error:
        raise LedgerUnreadable(
            f"The ledger's record of {item['uuid']} can't be read: {error}. What was sent to "
            "Opencast can't be told from it. Correct the item in the table of recordings; or, if "
            "Opencast doesn't have the recording, delete the item. Then send the recording again."
        ) from error


def _without_decimals(value: Any) -> Any:
    """DynamoDB's numbers come as Decimal; all of the ledger's are whole."""
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, Mapping):
        return {key: _without_decimals(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_decimals(one) for one in value]
    return value
