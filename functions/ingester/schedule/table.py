"""The DynamoDB table of the schedule: one row per Zoom meeting, and the lock of imports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ingester.errors import ScheduleUnreadable
from ingester.schedule.model import ScheduledMeeting

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

IMPORT_LOCK = "an import is running"
"""Key of the row that is the lock of imports (`schedule/lock.py`), and not a meeting."""


class ScheduleTable:
    """The table `<stack>-schedule`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, zoom_series_id: int) -> ScheduledMeeting | None:
        """Return a meeting's row; None if the meeting isn't in the schedule.

        Raises:
            ScheduleUnreadable: The row can't be parsed.
        """
        item = self._table.get_item(Key={"zoom_series_id": str(zoom_series_id)}).get("Item")
        return _meeting(item) if item else None

    def all(self) -> list[ScheduledMeeting]:
        """Return every meeting's row.

        Raises:
            ScheduleUnreadable: A row can't be parsed.
        """
        meetings: list[ScheduledMeeting] = []
        scan: dict[str, Any] = {"ConsistentRead": True}
        while True:
            page = self._table.scan(**scan)
            rows = (item for item in page["Items"] if item["zoom_series_id"] != IMPORT_LOCK)
            meetings += map(_meeting, rows)
            if "LastEvaluatedKey" not in page:
                return meetings
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def apply(self, put: Iterable[ScheduledMeeting], delete: Iterable[str]) -> None:
        """Write the rows `put`, then delete the meetings `delete`.

        In this order, a scheduled class that moves from a deleted meeting is never missing.
        """
        with self._table.batch_writer() as batch:
            for meeting in put:
                batch.put_item(Item=msgspec.to_builtins(meeting))
        with self._table.batch_writer() as batch:
            for zoom_series_id in delete:
                batch.delete_item(Key={"zoom_series_id": zoom_series_id})


def _meeting(item: Mapping[str, Any]) -> ScheduledMeeting:
    known = {key: value for key, value in item.items() if value is not None}
    try:
        return msgspec.convert(known, ScheduledMeeting, strict=False)
    except msgspec.ValidationError as error:
        raise ScheduleUnreadable(
            f"The schedule's row of meeting {item.get('zoom_series_id')} can't be read: {error}. "
            "Mend or delete it in the schedule table."
        ) from error
