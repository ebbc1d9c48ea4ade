"""The status table by time, the newest first and a page at a time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from ingester.errors import BadRequest
from ingester.pipeline.states import State
from ingester.status.row import StatusRow
from ingester.status.table import row_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

PAGE_ROWS = 500
"""Rows looked at for one page: with the longest reasons some 3 MB, of the 6 that Lambda answers."""

LAST_SECOND = 86_399
"""Of a day."""

LONGEST_KEY = 500
"""Characters. DynamoDB takes 2048 bytes as a key; a uuid of Zoom's has some 24 characters."""

_ATTRIBUTES = (
    "zip_id, meeting_id, recording_id, topic, recording_start_time, origin, pipeline_state, "
    "reason, course, oc_series_id, ingest_request_time, update_date, update_time, retry_due, "
    "file_ids, asked"
)
"""Without the steps, which a list doesn't show."""


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The row behind which the next page begins."""

    update_date: str
    update_time: Annotated[int, msgspec.Meta(ge=0, le=LAST_SECOND)]
    zip_id: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_KEY)]

    @classmethod
    def read(cls, token: str) -> Self:
        """The position in a token. BadRequest if it isn't one of ours."""
        try:
            content = base64.urlsafe_b64decode(token.encode("ascii"))
            position = msgspec.json.decode(content, type=cls)
            datetime.strptime(position.update_date, "%Y-%m-%d").replace(tzinfo=UTC)
        except (ValueError, binascii.Error, msgspec.DecodeError) as error:
            raise BadRequest("next must be what the last answer gave.") from error
        return position

    @property
    def token(self) -> str:
        """The position as a text that a query may carry."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()


class StatusPages:
    """`<stack>-pipeline-status` by its index of time."""

    def __init__(self, table: Table, page_rows: int = PAGE_ROWS) -> None:
        self._table = table
        self._page_rows = page_rows

    def page(
        self, begin: datetime, end: datetime, after: Position | None, without: frozenset[State]
    ) -> tuple[list[StatusRow], Position | None]:
        """Rows updated from `begin` to `end`, the newest first, and where the next page begins.

        `without` are states that are passed over; they count as looked at, so a page may be empty
        and not be the last.
        """
        rows: list[StatusRow] = []
        left = self._page_rows
        for day, first, last in _days(begin, end):
            date = day.strftime("%Y-%m-%d")
            if after and date > after.update_date:
                continue
            query = self._query(date, first, last, without)
            if after and date == after.update_date:
                query["ExclusiveStartKey"] = msgspec.structs.asdict(after)
            while True:
                # A day that ends with the page has no key: one row of the next day gives one.
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
    """The days of UTC from `end` back to `begin`: midnight, first and last second that count."""
    day = end.replace(hour=0, minute=0, second=0, microsecond=0)
    while day + timedelta(days=1) > begin:
        first = max(0, int((begin - day).total_seconds()))
        last = min(LAST_SECOND, int((end - day).total_seconds()))
        # DynamoDB refuses a range that ends before it begins: who asks may have a clock ahead.
        if first <= last:
            yield day, first, last
        day -= timedelta(days=1)
