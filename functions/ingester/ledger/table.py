"""The ledger in DynamoDB: the table `<stack>-recordings`.

The table has one record for each recording, and keeps a record for a year after the record's last
write. The pipeline's decisions depend on the ledger, whereas the status table only informs people.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ingester import timestamps
from ingester.errors import AwsFailed, LedgerBusy, LedgerUnreadable
from ingester.ledger.record import Record, may_replace

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = logging.getLogger("ingester.ledger")

RETENTION = timedelta(days=365)
"""Time for which DynamoDB keeps a record after the record's last write."""

FOLLOW_INDEX = "follow_index"
"""Name of the index of records with an ingest to follow, by the time of the next poll of
Opencast."""

FOLLOW = "yes"
"""Value of the index's partition key. A record without this value isn't in the index."""

ATTEMPTS = 10
"""Maximum number of attempts of a change when other processes write the record at the same time."""


class Ledger:
    """The table of records. `change` and `replace` overwrite only the version that was read."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def change_or_log(self, uuid: str, change: Callable[[Record], Record]) -> None:
        """Change a record, and log a failure of AWS or of the ledger instead of raising it.

        Call this method where an exception would repeat a step that is done, such as the send of a
        message.
        """
        try:
            self.change(uuid, change)
        except (BotoCoreError, ClientError) as error:
            logger.warning("The ledger isn't written. %s", AwsFailed.of(error))
        except (LedgerBusy, LedgerUnreadable) as error:
            logger.warning("The ledger isn't written. %s", error)

    def get(self, uuid: str) -> Record:
        """Return a recording's record, read consistently; an empty record if there is none.

        Raises:
            LedgerUnreadable: The item isn't a valid record, for example because somebody edited the
                item.
        """
        item = self._table.get_item(Key={"uuid": uuid}, ConsistentRead=True).get("Item")
        return _record_from(item) if item else Record(uuid=uuid)

    def replace(self, old: Record, new: Record) -> Record | None:
        """Write `new` if the table still has the version of `old`.

        Returns:
            The record as it was written. None if another process wrote the record meanwhile, or if
            the answer to our own write was lost, because botocore's retry then finds the new
            version.
        """
        written = msgspec.structs.replace(new, version=old.version + 1)
        values = msgspec.to_builtins(written)
        del values["uuid"]
        values["expiration"] = int((self._clock() + RETENTION).timestamp())
        changes = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        if written.follow_due:
            values |= {"follow": FOLLOW, "follow_due": written.follow_due}
            changes += ", #follow = :follow, #follow_due = :follow_due"
        else:
            changes += " REMOVE #follow, #follow_due"
        names = {f"#{name}": name for name in (*values, "follow", "follow_due")}
        try:
            self._table.update_item(
                Key={"uuid": old.uuid},
                UpdateExpression=changes,
                # A new record has no version. A record that somebody has edited may have version 0.
                ConditionExpression="#version = :old"
                if old.version
                else "attribute_not_exists(#version) OR #version = :old",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={
                    **{f":{name}": value for name, value in values.items()},
                    ":old": old.version,
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return None
        return written

    def change(self, uuid: str, change: Callable[[Record], Record]) -> Record:
        """Change a record and return the changed one.

        If `may_replace` forbids the change, the record is returned unchanged.

        Args:
            uuid: The recording.
            change: Returns the changed record. The function must have no side effects, because it
                is called again if another process wrote the record meanwhile. After a lost answer
                to our own write, the function is called with the record that the function has
                changed already.

        Raises:
            LedgerBusy: Other processes wrote the record during each of `ATTEMPTS` attempts.
            LedgerUnreadable: See `get`.
        """
        for _ in range(ATTEMPTS):
            old = self.get(uuid)
            new = change(old)
            if not may_replace(old, new):
                return old
            written = self.replace(old, new)
            if written is not None:
                return written
        raise LedgerBusy(f"The ledger's record of {uuid} keeps changing.")

    def due_to_follow(self, most: int) -> list[str]:
        """Return the uuids of at most `most` records with a due poll, the longest due first."""
        found = self._table.query(
            IndexName=FOLLOW_INDEX,
            KeyConditionExpression="#follow = :follow AND follow_due <= :now",
            ExpressionAttributeNames={"#follow": "follow"},
            ExpressionAttributeValues={
                ":follow": FOLLOW,
                ":now": timestamps.write(self._clock()),
            },
            Limit=most,
        )
        return [str(item["uuid"]) for item in found["Items"]]

    def remove_from_follow_index(self, uuid: str) -> None:
        """Remove a record, even an unreadable one, from the index of records to follow."""
        self._table.update_item(
            Key={"uuid": uuid},
            UpdateExpression="REMOVE #follow, #follow_due",
            ExpressionAttributeNames={"#follow": "follow", "#follow_due": "follow_due"},
        )


def _record_from(item: Mapping[str, Any]) -> Record:
    try:
        return msgspec.convert(without_decimals(item), Record)
    except msgspec.ValidationError as error:
        raise LedgerUnreadable(
            f"The ledger's record of {item['uuid']} can't be read: {error}. What was sent to "
            "Opencast can't be told from it. Correct the item in the table of recordings; or, if "
            "Opencast doesn't have the recording, delete the item. Then send the recording again."
        ) from error


def without_decimals(value: Any) -> Any:
    """Return `value` with each Decimal of DynamoDB's as an int, or as a float if it isn't whole."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {key: without_decimals(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_decimals(inner) for inner in value]
    return value
