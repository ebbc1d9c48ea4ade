"""Tests of the webhook events that the Zoom stand-in sends."""

import json

import pytest

from local.neighbours.zoom_recordings import Recording
from tests.local.clock import Clock
from tests.local.zoom_client import Client, Endpoint, signed


def test_zoom_stand_in_signs_a_webhook_event_as_zoom_does(
    client: Client, endpoint: Endpoint, recording: Recording, clock: Clock
) -> None:
    event = client.zoom.event("recording.completed", recording.uuid)
    delivery = client.zoom.send_event(endpoint.url, event)
    assert (delivery.status, delivery.body) == (200, "Success")
    (got,) = endpoint.seen
    assert signed(got)
    assert got.headers["x-zm-request-timestamp"] == str(int(clock.now))
    assert json.loads(got.body) == event
    assert event["payload"]["object"]["topic"].encode() in got.body


def test_zoom_stand_in_forges_a_webhook_event_in_the_chosen_way(
    client: Client, endpoint: Endpoint, recording: Recording, clock: Clock
) -> None:
    event = client.zoom.event("recording.completed", recording.uuid)
    client.zoom.send_event(endpoint.url, event, forge="wrong_secret")
    client.zoom.send_event(endpoint.url, event, forge="old_timestamp")
    client.zoom.send_event(endpoint.url, event, forge="unsigned")
    assert [signed(request) for request in endpoint.seen] == [False, True, False]
    assert clock.now - int(endpoint.seen[1].headers["x-zm-request-timestamp"]) > 300
    assert "x-zm-signature" not in endpoint.seen[2].headers


def test_zoom_stand_in_repeats_a_webhook_event_with_new_token_links_and_tracking_id(
    client: Client, endpoint: Endpoint, recording: Recording
) -> None:
    first, second = (client.zoom.event("recording.completed", recording.uuid) for _ in range(2))
    assert first["download_token"] != second["download_token"]
    before, after = (event["payload"]["object"]["recording_files"] for event in (first, second))
    assert [file.get("id") for file in before] == [file.get("id") for file in after]
    assert not {f["download_url"] for f in before} & {f["download_url"] for f in after}
    ids = {client.zoom.send_event(endpoint.url, event).tracking_id for event in (first, second)}
    assert len(ids) == 2


def test_webhook_event_recording_completed_of_zoom_stand_in_has_every_field(
    client: Client, recording: Recording
) -> None:
    event = client.zoom.event("recording.completed", recording.uuid)
    assert set(event) == {"event", "event_ts", "payload", "download_token"}
    about = event["payload"]["object"]
    names = (
        "id uuid host_id host_email account_id topic type start_time timezone duration "
        "share_url total_size recording_count password on_prem recording_play_passcode "
        "recording_files"
    )
    assert set(about) == set(names.split())
    assert type(about["id"]) is int
    timeline = next(f for f in about["recording_files"] if f["file_type"] == "TIMELINE")
    assert not {"id", "file_size", "status"} & set(timeline)


@pytest.mark.parametrize("event", ["meeting.ended", "webinar.ended"])
def test_meeting_ended_and_webinar_ended_of_zoom_stand_in_have_the_meeting_id_as_a_string(
    client: Client, recording: Recording, event: str
) -> None:
    about = client.zoom.event(event, recording.uuid)["payload"]["object"]
    assert about["id"] == str(recording.meeting_id)


@pytest.mark.parametrize("signal", ["started", "paused", "resumed", "stopped"])
def test_recording_event_of_zoom_stand_in_names_the_times_of_the_recording_file(
    client: Client, recording: Recording, signal: str
) -> None:
    event = client.zoom.event(f"recording.{signal}", recording.uuid, event_ts=17)
    about = event["payload"]["object"]
    assert event["event_ts"] == 17
    assert about["id"] == recording.meeting_id
    assert set(about["recording_file"]) == {"recording_start", "recording_end"}


def test_zoom_stand_in_builds_known_webhook_events_and_refuses_an_unknown_webhook_event(
    client: Client, recording: Recording
) -> None:
    challenge = client.zoom.event("endpoint.url_validation")
    assert challenge["payload"]["plainToken"]
    trashed = client.zoom.event("recording.trashed", recording.uuid)
    assert trashed["payload"]["object"]["uuid"] == recording.uuid
    later = client.zoom.event("recording.transcript_completed", recording.uuid)
    files = later["payload"]["object"]["recording_files"]
    assert {file["file_type"] for file in files} == {"TRANSCRIPT"}
    with pytest.raises(ValueError, match=r"phone\.call"):
        client.zoom.event("phone.call", recording.uuid)
