"""The table that remembers which faults were mailed, so that repeats become one mail.

Each fault has a row while it is fresh. Until `quiet_until` it is only counted (`unmailed`); who
finds it past that moment may claim it, and then mails. A claim holds for a while only: if whoever
made it dies before the mail is sent, the next one claims it again, and the count is still there.
A function has a row too, with the number of mails about it, and the pace of all mails has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from ingester.alerts.mail import Mail

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

CLAIM = timedelta(seconds=30)
"""As long as an invocation may take; Lambda repeats one that failed after a minute."""

LIFE = timedelta(days=1)

MOST_MAILS = 5
"""About one function, while one fault is quiet. Nobody reads hundreds, and a mailbox that gets more
than ten in a second is cut off (`rate_limit.py`)."""

BODY_KEPT = 20_000
"""Characters of the last mail about a fault: a row may have 400 KB, and every repeat writes it."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The right, and the duty, to mail about a fault.

    It happened `times` since `since`, the last mail about it; with the last occurrence's mail.
    `is_first`: there was none yet.
    """

    key: str
    times: int
    is_first: bool
    since: datetime
    latest: datetime
    mail: Mail


class FaultsTable:
    """`<stack>-notification-faults`. `quiet` is how long after a mail a fault is only counted."""

    def __init__(self, table: Table, quiet: timedelta, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._quiet = quiet
        self._clock = clock

    def happened(self, key: str, times: int, mail: Mail) -> Claim | None:
        """Counts occurrences of a fault. A claim if they are to be mailed now, None if later."""
        told: dict[str, Any] = {
            ":subject": mail.subject,
            ":body": mail.body[:BODY_KEPT],
            ":now": self._now(),
        }
        counting = "subject = :subject, body = :body, latest = :now, expiration = :expiration"
        claim = self._claim(key, times, told, f", {counting}")
        if claim is None:
            self._table.update_item(
                Key={"fault": key},
                UpdateExpression=f"SET {counting} ADD unmailed :times",
                ExpressionAttributeValues={
                    **told,
                    ":times": times,
                    ":expiration": self._expiration(),
                },
            )
        return claim

    def is_one_of_many(self, function: str) -> bool:
        """Counts a mail about a function. Whether it is one too many for mails of their own."""
        now, key = self._clock(), {"fault": function}
        begun = self._if_so(
            "attribute_not_exists(mails_until) OR mails_until <= :now",
            Key=key,
            UpdateExpression="SET mails_until = :until, mails = :one, expiration = :expiration",
            ExpressionAttributeValues={
                ":now": int(now.timestamp()),
                ":until": int((now + self._quiet).timestamp()),
                ":one": 1,
                ":expiration": self._expiration(),
            },
        )
        if begun is not None:
            return False
        counted: Any = self._table.update_item(
            Key=key,
            UpdateExpression="ADD mails :one",
            ExpressionAttributeValues={":one": 1},
            ReturnValues="UPDATED_NEW",
        )
        return int(counted["Attributes"]["mails"]) > MOST_MAILS

    def waiting(self) -> Iterator[Claim]:
        """A claim on each fault whose repeats are due to be mailed."""
        scan: dict[str, Any] = {
            "FilterExpression": "unmailed > :none AND quiet_until <= :now",
            "ExpressionAttributeValues": {":none": 0, ":now": self._now()},
            "ConsistentRead": True,
        }
        while True:
            page = self._table.scan(**scan)
            for item in page["Items"]:
                claim = self._claim(str(item["fault"]), 0, {":now": self._now()}, "")
                if claim is not None and claim.times > 0:
                    yield claim
            if "LastEvaluatedKey" not in page:
                return
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def mailed(self, claim: Claim) -> None:
        """The mail is out: what it told isn't told again, and repeats are counted for a while."""
        now = self._clock()
        self._table.update_item(
            Key={"fault": claim.key},
            UpdateExpression="SET quiet_until = :until, since = :now, expiration = :expiration "
            "ADD unmailed :told",
            ExpressionAttributeValues={
                ":until": int((now + self._quiet).timestamp()),
                ":now": int(now.timestamp()),
                ":told": -claim.times,
                ":expiration": self._expiration(),
            },
        )

    def give_back(self, claim: Claim, times: int = 0) -> None:
        """The mail wasn't sent: anybody may claim. `times` are told elsewhere, or counted anew."""
        self._table.update_item(
            Key={"fault": claim.key},
            UpdateExpression="SET quiet_until = :now ADD unmailed :told",
            ExpressionAttributeValues={":now": self._now(), ":told": -times},
        )

    def _claim(self, key: str, times: int, values: dict[str, Any], sets: str) -> Claim | None:
        until = int((self._clock() + CLAIM).timestamp())
        expiration = {":expiration": self._expiration()} if sets else {}
        item = self._if_so(
            # A row that is only counted in has no such moment when its own has expired.
            "attribute_not_exists(quiet_until) OR quiet_until <= :now",
            Key={"fault": key},
            UpdateExpression=f"SET quiet_until = :until{sets} ADD unmailed :times",
            ExpressionAttributeValues={**values, ":until": until, ":times": times, **expiration},
        )
        if item is None:
            return None
        return Claim(
            key=key,
            times=int(item["unmailed"]),
            is_first="since" not in item,
            since=_moment(item.get("since", values[":now"])),
            latest=_moment(item.get("latest", values[":now"])),
            mail=Mail(subject=str(item.get("subject", "")), body=str(item.get("body", ""))),
        )

    def _if_so(self, condition: str, **update: Any) -> Any:
        """The row as an update leaves it, None if the condition doesn't hold."""
        try:
            answer = self._table.update_item(
                ConditionExpression=condition, ReturnValues="ALL_NEW", **update
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return None
        return answer["Attributes"]

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def _expiration(self) -> int:
        return int((self._clock() + LIFE).timestamp())


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
