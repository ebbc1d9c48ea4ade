"""Recording events, and webhook events about the end of a meeting."""

from __future__ import annotations

import pytest

from ingester.pipeline.states import State
from ingester.zoom.webhook_events import STATUS_EVENTS
from tests.cloud import Clock, Cloud, plain
from tests.unit.functions.webhook.notifications import (
    MEETING,
    UUID,
    ZIP_ID,
    Post,
    put,
    state,
    status_event,
    untouched,
    without,
)


@pytest.mark.parametrize(
    ("event", "reached"),
    [
        ("recording.started", "RECORDING_IN_PROGRESS"),
        ("recording.resumed", "RECORDING_IN_PROGRESS"),
        ("recording.paused", "RECORDING_PAUSED"),
        ("recording.stopped", "RECORDING_STOPPED"),
    ],
)
def test_row_has_the_state_that_the_recording_event_reports(
    event: str, reached: str, aws: Cloud, post: Post
) -> None:
    assert post(status_event(event)) == 204
    row = without(aws.rows()[ZIP_ID], "expiration", "update_time", "steps")
    assert row == {
        "zip_id": ZIP_ID,
        "pipeline_state": reached,
        "reason": "",
        "meeting_id": MEETING,
        "recording_id": UUID,
        "topic": "HIST E-10",
        "recording_start_time": "2026-10-14T15:00:00Z",
        "origin": "webhook_notification",
        "update_date": "2026-10-14",
    }
    assert not aws.sends


@pytest.mark.parametrize("event", ["meeting.ended", "webinar.ended"])
def test_end_of_a_meeting_is_written_only_when_the_meeting_was_recorded(
    event: str, aws: Cloud, post: Post
) -> None:
    assert post(status_event(event, id=str(MEETING))) == 204
    assert untouched(aws)
    post(status_event())
    assert post(status_event(event, id=str(MEETING))) == 204
    assert state(aws) == ("RECORDING_PROCESSING", "")
    for late in ("recording.started", "recording.paused", "recording.stopped"):
        assert post(status_event(late)) == 204
    assert state(aws) == ("RECORDING_PROCESSING", "")


@pytest.mark.parametrize("before", [State.WEBHOOK_RECEIVED, State.IGNORED, State.SENT_TO_OPENCAST])
def test_row_keeps_its_state_when_a_recording_event_or_the_end_of_the_meeting_comes_late(
    before: State, aws: Cloud, post: Post
) -> None:
    put(aws, before)
    for event in STATUS_EVENTS:
        assert post(status_event(event)) == 204
    assert aws.rows()[ZIP_ID]["pipeline_state"] == before


def test_recording_event_or_meeting_end_gets_204_and_no_row_when_a_field_is_missing(
    aws: Cloud, post: Post
) -> None:
    for event in STATUS_EVENTS:
        for name in ("id", "topic", "start_time"):
            made = status_event(event)
            made["payload"]["object"].pop(name)
            assert post(made) == 204
    assert not aws.rows()


def test_recording_events_are_kept_with_their_time_in_seconds(
    aws: Cloud, post: Post, clock: Clock
) -> None:
    for number, kind in enumerate(["started", "paused", "resumed", "stopped"]):
        post(status_event(f"recording.{kind}") | {"event_ts": 1_791_990_000_999 + 60_000 * number})
    post(without(status_event("recording.paused"), "event_ts"))
    post(status_event("meeting.ended"))
    (item,) = (plain(item) for item in aws.events.scan()["Items"])
    assert item == {
        "zoom_uuid": UUID,
        "recording_event_times": [
            {"event": "recording.started", "timestamp": 1_791_990_000},
            {"event": "recording.paused", "timestamp": 1_791_990_060},
            {"event": "recording.resumed", "timestamp": 1_791_990_120},
            {"event": "recording.stopped", "timestamp": 1_791_990_180},
        ],
        "expiration": int(clock().timestamp()) + 120 * 86_400,
    }


def test_recording_event_is_kept_when_it_comes_after_the_ingest(aws: Cloud, post: Post) -> None:
    put(aws, State.SENT_TO_OPENCAST)
    post(status_event("recording.paused"))
    assert len(aws.events.scan()["Items"]) == 1


def test_recording_event_is_not_kept_when_its_time_is_invalid(aws: Cloud, post: Post) -> None:
    for timestamp in (10**40, -1, 0, "soon", 1.5, True, None, 10**17):
        assert post(status_event() | {"event_ts": timestamp}) == 204
    assert state(aws) == ("RECORDING_IN_PROGRESS", "")
    assert not aws.events.scan()["Items"]


def test_recording_event_is_accepted_when_the_table_of_recording_events_fails(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    aws.events.delete()
    assert post(status_event()) == 204
    assert state(aws) == ("RECORDING_IN_PROGRESS", "")
    assert any(record.levelname == "ERROR" for record in caplog.records)


@pytest.mark.parametrize(
    "damaged", [{"event": "recording.started", "timestamp": "soon"}, {"timestamp": 5}, "x", None]
)
def test_recording_event_is_kept_when_an_earlier_one_was_damaged_by_hand(
    damaged: object, aws: Cloud, post: Post
) -> None:
    aws.events.put_item(Item={"zoom_uuid": UUID, "recording_event_times": [damaged]})
    assert post(status_event("recording.paused") | {"event_ts": 1_791_990_060_000}) == 204
    assert state(aws) == ("RECORDING_PAUSED", "")
    (item,) = (plain(item) for item in aws.events.scan()["Items"])
    paused = {"event": "recording.paused", "timestamp": 1_791_990_060}
    assert item["recording_event_times"] == [damaged, paused]
