"""The schedule's lock: a row of the schedule's table that one process holds for a limited time."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ingester import log
from ingester.errors import UpdateRunning
from ingester.schedule.table import IMPORT_LOCK

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = logging.getLogger("ingester.schedule_lock")

LEASE_SECONDS = 40
"""Lifetime of an update's lock, longer than the function may run. A crashed update doesn't release
its lock earlier."""

COMMAND_SECONDS = 300
"""Lifetime of a command's lock. A command may read and write the table over a slow connection."""


class ScheduleLock:
    """A lock that lets one process at a time read the schedule's source and write the table.

    Without the lock, two imports at the same time could each leave half of their scheduled classes
    in the table, or one import could undo the other. The lock expires after `life` seconds.
    """

    def __init__(
        self, table: Table, clock: Callable[[], datetime], life: int = LEASE_SECONDS
    ) -> None:
        self._table = table
        self._clock = clock
        self._life = life

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock during the `with` block.

        Raises:
            UpdateRunning: Another process holds the lock.
            BotoCoreError, ClientError: DynamoDB fails before the block.
        """
        owner = str(uuid.uuid4())
        self._take(owner)
        try:
            yield
        finally:
            self._release(owner)

    def _take(self, owner: str) -> None:
        now = int(self._clock().timestamp())
        try:
            self._table.put_item(
                Item={"zoom_series_id": IMPORT_LOCK, "owner": owner, "ends": now + self._life},
                # The row may be this process's own, because botocore retries if an answer is lost.
                ConditionExpression="attribute_not_exists(zoom_series_id) OR #ends <= :now"
                " OR #owner = :owner",
                ExpressionAttributeNames={"#ends": "ends", "#owner": "owner"},
                ExpressionAttributeValues={":now": now, ":owner": owner},
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException as error:
            raise UpdateRunning(
                "The schedule is just being updated, from the sheet or by a command. Wait for that "
                "to end, a few minutes at most, and try again. Nothing was changed by this."
            ) from error

    def _release(self, owner: str) -> None:
        try:
            self._table.delete_item(
                Key={"zoom_series_id": IMPORT_LOCK},
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={":owner": owner},
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            # The lock is gone already if botocore repeated the request after a lost answer.
            logger.warning("The schedule's lock has ended, or another process has it")
        except (BotoCoreError, ClientError):
            extra = log.nonfatal(
                "It ends automatically; until then nobody can change the schedule."
            )
            logger.exception("The schedule's lock can't be taken away", extra=extra)
