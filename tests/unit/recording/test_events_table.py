"""Unit tests of the table of recording events, with an in-process DynamoDB."""

from __future__ import annotations

from ingester.recording.events_table import EventsTable
from ingester.recording.pauses import RecordingEvent
from tests.cloud import Clock, Cloud, plain


def test_recording_events_are_kept_for_120_days_in_the_order_of_their_arrival(
    aws: Cloud, clock: Clock
) -> None:
    table = EventsTable(aws.events, clock)
    assert table.of("u==") == []
    events = [RecordingEvent("recording.started", 5), RecordingEvent("recording.stopped", 3)]
    assert [table.append("u==", event) for event in events] == [[], events[:1]]
    assert table.of("u==") == events
    (item,) = (plain(item) for item in aws.events.scan()["Items"])
    assert item["expiration"] == int(clock().timestamp()) + 120 * 86_400


def test_append_of_a_recording_event_returns_only_the_earlier_events_that_can_be_read(
    aws: Cloud, clock: Clock
) -> None:
    entries = [{"event": "recording.started", "timestamp": 5}, {"event": "recording.paused"}, 7]
    aws.events.put_item(Item={"zoom_uuid": "u==", "recording_event_times": entries})
    stopped = RecordingEvent("recording.stopped", 9)
    earlier = EventsTable(aws.events, clock).append("u==", stopped)
    assert earlier == [RecordingEvent("recording.started", 5)]
