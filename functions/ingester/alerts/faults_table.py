"""The table of mailed faults, which turns the repeats of a fault into one mail.

Each fault has a row, which expires a day after the last occurrence or mail. Occurrences before
`quiet_until` are only counted (`unmailed`). After `quiet_until`, an invocation may claim the fault
and mail it. A claim expires, but the count stays: if the invocation dies before it sends the mail,
another invocation may claim the fault. Each function has a row with the number of mails about the
function. `rate_limit.py` keeps a row in the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from ingester.alerts.mail import Mail

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

CLAIM_DURATION = timedelta(seconds=30)
"""Lifetime of a claim, equal to the timeout of the function that claims faults. Lambda waits at
least a minute before a retry:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

RETENTION = timedelta(days=1)

MAX_MAILS = 5
"""Number of mails about one function in one quiet period, beyond which the function's faults share
a mail. SNS stops sending to a mailbox that gets more than ten mails in a second (`rate_limit.py`).
"""

MAX_STORED_BODY = 20_000
"""Maximum number of stored characters of a mail's body. DynamoDB limits an item to 400 KB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The exclusive right of one invocation to mail about a fault.

    Attributes:
        key: Key of the fault.
        times: Number of occurrences since the last mail.
        is_first: Whether no mail about the fault has been sent.
        since: Time of the last mail; if there was none, the time of the claim.
        latest: Time of the last occurrence.
        mail: Mail about the last occurrence.
    """

    key: str
    times: int
    is_first: bool
    since: datetime
    latest: datetime
    mail: Mail


class FaultsTable:
    """The table `<stack>-notification-faults`.

    In a fault's quiet period, the time `quiet` after a mail, occurrences are only counted.
    """

    def __init__(self, table: Table, quiet: timedelta, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._quiet = quiet
        self._clock = clock

    def count_and_claim(self, key: str, times: int, mail: Mail) -> Claim | None:
        """Count `times` occurrences of a fault. Claim the fault if a mail is due.

        `mail` is about the last occurrence, and is stored for a later mail about repeats.

        Returns:
            The claim; None in the quiet period, or while another invocation holds a claim.
        """
        values: dict[str, Any] = {
            ":subject": mail.subject,
            ":body": mail.body[:MAX_STORED_BODY],
            ":now": self._now(),
        }
        counting = "subject = :subject, body = :body, latest = :now, expiration = :expiration"
        claim = self._claim(key, times, values, f", {counting}")
        if claim is None:
            self._table.update_item(
                Key={"fault": key},
                UpdateExpression=f"SET {counting} ADD unmailed :times",
                ExpressionAttributeValues={
                    **values,
                    ":times": times,
                    ":expiration": self._expiration(),
                },
            )
        return claim

    def count_mail_and_check_limit(self, function: str) -> bool:
        """Count a mail about a function. Return whether the count exceeds MAX_MAILS.

        The count begins again with the first mail at least `quiet` after the count began.
        """
        now, key = self._clock(), {"fault": function}
        begun = self._update_if(
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
        return int(counted["Attributes"]["mails"]) > MAX_MAILS

    def claim_due(self) -> Iterator[Claim]:
        """Yield a claim of each fault with unmailed occurrences whose `quiet_until` has passed.

        Each fault is claimed just before its claim is yielded.
        """
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

    def mark_mailed(self, claim: Claim) -> None:
        """Record that a claim's mail was sent, and start the fault's quiet period.

        The claim's occurrences no longer count as unmailed.
        """
        now = self._clock()
        self._table.update_item(
            Key={"fault": claim.key},
            UpdateExpression="SET quiet_until = :until, since = :now, expiration = :expiration "
            "ADD unmailed :minus_mailed",
            ExpressionAttributeValues={
                ":until": int((now + self._quiet).timestamp()),
                ":now": int(now.timestamp()),
                ":minus_mailed": -claim.times,
                ":expiration": self._expiration(),
            },
        )

    def release_claim(self, claim: Claim, times: int = 0) -> None:
        """Release a claim whose mail wasn't sent, and subtract `times` from the unmailed count."""
        self._table.update_item(
            Key={"fault": claim.key},
            UpdateExpression="SET quiet_until = :now ADD unmailed :minus_mailed",
            ExpressionAttributeValues={":now": self._now(), ":minus_mailed": -times},
        )

    def _claim(self, key: str, times: int, values: dict[str, Any], sets: str) -> Claim | None:
        until = int((self._clock() + CLAIM_DURATION).timestamp())
        expiration = {":expiration": self._expiration()} if sets else {}
        item = self._update_if(
            # A function's row has no `quiet_until` before the first mail about the whole function.
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

    def _update_if(self, condition: str, **update: Any) -> Any:
        """Update a row if the condition holds. Return the new row; None without an update."""
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
        return int((self._clock() + RETENTION).timestamp())


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
