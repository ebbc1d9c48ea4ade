"""Limit the rate of mails over all containers, by a row in the table of faults.

If a mailbox gets more than ten mails in a second, SNS resets the mailbox's subscription to "pending
confirmation", and deletes the subscription 48 hours later. Then no mail arrives, not even an
alarm's, although publishing still succeeds.
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
"""Key of the rate limit's row. No fault has this key, and no function has this name."""

PAUSE = timedelta(milliseconds=200)
"""Minimum time between two mails. Of SNS's ten mails in a second, five remain for alarms."""

SPREAD_SECONDS = 5.0
"""Longest random wait before a mail while the table is unavailable."""

RETENTION = timedelta(days=1)


class MailRateLimiter:
    """Rate limit of one mail per PAUSE. `random_fraction` returns random numbers from 0 to 1."""

    def __init__(
        self,
        table: Table,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        random_fraction: Callable[[], float],
    ) -> None:
        self._table = table
        self._clock = clock
        self._sleep = sleep
        self._random_fraction = random_fraction

    def wait_for_slot(self, until: datetime) -> bool:
        """Wait until a mail may be sent, and return True; return False once `until` is reached.

        While the table is unavailable, wait for a random time instead, and return True.
        """
        while (now := self._clock()) < until:
            try:
                if self._reserve_slot(now):
                    return True
            except (BotoCoreError, ClientError):
                logger.exception("Nobody knows when mails went out", extra={"outlook": "By chance"})
                self._sleep(self._random_fraction() * SPREAD_SECONDS)
                return True
            self._sleep(PAUSE.total_seconds())
        return False

    def _reserve_slot(self, now: datetime) -> bool:
        """Reserve the time `now` for a mail. Return False if the last mail was too recent."""
        try:
            self._table.update_item(
                Key={"fault": KEY},
                ConditionExpression="attribute_not_exists(next_mail) OR next_mail <= :now",
                UpdateExpression="SET next_mail = :next, expiration = :expiration",
                ExpressionAttributeValues={
                    ":now": _milliseconds(now),
                    ":next": _milliseconds(now + PAUSE),
                    ":expiration": int((now + RETENTION).timestamp()),
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
