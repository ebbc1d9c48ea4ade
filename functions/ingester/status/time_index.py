"""Pages of the status table by time, the newest row first."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from ingester.errors import UNREADABLE_JSON, BadRequest
from ingester.pipeline.states import State
from ingester.status.row import StatusRow
from ingester.status.table import row_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

PAGE_ROWS = 500
"""Number of rows after which a page ends: 3 MB with the longest reasons. Lambda limits an answer to
6 MB: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

LAST_SECOND = 86_399
"""Last second of a day, counted from midnight in UTC."""

LONGEST_KEY = 500
"""Maximum number of characters in a `zip_id`. DynamoDB limits a partition key to 2048 bytes:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

_ATTRIBUTES = (
    "zip_id, meeting_id, recording_id, topic, recording_start_time, origin, pipeline_state, "
    "reason, course, oc_series_id, ingest_request_time, update_date, update_time, retry_due, "
    "file_ids, asked"
)
"""Attributes that a list of rows needs. The steps, which take most of a row, are left out."""


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Position of a page's last row. The next page begins after that row."""

    update_date: str
    update_time: Annotated[int, msgspec.Meta(ge=0, le=LAST_SECOND)]
    zip_id: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_KEY)]

    @classmethod
    def read(cls, token: str) -> Self:
        """Return the position that a token encodes.

        Raises:
            BadRequest: The token is malformed.
        """
        try:
            content = base64.urlsafe_b64decode(token.encode("ascii"))
            position = msgspec.json.decode(content, type=cls)
            datetime.strptime(position.update_date, "%Y-%m-%d").replace(tzinfo=UTC)
        except UNREADABLE_JSON as error:
            raise BadRequest("next must be what the last answer gave.") from error
        return position

    @property
    def token(self) -> str:
        """The position as text for a query string."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()


class StatusPages:
    """The table `<stack>-pipeline-status`, read page by page through its index by time."""

    def __init__(self, table: Table, page_rows: int = PAGE_ROWS) -> None:
        self._table = table
        self._page_rows = page_rows

    def page(
        self, begin: datetime, end: datetime, after: Position | None, without: frozenset[State]
    ) -> tuple[list[StatusRow], Position | None]:
        """Read one page of the rows updated from `begin` to `end`, the newest first.

        Args:
            begin: Earliest time, in UTC.
            end: Latest time, in UTC.
            after: Last row of the page before; None for the first page.
            without: States to leave out. Rows in these states count towards a page's size, so a
                page may be empty although more pages follow.

        Returns:
            The rows, and the position for the next page; None if this page is the last.
        """
        rows: list[StatusRow] = []
        left = self._page_rows
        for day, first, last in _days(begin, end):
            date = day.strftime("%Y-%m-%d")
            if after and date > after.update_date:
                continue
            query = self._query(date, first, last, without)
            if after and date == after.update_date:
                # DynamoDB refuses a start key outside of the range.
                if after.update_time < first:
                    continue
                if after.update_time <= last:
                    query["ExclusiveStartKey"] = msgspec.structs.asdict(after)
            while True:
                # If a day's rows end exactly where the page is full, DynamoDB may return no key for
                # the next page. So read one row of the day before, to get a key.
                found = self._table.query(**query, Limit=max(1, left))
                rows += [row_of(item) for item in found["Items"]]
                left -= found["ScannedCount"]
                key: Any = found.get("LastEvaluatedKey")
                if not key:
                    break
                if left <= 0:
                    return rows, Position(
                        str(key["update_date"]), int(key["update_time"]), str(key["zip_id"])
                    )
                query["ExclusiveStartKey"] = key
        return rows, None

    def _query(self, date: str, first: int, last: int, without: frozenset[State]) -> dict[str, Any]:
        query: dict[str, Any] = {
            "IndexName": "time_index",
            "KeyConditionExpression": "update_date = :day AND update_time BETWEEN :first AND :last",
            "ExpressionAttributeValues": {":day": date, ":first": first, ":last": last},
            "ProjectionExpression": _ATTRIBUTES,
            "ScanIndexForward": False,
        }
        if without:
            names = {f":without{number}": state for number, state in enumerate(sorted(without))}
            query["FilterExpression"] = f"NOT pipeline_state IN ({', '.join(names)})"
            query["ExpressionAttributeValues"] |= {name: str(names[name]) for name in names}
        return query


def _days(begin: datetime, end: datetime) -> Iterator[tuple[datetime, int, int]]:
    """Yield the midnight of each UTC day from `end` back to `begin`, and the seconds to read.

    The seconds are the first and the last second, counted from midnight.
    """
    day = end.replace(hour=0, minute=0, second=0, microsecond=0)
    while day + timedelta(days=1) > begin:
        first = max(0, int((begin - day).total_seconds()))
        last = min(LAST_SECOND, int((end - day).total_seconds()))
        # `begin` may be after `end`, because a caller whose clock is ahead may name `begin`.
        # DynamoDB refuses a range that ends before the range begins.
        if first <= last:
            yield day, first, last
        day -= timedelta(days=1)
