"""Zoom's recording events of each recording, in the table `<stack>-recording-events`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ingester.recording.pauses import EPOCH, RecordingEvent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

EVENTS_RETENTION = timedelta(days=120)
"""Time for which DynamoDB keeps a recording's recording events after the last one was added."""


class EventsTable:
    """Table of the times at which each recording was started, paused, resumed and stopped."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def append(self, uuid: str, event: RecordingEvent) -> list[RecordingEvent]:
        """Add a recording event to a recording's list, and return the earlier recording events.

        Raises:
            ArithmeticError, LookupError, TypeError, ValueError: An earlier recording event can't be
                read. The new recording event is added nevertheless.
        """
        answer = self._table.update_item(
            Key={"zoom_uuid": uuid},
            UpdateExpression="SET expiration = :expiration, recording_event_times = "
            "list_append(if_not_exists(recording_event_times, :none), :event)",
            ExpressionAttributeValues={
                ":none": [],
                ":event": [{"event": event.event, "timestamp": event.timestamp}],
                ":expiration": int((self._clock() + EVENTS_RETENTION).timestamp()),
            },
            ReturnValues="UPDATED_OLD",
        )
        return _events(answer.get("Attributes", {}))

    def of(self, uuid: str) -> list[RecordingEvent]:
        """Return the recording events of a recording in the order in which they were added.

        Raises:
            ArithmeticError, LookupError, TypeError, ValueError: A recording event can't be read, or
                has an invalid time.
        """
        events = _events(self._table.get_item(Key={"zoom_uuid": uuid}).get("Item") or {})
        if any(event.moment < EPOCH for event in events):
            raise ValueError("An event lies before 1970.")
        return events


def _events(item: Mapping[str, Any]) -> list[RecordingEvent]:
    times: Any = item.get("recording_event_times") or []
    return [RecordingEvent(str(event["event"]), int(event["timestamp"])) for event in times]
