"""The DynamoDB table of recording events: when a recording ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ingester.recording.pauses import EPOCH, RecordingEvent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

EVENTS_LIFE = timedelta(days=120)


class EventsTable:
    """`<stack>-recording-events`: when a recording was started, paused, resumed and stopped."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def append(self, uuid: str, event: RecordingEvent) -> list[RecordingEvent]:
        """Adds an event to a recording's list; those that were in it."""
        answer = self._table.update_item(
            Key={"zoom_uuid": uuid},
            UpdateExpression="SET expiration = :expiration, recording_event_times = "
            "list_append(if_not_exists(recording_event_times, :none), :event)",
            ExpressionAttributeValues={
                ":none": [],
                ":event": [{"event": event.event, "timestamp": event.timestamp}],
                ":expiration": int((self._clock() + EVENTS_LIFE).timestamp()),
            },
            ReturnValues="UPDATED_OLD",
        )
        return _events(answer.get("Attributes", {}))

    def of(self, uuid: str) -> list[RecordingEvent]:
        """A recording's events in the order in which they came; empty if there are none.

        An error of Python's own if they can't be read, or have a time that is none.
        """
        events = _events(self._table.get_item(Key={"zoom_uuid": uuid}).get("Item") or {})
        if any(event.moment < EPOCH for event in events):
            raise ValueError("An event lies before 1970.")
        return events


def _events(item: Mapping[str, Any]) -> list[RecordingEvent]:
    times: Any = item.get("recording_event_times") or []
    return [RecordingEvent(str(one["event"]), int(one["timestamp"])) for one in times]
