"""Zoom's webhook events that lack fields, for which the downloader asks Zoom's API."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import webhook
from ingester.pipeline.messages import DownloadMessage, decode
from tests.cloud import Cloud
from tests.function_harness import post_webhook
from tests.unit.functions.webhook.notifications import (
    MEETING,
    UUID,
    ZIP_ID,
    Json,
    Post,
    about,
    chat,
    completed,
    mp4,
    on_demand,
    record_of,
    sent,
    state,
    status_event,
    without,
)


def only_sent(aws: Cloud) -> Json:
    """Return the only message that was sent, and check that the downloader can decode it."""
    (message,) = aws.sends
    decode(message["MessageBody"], DownloadMessage)
    (body,) = sent(aws)
    return body


NONSENSE: dict[str, list[Any]] = {
    "topic": [None, 5, ["x"]],
    "host_id": [None, "", 5, {}],
    "id": [None, "", "x", -1, 10**40, [1]],
    "start_time": [None, "", "now", 5, "9999-12-31T23:59:59Z", "2026-10-14"],
    "duration": [None, "", "long", -1, 1e300, 10**40, [60]],
    "recording_files": [None, "", {}, "none", 5, ["x"], [None], [[mp4()]]],
}
WHOLE: Json = {
    "uuid": UUID,
    "zip_id": ZIP_ID,
    "is_partial": True,
    "on_demand_ingest": False,
    "download_token": "SECRET-token",
    "allow_multiple_ingests": False,
    "ingest_all_mp4": False,
    "zoom_total_size_bytes": 2000,
    "zoom_series_id": MEETING,
    "topic": "HIST E-10",
    "start_time": "2026-10-14T15:00:00Z",
    "duration": 60,
    "host_id": "host",
    "recording_files": ["file-1"],
}
"""A partial message with no empty field, without `received_time` and `zoom_processing_minutes`.

The files are given by their ids.
"""

EMPTY: dict[str, Json] = {
    "topic": {"topic": ""},
    "host_id": {"host_id": ""},
    "id": {"zoom_series_id": 0},
    "start_time": {"start_time": ""},
    "duration": {"duration": 0},
    "recording_files": {"recording_files": []},
}


def check_partial(content: Json, name: str, aws: Cloud, post: Post) -> None:
    """Post a webhook event twice, and check the answers, the row and the only message.

    The message's field `name` has to be empty.
    """
    assert [post(content), post(content)] == [200, 200]
    message = without(only_sent(aws), "received_time", "zoom_processing_minutes")
    message["recording_files"] = [file["recording_id"] for file in message["recording_files"]]
    assert message == WHOLE | EMPTY[name]
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


@pytest.mark.parametrize("name", list(NONSENSE))
def test_message_is_partial_and_has_the_known_fields_when_a_field_is_missing(
    name: str, aws: Cloud, post: Post
) -> None:
    content = completed()
    del content["payload"]["object"][name]
    check_partial(content, name, aws, post)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in NONSENSE.items() for value in values]
)
def test_message_is_partial_and_has_the_known_fields_when_a_field_is_invalid(
    name: str, value: Any, aws: Cloud, post: Post
) -> None:
    content = completed()
    content["payload"]["object"][name] = value
    check_partial(content, name, aws, post)


@pytest.mark.parametrize("token", [None, "", 5, {}])
def test_message_is_partial_when_the_webhook_event_has_no_valid_download_token(
    token: object, aws: Cloud, post: Post
) -> None:
    content = completed() | {"download_token": token}
    assert [post(content), post(content)] == [200, 200]
    message = only_sent(aws)
    assert (message["is_partial"], message["download_token"]) == (True, "")
    assert [file["recording_id"] for file in message["recording_files"]] == ["file-1"]
    assert message["zoom_processing_minutes"] == 150.0


def test_message_is_partial_when_the_webhook_event_has_only_a_uuid(aws: Cloud, post: Post) -> None:
    content = {"event": "recording.completed", "payload": {"object": {"uuid": UUID}}}
    assert [post(content), post(content)] == [200, 200]
    assert only_sent(aws) == {
        "uuid": UUID,
        "zoom_series_id": 0,
        "topic": "",
        "start_time": "",
        "duration": 0,
        "host_id": "",
        "recording_files": [],
        "on_demand_ingest": False,
        "zip_id": ZIP_ID,
        "received_time": "2026-10-14T18:30:00Z",
        "download_token": "",
        "allow_multiple_ingests": False,
        "ingest_all_mp4": False,
        "is_partial": True,
    }
    (message,) = aws.sent_to(aws.download_queue)
    assert message["delay_seconds"] == 300
    row = aws.rows()[ZIP_ID]
    assert (row["pipeline_state"], row["recording_id"]) == ("SENT_TO_DOWNLOADER", UUID)
    assert not {"meeting_id", "topic", "recording_start_time", "file_ids"} & set(row)
    request = record_of(aws).request(ZIP_ID)
    assert (request.is_sent, request.sent) == (True, ())


@pytest.mark.parametrize("name", ["start_time", "duration"])
def test_processing_time_of_zoom_is_unknown_when_the_end_of_the_meeting_is_unknown(
    name: str, aws: Cloud, post: Post
) -> None:
    content = completed()
    del content["payload"]["object"][name]
    assert post(content) == 200
    assert "zoom_processing_minutes" not in only_sent(aws)


def test_row_keeps_its_topic_and_start_when_a_webhook_event_lacks_them(
    aws: Cloud, post: Post
) -> None:
    post(status_event())
    bare = {"event": "recording.completed", "payload": {"object": {"uuid": UUID}}}
    assert post(bare) == 200
    row = aws.rows()[ZIP_ID]
    assert (row["meeting_id"], row["topic"]) == (MEETING, "HIST E-10")
    assert row["recording_start_time"] == "2026-10-14T15:00:00Z"


def test_webhook_event_that_lacks_a_field_is_a_duplicate_when_the_files_were_sent(
    aws: Cloud, post: Post
) -> None:
    assert post(completed()) == 200
    for repeat in (completed(topic=None), completed(token=""), completed(recording_files=None)):
        assert post(repeat) == 200
    assert len(sent(aws)) == 1
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


def test_whole_webhook_event_is_no_duplicate_when_a_webhook_event_without_files_came_before(
    aws: Cloud, post: Post
) -> None:
    assert post(completed(recording_files=None)) == 200
    assert post(completed()) == 200
    assert [message.get("is_partial") for message in sent(aws)] == [True, None]


def test_whole_webhook_event_is_a_duplicate_when_a_partial_webhook_event_named_the_same_files(
    aws: Cloud, post: Post
) -> None:
    assert post(completed(mp4(), without(chat(), "recording_end"), host_id=None)) == 200
    assert post(completed(mp4(), chat())) == 200
    assert len(sent(aws)) == 1


FILE_FIELDS = ["id", "recording_start", "recording_end", "download_url", "recording_type"]


@pytest.mark.parametrize("make", [mp4, chat])
@pytest.mark.parametrize("name", FILE_FIELDS)
def test_message_has_the_readable_files_when_another_file_lacks_a_field(
    name: str, make: Any, aws: Cloud, post: Post
) -> None:
    content = completed(mp4("other"), without(make("spoilt"), name))
    assert [post(content), post(content)] == [200, 200]
    message = only_sent(aws)
    assert message["is_partial"] is True
    assert [file["recording_id"] for file in message["recording_files"]] == ["other"]
    known = {"other"} if name == "id" else {"other", "spoilt"}
    assert set(record_of(aws).files) == known
    assert set(record_of(aws).request(ZIP_ID).sent) == known


@pytest.mark.parametrize(
    ("file", "is_partial"),
    [
        (without(mp4(), "file_type"), True),
        (without(mp4(recording_type="poll"), "file_type"), True),
        (without(mp4(file_extension="mov"), "file_type"), True),
        *(
            (without(mp4(file_extension=None, recording_type=name), "file_type"), True)
            for name in ("production_studio", "host_video", "sign_interpretation")
        ),
        (without(mp4(), "file_type", "file_extension", "recording_type"), None),
        (without(chat(), "file_type"), None),
        ({"file_type": "NEW_TYPE"}, None),
        ({"file_type": "M4A", "status": "processing"}, None),
        ({}, None),
    ],
)
def test_file_without_a_usable_type_makes_a_message_partial_only_when_the_file_seems_a_video(
    file: Json, is_partial: bool | None, aws: Cloud, post: Post
) -> None:
    assert post(completed(mp4("first"), file)) == 200
    message = only_sent(aws)
    assert message.get("is_partial") is is_partial
    assert [file["recording_id"] for file in message["recording_files"]] == ["first"]


@pytest.mark.parametrize(
    "content",
    [
        completed(chat()) | {"download_token": ""},
        completed(chat(), {"file_type": "M4A"}, host_id=None),
        completed(recording_files=[], topic=None),
        completed({"file_type": "TIMELINE"}, {}, duration="long"),
    ],
)
def test_recording_is_ignored_when_it_certainly_has_no_video(
    content: Json, aws: Cloud, post: Post
) -> None:
    assert [post(content), post(content)] == [204, 204]
    assert not aws.sends
    assert state(aws) == ("IGNORED", "No mp4 files")
    assert post(completed(chat(), mp4())) == 200
    assert len(sent(aws)) == 1


@pytest.mark.parametrize(
    "files",
    [None, {}, ["x"], [without(mp4(), "id")], [chat(), None], [chat(), mp4(recording_end="late")]],
    ids=str,
)
def test_partial_message_is_sent_when_the_recording_may_have_a_video(
    files: Any, aws: Cloud, post: Post
) -> None:
    content = completed(recording_files=files)
    assert [post(content), post(content)] == [200, 200]
    assert only_sent(aws)["is_partial"] is True
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in ("id", "topic", "start_time", "host_id", "duration")),
        {"recording_files": None},
        {"recording_files": ["x"]},
        {"start_time": "now"},
        {"recording_files": [without(mp4(), "id")]},
        {"recording_files": [without(mp4(), "file_type")]},
    ],
    ids=str,
)
def test_on_demand_request_gets_400_when_a_field_is_missing_or_invalid(
    change: Json, aws: Cloud, post: Post
) -> None:
    content = on_demand()
    content["payload"]["object"] |= change
    assert post(content) == 400
    assert not aws.sends
    if change == {"id": None}:
        assert not aws.rows(), "there is no row to say so, and it can't be made"
    else:
        assert state(aws, "on-demand-1") == ("WEBHOOK_FAILED", "Bad webhook data")
        assert aws.rows()["on-demand-1"]["origin"] == "on_demand"
    assert not record_of(aws).requests
    assert post(on_demand()) == 200


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["MP4", "chat", "processing", "2026-10-14T15:00:00Z", 10**40, "60", "-1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(list(mp4())), inner, max_size=4)
    ),
    max_leaves=6,
)
keys = st.sampled_from([*about(), "meeting_uuids", "meetings"]) | st.text(max_size=5)
spoilt_files = st.builds(
    lambda file, change, gone: without(file | change, *gone),
    st.sampled_from([mp4(), chat(), mp4("file-2"), {}]),
    st.dictionaries(st.sampled_from(list(mp4())), json_values, max_size=2),
    st.sets(st.sampled_from(list(mp4())), max_size=2),
)
spoilt_objects = st.builds(
    lambda start, change, files: {**start, **change, **files},
    st.sampled_from([{}, about()]),
    st.dictionaries(keys, json_values, max_size=4),
    st.fixed_dictionaries(
        {}, optional={"recording_files": st.lists(spoilt_files | json_values, max_size=3)}
    ),
)
numbers = count()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    object_=spoilt_objects,
    tail=st.text(max_size=10),
    more=st.fixed_dictionaries(
        {}, optional={"download_token": json_values, "event_ts": json_values}
    ),
)
def test_webhook_event_with_a_uuid_is_accepted_whatever_its_object_contains(
    object_: Json, tail: str, more: Json, aws: Cloud, deps: webhook.Dependencies
) -> None:
    uuid = f"{next(numbers)}{tail}"
    content = {
        "event": "recording.completed",
        "payload": {"object": {**object_, "uuid": uuid}},
        **more,
    }
    aws.sends.clear()
    statuses = {post_webhook(deps, json.dumps(content).encode()).status for _ in range(2)}
    assert statuses in ({200}, {204})
    messages = [decode(send["MessageBody"], DownloadMessage) for send in aws.sends]
    assert [message.uuid for message in messages] == ([uuid] if statuses == {200} else [])
