"""Zoom's recording events of each recording, in the table `<stack>-recording-events`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
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

        Earlier recording events that can't be read are left out.
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
        earlier: list[RecordingEvent] = []
        for entry in _entries(answer.get("Attributes", {})):
            # An error would make Zoom repeat the webhook event, and the repeat would be added, too.
            with suppress(ArithmeticError, LookupError, TypeError, ValueError):
                earlier.append(_event(entry))
        return earlier

    def of(self, uuid: str) -> list[RecordingEvent]:
        """Return the recording events of a recording in the order in which they were added.

        Raises:
            ArithmeticError, LookupError, TypeError, ValueError: A recording event can't be read, or
                has an invalid time.
        """
        item = self._table.get_item(Key={"zoom_uuid": uuid}).get("Item") or {}
        events = [_event(entry) for entry in _entries(item)]
        if any(event.moment < EPOCH for event in events):
            raise ValueError("An event lies before 1970.")
        return events


def _entries(item: Mapping[str, Any]) -> list[Any]:
    """Return the unparsed recording events of a table item."""
    return item.get("recording_event_times") or []


def _event(entry: Any) -> RecordingEvent:
    return RecordingEvent(str(entry["event"]), int(entry["timestamp"]))
