"""The row by which all containers together send fewer mails than SNS allows to a mailbox.

At more than ten in a second SNS takes the subscription back to "pending confirmation", and deletes
it 48 hours later: nothing comes any more, no alarm's mail either, and publishing still succeeds.
https://repost.aws/knowledge-center/sns-email-subscription-disabled
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = logging.getLogger("ingester.mail_pace")

KEY = "(the next mail)"
"""Of the row in the table of faults. No fault and no function has such a name."""

PAUSE = timedelta(milliseconds=200)
"""Between two mails. Alarms are mailed by CloudWatch itself, and need what is left of the ten."""

SPREAD_SECONDS = 5.0
"""Within which a mail goes out at some moment while the row can't be asked."""

LIFE = timedelta(days=1)


class MailPace:
    """One mail each 200 ms. `by_chance` gives numbers from 0 to 1."""

    def __init__(
        self,
        table: Table,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        by_chance: Callable[[], float],
    ) -> None:
        self._table = table
        self._clock = clock
        self._sleep = sleep
        self._by_chance = by_chance

    def turn(self, until: datetime) -> bool:
        """Waits until a mail may go out. False if no such moment came before `until`."""
        while (now := self._clock()) < until:
            try:
                if self._is_ours(now):
                    return True
            except (BotoCoreError, ClientError):
                logger.exception("Nobody knows when mails went out", extra={"outlook": "By chance"})
                self._sleep(self._by_chance() * SPREAD_SECONDS)
                return True
            self._sleep(PAUSE.total_seconds())
        return False

    def _is_ours(self, now: datetime) -> bool:
        """Takes this moment, unless somebody has taken one so shortly before."""
        try:
            self._table.update_item(
                Key={"fault": KEY},
                ConditionExpression="attribute_not_exists(next_mail) OR next_mail <= :now",
                UpdateExpression="SET next_mail = :next, expiration = :expiration",
                ExpressionAttributeValues={
                    ":now": _milliseconds(now),
                    ":next": _milliseconds(now + PAUSE),
                    ":expiration": int((now + LIFE).timestamp()),
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
