"""Unit tests of parsing webhook events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from ingester.errors import BadRequest
from ingester.pipeline.messages import DownloadMessage, decode, encode
from ingester.pipeline.states import Origin
from ingester.zoom.webhook_events import (
    BadIngest,
    IngestEvent,
    RecoveryEvent,
    RemovalEvent,
    StatusEvent,
    Unhandled,
    WebhookEvent,
    files_of,
    parse,
)
from tests.cloud import Clock
from tests.unit.functions.webhook.notifications import (
    MEETING,
    UUID,
    ZIP_ID,
    Json,
    about,
    chat,
    completed,
    mp4,
    on_demand,
    status_event,
    without,
)


def parsed(content: Json) -> WebhookEvent | BadIngest:
    event, webhook_event = parse(json.dumps(content).encode())
    assert event == content["event"]
    return webhook_event


def ingest(content: Json) -> IngestEvent:
    webhook_event = parsed(content)
    assert isinstance(webhook_event, IngestEvent)
    return webhook_event


def bulk(event: str, **about: Any) -> Json:
    return {"event": event, "payload": {"object": about}}


@pytest.mark.parametrize(
    ("about", "uuids"),
    [
        ({"uuid": "a=="}, ("a==",)),
        ({"meeting_uuids": ["a==", "b=="]}, ("a==", "b==")),
        ({"meetings": [{"meeting_uuid": "a=="}, {"meeting_uuid": "b=="}]}, ("a==", "b==")),
        ({"meeting_uuids": ["b==", "a==", "b=="]}, ("b==", "a==")),
        ({"meeting_uuids": ["a==", "", None, 5, ["b=="]]}, ("a==",)),
        ({"meetings": ["x", {}, {"meeting_uuid": 5}, {"meeting_uuid": "a=="}]}, ("a==",)),
        ({"uuid": "a==", "meeting_uuids": "b==", "meetings": {}}, ("a==",)),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("recording.trashed", RemovalEvent),
        ("recording.batch_trashed", RemovalEvent),
        ("recording.deleted", RemovalEvent),
        ("recording.batch_deleted", RemovalEvent),
        ("recording.recovered", RecoveryEvent),
        ("recording.batch_recovered", RecoveryEvent),
    ],
)
def test_webhook_event_of_removal_or_recovery_names_each_recording_once(
    event: str, kind: type, about: Json, uuids: tuple[str, ...]
) -> None:
    webhook_event = parsed(bulk(event, **about))
    assert isinstance(webhook_event, kind)
    assert getattr(webhook_event, "uuids", ()) == uuids


def test_webhook_event_of_removal_is_refused_when_it_names_no_recording() -> None:
    empty: list[Json] = [{}, {"meeting_uuids": []}, {"meetings": [{}]}, {"uuid": ""}]
    for content in empty:
        with pytest.raises(BadRequest, match="uuid"):
            parsed(bulk("recording.batch_trashed", **content))


@pytest.mark.parametrize("event", ["recording.started", "recording.completed", "on.demand.ingest"])
def test_webhook_event_about_one_recording_is_refused_when_it_has_a_list_instead_of_a_uuid(
    event: str,
) -> None:
    with pytest.raises(BadRequest, match="uuid"):
        parsed(bulk(event, meeting_uuids=["a=="]) | {"download_token": "t"})


def test_webhook_event_is_not_partial_when_no_field_is_missing() -> None:
    webhook_event = ingest(completed(mp4(), chat()))
    assert (webhook_event.is_partial, webhook_event.has_video) == (False, True)
    assert webhook_event.names == {
        "file-1": "shared_screen_with_speaker_view of 2026-10-14T15:00:00Z",
        "chat-1": "chat_file of 2026-10-14T15:00:00Z",
    }
    message = webhook_event.message(ZIP_ID, Clock()())
    assert message.is_partial is UNSET


@pytest.mark.parametrize(
    "files",
    [
        [mp4() | {"id": f"id-{number}"} for number in range(5000)],
        [mp4() | {"id": "i" * 300_000}],
        [mp4() | {"recording_type": "t" * 300_000}],
        [without(mp4(), "id"), *(mp4() | {"id": f"id-{number}"} for number in range(5000))],
    ],
    ids=["many", "long id", "long type", "many and partial"],
)
def test_names_of_files_of_a_webhook_event_fit_into_the_ledger_when_the_names_are_many_or_long(
    files: list[Json],
) -> None:
    webhook_event = ingest(completed(*files))
    assert webhook_event.is_partial
    assert len(json.dumps(webhook_event.names)) < 300_000


@pytest.mark.parametrize(
    ("files", "has_video"),
    [
        ([], False),
        ([chat()], False),
        ([{"file_type": "M4A"}, {}], False),
        ([mp4()], True),
        ([mp4(), without(chat(), "id"), None], True),
        ([without(mp4(), "id")], None),
        ([*({"file_type": "M4A"} for _ in range(500)), without(mp4(), "id")], None),
        ([chat(), "x"], None),
        (None, None),
        ({"0": mp4()}, None),
    ],
    ids=str,
)
def test_webhook_event_says_whether_there_is_a_video_unless_only_unreadable_files_may_be_videos(
    files: Any, has_video: bool | None
) -> None:
    webhook_event = ingest(completed(recording_files=files, host_id=None))
    assert webhook_event.is_partial
    assert webhook_event.has_video is has_video


def test_partial_webhook_event_names_mp4_files_that_lack_fields_other_than_their_id() -> None:
    files = [
        mp4(),
        mp4("no-start", recording_start=None),
        mp4("no-type", file_type=None, recording_type=None),
        mp4("bad-end", recording_end="late"),
        chat("", recording_type=None),
        {"id": "audio", "file_type": "M4A"},
        {"id": "nothing-else"},
        {"id": 5, "file_type": "MP4"},
        "x",
    ]
    webhook_event = ingest(completed(recording_files=files))
    view = "shared_screen_with_speaker_view of"
    assert webhook_event.names == {
        "file-1": f"{view} 2026-10-14T15:00:00Z",
        "no-start": f"{view} an unknown time",
        "no-type": "unrecognized_type_ of 2026-10-14T15:00:00Z",
        "bad-end": f"{view} 2026-10-14T15:00:00Z",
    }
    assert [file.recording_id for file in webhook_event.files] == ["file-1"]


def test_partial_webhook_event_keeps_the_fields_that_can_be_read() -> None:
    content = completed(id=str(MEETING), topic=5, start_time="now", duration=61.5, host_id="h")
    webhook_event = ingest(content)
    subject = webhook_event.subject
    assert (subject.meeting_id, subject.topic, subject.start_time) == (MEETING, "", "")
    assert (subject.recording_id, subject.origin) == (UUID, Origin.WEBHOOK)
    assert (webhook_event.host_id, webhook_event.duration) == ("h", 61.5)
    assert (webhook_event.total_size, webhook_event.download_token) == (2000, "SECRET-token")
    message = webhook_event.message(ZIP_ID, Clock()())
    assert decode(encode(message), DownloadMessage) == message
    assert message.zoom_processing_minutes is UNSET


@pytest.mark.parametrize("duration", [True, False, "60", None, -1, 1_000_001, [], {}])
def test_duration_of_a_meeting_is_0_when_the_field_is_not_a_valid_number_of_minutes(
    duration: Any,
) -> None:
    content = completed(duration=duration, host_id=None)
    assert ingest(content).duration == 0


def test_options_are_dropped_when_a_webhook_event_of_zoom_has_them() -> None:
    content = completed(host_id=None)
    content["payload"] |= {"force": True, "override_series_id": "S", "zip_id": "x"}
    webhook_event = ingest(content)
    assert not webhook_event.on_demand
    message = webhook_event.message(ZIP_ID, Clock()())
    assert (message.force, message.override_series_id) == (UNSET, UNSET)


def test_error_is_returned_not_raised_when_a_file_of_an_on_demand_request_lacks_its_id() -> None:
    bad = parsed(on_demand(without(mp4(), "id")))
    assert isinstance(bad, BadIngest)
    assert (bad.uuid, bad.zip_id, bad.subject.meeting_id) == (UUID, "on-demand-1", MEETING)
    assert str(bad).startswith("Bad webhook data: ")


def test_options_of_an_on_demand_request_have_its_workflow_and_prefer_the_override_series() -> None:
    options = ingest(on_demand(on_demand_series_id="S-1", oc_workflow="wf")).asked
    assert (options.oc_series_id, options.oc_workflow) == ("S-1", "wf")
    overridden = ingest(on_demand(on_demand_series_id="S-1", override_series_id="S-2")).asked
    assert overridden.oc_series_id == "S-2"


@pytest.mark.parametrize("name", ["id", "topic", "start_time"])
def test_recording_event_is_unhandled_when_it_lacks_id_topic_or_start_time(name: str) -> None:
    content = status_event()
    assert isinstance(parsed(content), StatusEvent)
    content["payload"]["object"] = without(content["payload"]["object"], name)
    assert isinstance(parsed(content), Unhandled)


def test_only_mp4_and_chat_files_are_read_and_an_mp4_without_a_required_field_is_refused() -> None:
    others: list[Json] = [{"file_type": "M4A"}, {"file_type": "TIMELINE"}, {}]
    files = files_of([mp4(), *others, chat(file_type="Chat")])
    assert [file.recording_id for file in files] == ["file-1", "chat-1"]
    for lacking in about()["recording_files"][0]:
        if lacking in ("meeting_id", "file_size", "file_extension", "status", "file_type"):
            continue
        with pytest.raises(ValueError, match="required field"):
            files_of([without(mp4(), lacking)])
