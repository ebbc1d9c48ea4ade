"""What Zoom says of a recording on its side, that it was removed, and that it is back."""

from __future__ import annotations

import pytest

from ingester.neighbours.zoom_events import STATUS_EVENTS
from ingester.rules import reasons
from ingester.rules.states import State
from tests.cloud import Clock, Cloud, plain
from tests.hooks import failing
from tests.unit.functions.webhook.notifications import (
    MEETING,
    UUID,
    ZIP_ID,
    Json,
    Post,
    completed,
    on_demand,
    put,
    sent,
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
def test_what_zoom_says_of_a_running_recording(
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
def test_a_meetings_end_counts_for_a_recording_only(event: str, aws: Cloud, post: Post) -> None:
    assert post(status_event(event, id=str(MEETING))) == 204
    assert untouched(aws)
    post(status_event())
    assert post(status_event(event, id=str(MEETING))) == 204
    assert state(aws) == ("RECORDING_PROCESSING", "")
    for late in ("recording.started", "recording.paused", "recording.stopped"):
        assert post(status_event(late)) == 204
    assert state(aws) == ("RECORDING_PROCESSING", "")


@pytest.mark.parametrize("before", [State.WEBHOOK_RECEIVED, State.IGNORED, State.SENT_TO_OPENCAST])
def test_zooms_side_never_replaces_the_pipelines(before: State, aws: Cloud, post: Post) -> None:
    put(aws, before)
    for event in STATUS_EVENTS:
        assert post(status_event(event)) == 204
    assert aws.rows()[ZIP_ID]["pipeline_state"] == before


def test_a_status_event_with_a_field_missing(aws: Cloud, post: Post) -> None:
    for event in STATUS_EVENTS:
        for name in ("id", "topic", "start_time"):
            made = status_event(event)
            made["payload"]["object"].pop(name)
            assert post(made) == 204
    assert not aws.rows()


def test_recording_events_are_kept_in_seconds(aws: Cloud, post: Post, clock: Clock) -> None:
    for number, kind in enumerate(["started", "paused", "resumed", "stopped"]):
        post(status_event(f"recording.{kind}") | {"event_ts": 1_791_990_000_999 + 60_000 * number})
    post(without(status_event("recording.paused"), "event_ts"))
    post(status_event("meeting.ended"))
    (item,) = (plain(one) for one in aws.events.scan()["Items"])
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


def test_events_are_kept_also_when_the_state_came_too_late(aws: Cloud, post: Post) -> None:
    put(aws, State.SENT_TO_OPENCAST)
    post(status_event("recording.paused"))
    assert len(aws.events.scan()["Items"]) == 1


def test_a_time_that_is_none(aws: Cloud, post: Post) -> None:
    for timestamp in (10**40, -1, 0, "soon", 1.5, True, None, 10**17):
        assert post(status_event() | {"event_ts": timestamp}) == 204
    assert state(aws) == ("RECORDING_IN_PROGRESS", "")
    assert not aws.events.scan()["Items"]


def test_a_failing_events_table_never_fails_the_request(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    aws.events.delete()
    assert post(status_event()) == 204
    assert state(aws) == ("RECORDING_IN_PROGRESS", "")
    assert any(record.levelname == "ERROR" for record in caplog.records)


@pytest.mark.parametrize(
    ("event", "says"), [("recording.trashed", "trash"), ("recording.deleted", "deleted")]
)
def test_removal_is_noted_on_rows_on_their_way_only(
    event: str, says: str, aws: Cloud, post: Post
) -> None:
    known: Json = {"meeting_id": MEETING, "recording_id": UUID}
    put(aws, State.SENT_TO_DOWNLOADER, **known)
    put(aws, State.OC_SERIES_FOUND, "on-demand-1", **known)
    due: Json = {"retry_due": "2026-10-14T18:40:00Z", "reason": "next try at 18:40"}
    put(aws, State.DOWNLOADER_FAILED, "on-demand-2", **known, **due)
    put(aws, State.SENT_TO_OPENCAST, "on-demand-3", **known)
    put(aws, State.DOWNLOADER_FAILED, "on-demand-4", **known, reason="failed")
    put(aws, State.OC_SERIES_FOUND, "other", meeting_id=MEETING, recording_id="other")
    before = aws.rows()
    assert post(status_event(event, id=str(MEETING))) == 204
    rows = aws.rows()
    for zip_id in (ZIP_ID, "on-demand-1", "on-demand-2"):
        assert says in rows[zip_id]["reason"]
        assert says in rows[zip_id]["zoom_notice"]
        assert rows[zip_id]["pipeline_state"] == before[zip_id]["pipeline_state"]
    assert "next try at 18:40" in rows["on-demand-2"]["reason"]
    for zip_id in ("on-demand-3", "on-demand-4", "other"):
        assert rows[zip_id] == before[zip_id]


@pytest.mark.parametrize("event", ["recording.deleted", "recording.recovered"])
def test_removal_of_what_nobody_knows(event: str, aws: Cloud, post: Post) -> None:
    for meeting in (None, "x", 10**40, MEETING):
        assert post(status_event(event, id=meeting)) == 204
    assert untouched(aws)


def test_what_is_recovered_goes_its_way_as_if_nothing_had_been(aws: Cloud, post: Post) -> None:
    known: Json = {"meeting_id": MEETING, "recording_id": UUID}
    put(aws, State.SENT_TO_DOWNLOADER, **known)
    due: Json = {"retry_due": "2026-10-14T18:40:00Z", "reason": "next try at 18:40"}
    put(aws, State.DOWNLOADER_FAILED, "on-demand-1", **known, **due)
    put(aws, State.OC_SERIES_FOUND, "other", meeting_id=MEETING, recording_id="other")
    before = aws.rows()
    before[ZIP_ID]["reason"] = ""
    for event in ("recording.trashed", "recording.trashed", "recording.recovered"):
        assert post(status_event(event)) == 204
    assert aws.rows() == before


def test_what_was_given_up_and_is_recovered_is_told(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """It isn't sent on by itself: who threw it away may not want it in Opencast."""
    assert post(completed()) == 200
    assert post(status_event("recording.trashed")) == 204
    notice = aws.rows()[ZIP_ID]["zoom_notice"]
    put(aws, State.IGNORED, reason=notice)
    assert post(status_event("recording.recovered")) == 204
    assert state(aws) == ("IGNORED", reasons.RECOVERED)
    assert "zoom_notice" not in aws.rows()[ZIP_ID]
    assert post(status_event("recording.recovered")) == 204
    [record] = [one for one in caplog.records if one.levelname == "ERROR"]
    assert record.getMessage() == reasons.RECOVERED
    assert "recordings --uuid UUID" in vars(record)["advice"]
    assert len(sent(aws)) == 1


def test_what_was_ignored_for_another_reason_stays_so(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    known: Json = {"meeting_id": MEETING, "recording_id": UUID, "zoom_notice": "Thrown away"}
    put(aws, State.IGNORED, **known, reason="Recording <2 minutes")
    assert post(status_event("recording.recovered")) == 204
    assert state(aws) == ("IGNORED", "Recording <2 minutes")
    assert "zoom_notice" not in aws.rows()[ZIP_ID]
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


@pytest.mark.parametrize("times", [1, 3])
def test_a_row_that_changes_while_it_is_recovered(times: int, aws: Cloud, post: Post) -> None:
    """It is read again; if that doesn't end, Zoom is asked to say so again."""
    known: Json = {"meeting_id": MEETING, "recording_id": UUID, "zoom_notice": "Thrown away"}
    put(aws, State.OC_SERIES_FOUND, **known, reason="Thrown away")
    changes: list[str] = []

    def changed(params: Json) -> bool:
        if "REMOVE zoom_notice" in params["UpdateExpression"] and len(changes) < times:
            changes.append(f"change {len(changes)}")
            put(aws, State.OC_SERIES_FOUND, reason=changes[-1])
        return False

    with failing(aws.status.meta.client, "dynamodb.UpdateItem", "none", when=changed):
        assert post(status_event("recording.recovered")) == (204 if times == 1 else 503)
    assert ("zoom_notice" in aws.rows()[ZIP_ID]) is (times == 3)
    assert state(aws) == ("OC_SERIES_FOUND", changes[-1])


def test_a_request_that_is_accepted_takes_the_notice_away(aws: Cloud, post: Post) -> None:
    put(aws, State.IGNORED, zoom_notice="Thrown away", reason="Thrown away", file_ids={"file-1"})
    assert post(on_demand(zip_id=ZIP_ID, force=True)) == 200
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")
    assert "zoom_notice" not in aws.rows()[ZIP_ID]
