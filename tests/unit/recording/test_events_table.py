"""The table of recording events, over an in-process DynamoDB."""

from __future__ import annotations

from ingester.recording.events_table import EventsTable
from ingester.recording.pauses import RecordingEvent
from tests.cloud import Clock, Cloud, plain


def test_events_are_kept_in_order_with_their_life(aws: Cloud, clock: Clock) -> None:
    events = EventsTable(aws.events, clock)
    assert events.of("u==") == []
    kept = [RecordingEvent("recording.started", 5), RecordingEvent("recording.stopped", 3)]
    assert [events.append("u==", one) for one in kept] == [[], kept[:1]]
    assert events.of("u==") == kept
    (row,) = (plain(one) for one in aws.events.scan()["Items"])
    assert row["expiration"] == int(clock().timestamp()) + 120 * 86_400
