"""Encoding and decoding of download and upload messages, also of earlier or malformed messages."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from ingester.errors import MessageError
from ingester.pipeline import messages
from ingester.pipeline.messages import (
    CaptionTrack,
    Copying,
    DownloadMessage,
    RecordingFile,
    StagedFile,
    StagedView,
    UploadMessage,
    decode,
    encode,
    is_uuid,
    zip_id_of,
)
from tests.conformance.vectors import cases

START, END = "2026-11-23T15:00:00Z", "2026-11-23T16:00:00Z"
OLD_FILE = {
    "recording_id": "file-1",
    "recording_start": START,
    "recording_end": END,
    "download_url": "https://zoom.us/rec/download/x",
    "file_type": "MP4",
    "recording_type": "shared_screen",
}
OLD_DOWNLOAD = {
    "uuid": "u==",
    "zoom_series_id": 95846636714,
    "topic": "HIST",
    "start_time": START,
    "duration": 60,
    "host_id": "h",
    "recording_files": [OLD_FILE],
    "on_demand_ingest": False,
    "zip_id": "auto-ingest-u==",
    "received_time": END,
    "download_token": "t",
    "allow_multiple_ingests": False,
    "ingest_all_mp4": False,
}
OLD_UPLOAD = {
    "uuid": "u==",
    "zoom_series_id": 95846636714,
    "opencast_series_id": "20210112345",
    "oc_title": "Lecture",
    "topic": "HIST",
    "created": START,
    "created_local": "2026-11-23T10:00:00Z",
    "webhook_received_time": END,
    "zip_id": "auto-ingest-u==",
    "s3_files": {
        "shared_screen": {
            "segments": [
                {
                    "filename": "1/2/000-shared_screen.mp4",
                    "segment_num": 0,
                    "recording_start": START,
                    "recording_end": END,
                    "ffprobe_bytes": 10,
                    "ffprobe_seconds": 3600.5,
                }
            ],
            "view_bytes": 10,
            "view_seconds": 3600.5,
        }
    },
}


def test_download_message_of_an_earlier_version_is_decoded() -> None:
    message = decode(json.dumps(OLD_DOWNLOAD), DownloadMessage)
    (file,) = message.recording_files
    assert (file.file_size, file.file_extension, file.status) == (UNSET, UNSET, UNSET)
    assert file.is_completed
    assert (message.force, message.first_seen, message.on_demand_series_id) == (UNSET,) * 3
    assert json.loads(encode(message)) == OLD_DOWNLOAD


def test_upload_message_of_an_earlier_version_is_decoded() -> None:
    message = decode(json.dumps(OLD_UPLOAD), UploadMessage)
    assert (message.total_file_bytes, message.oc_workflow) == (UNSET, UNSET)
    assert (message.captions, message.summaries) == (UNSET, UNSET)
    (file,) = message.s3_files["shared_screen"].segments
    assert file.file_id is UNSET
    assert not message.allow_multiple_ingests
    assert decode(encode(message), UploadMessage) == message


@pytest.mark.parametrize("case", cases("webhook"))
def test_download_message_of_an_earlier_webhook_function_is_decoded(case: dict[str, Any]) -> None:
    for sent in case["download_queue"]:
        message = decode(json.dumps(sent["body"]), DownloadMessage)
        assert message.zip_id == sent["body"]["zip_id"]


texts = st.text(max_size=8)
keys = st.text(min_size=1, max_size=8)
uuids = keys.filter(is_uuid)
stamps = st.datetimes().map(lambda moment: moment.strftime("20%y-%m-%dT%H:%M:%SZ"))
maybe_flag = st.booleans() | st.just(UNSET)
maybe_text = texts | st.just(UNSET)
recording_files = st.builds(
    RecordingFile,
    recording_id=texts,
    recording_start=stamps,
    recording_end=stamps,
    download_url=texts,
    file_type=texts,
    recording_type=texts,
    file_size=st.integers(0, 2**50) | st.just(UNSET),
    file_extension=maybe_text,
    status=maybe_text,
)
downloads = st.builds(
    DownloadMessage,
    uuid=uuids,
    zoom_series_id=st.integers(0, 10**13),
    topic=texts,
    start_time=stamps,
    duration=st.integers(0, 1000) | st.floats(0, 1000),
    host_id=texts,
    recording_files=st.lists(recording_files, max_size=2).map(tuple),
    on_demand_ingest=st.booleans(),
    zip_id=keys,
    received_time=stamps,
    download_token=texts,
    on_demand_series_id=maybe_text,
    zoom_processing_minutes=st.floats(0, 1000) | st.just(UNSET),
    force=maybe_flag,
    ignore_schedule=maybe_flag,
    override_series_id=maybe_text,
    first_seen=stamps | st.just(UNSET),
    is_partial=maybe_flag,
    copying=st.builds(
        Copying, since=stamps, stored_bytes=st.integers(0, 2**50), idle=st.integers(0, 3)
    )
    | st.just(UNSET),
)
staged_files = st.builds(
    StagedFile,
    filename=texts,
    segment_num=st.integers(0, 99),
    recording_start=stamps,
    recording_end=stamps,
    ffprobe_bytes=st.integers(0, 2**50),
    ffprobe_seconds=st.integers(0, 1000) | st.floats(0, 1000),
    file_id=maybe_text,
)
staged_views = st.builds(
    StagedView,
    segments=st.lists(staged_files, max_size=2).map(tuple),
    view_bytes=st.integers(0, 2**50),
    view_seconds=st.floats(0, 1000),
)
caption_tracks = st.builds(
    CaptionTrack, kind=texts, filename=texts, file_ids=st.lists(texts, max_size=2).map(tuple)
)
maybe_tracks = st.lists(caption_tracks, max_size=2).map(tuple) | st.just(UNSET)
uploads = st.builds(
    UploadMessage,
    uuid=uuids,
    zoom_series_id=st.integers(0, 10**13),
    opencast_series_id=texts,
    oc_title=texts,
    topic=texts,
    created=stamps,
    created_local=stamps,
    webhook_received_time=stamps,
    zip_id=keys,
    s3_files=st.dictionaries(texts, staged_views, max_size=2),
    oc_workflow=maybe_text,
    captions=maybe_tracks,
    summaries=maybe_tracks,
)


@settings(max_examples=50)
@given(downloads | uploads)
def test_message_is_the_same_when_it_is_encoded_and_decoded(
    message: DownloadMessage | UploadMessage,
) -> None:
    text = encode(message)
    assert decode(text, type(message)) == message
    assert zip_id_of(text) == message.zip_id
    for name, value in msgspec.structs.asdict(message).items():
        assert (name in json.loads(text)) is (value is not UNSET)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"zip_id": None}, "zip_id"),
        ({"start_time": "yesterday"}, "yesterday"),
        ({"recording_files": [OLD_FILE | {"recording_end": "later"}]}, "later"),
        ({"duration": "60"}, "duration"),
        ({"recording_files": {}}, "recording_files"),
        ({"start_time": ""}, "time data ''"),
        ({"start_time": "yesterday", "is_partial": True}, "yesterday"),
        ({"copying": {"since": "yesterday", "stored_bytes": 1}}, "yesterday"),
        ({"copying": {"since": START}}, "stored_bytes"),
    ],
)
def test_message_error_names_the_invalid_field_or_the_invalid_value(
    change: dict[str, Any], says: str
) -> None:
    with pytest.raises(MessageError, match=says):
        decode(json.dumps(OLD_DOWNLOAD | change), DownloadMessage)


@pytest.mark.parametrize("name", list(OLD_DOWNLOAD))
def test_error_names_the_missing_field_of_a_message_unless_the_field_has_a_default(
    name: str,
) -> None:
    text = json.dumps({key: value for key, value in OLD_DOWNLOAD.items() if key != name})
    if name in ("allow_multiple_ingests", "ingest_all_mp4"):
        assert getattr(decode(text, DownloadMessage), name) is False
        return
    with pytest.raises(MessageError, match=name):
        decode(text, DownloadMessage)


@given(st.text(max_size=30))
def test_text_that_is_not_a_message_raises_message_error_and_has_no_zip_id(
    text: str,
) -> None:
    with pytest.raises(MessageError):
        decode(text, DownloadMessage)
    assert zip_id_of(text) is None


@pytest.mark.parametrize(
    ("text", "zip_id"),
    [
        ('{"zip_id": "auto-ingest-u", "duration": "?"}', "auto-ingest-u"),
        ('{"zip_id": 5}', None),
        ("{}", None),
        ("[]", None),
    ],
)
def test_zip_id_is_read_from_a_malformed_message_when_the_zip_id_is_a_text(
    text: str, zip_id: str | None
) -> None:
    assert zip_id_of(text) == zip_id


def test_message_error_is_raised_when_a_message_is_nested_too_deeply() -> None:
    text = '{"zip_id": "z", "x":' + "[" * 100_000
    with pytest.raises(MessageError, match="can't be read"):
        decode(text, UploadMessage)
    assert zip_id_of(text) is None


def test_message_of_a_partial_webhook_event_needs_no_start_time() -> None:
    # The downloader takes the start time from Zoom's API.
    text = json.dumps(OLD_DOWNLOAD | {"start_time": "", "is_partial": True})
    assert decode(text, DownloadMessage).start_time == ""


def test_kind_of_a_file_does_not_depend_on_the_case_of_its_type() -> None:
    file = msgspec.convert(OLD_FILE | {"file_type": "mp4"}, RecordingFile)
    assert (file.is_mp4, file.is_chat) == (True, False)
    chat = msgspec.convert(OLD_FILE | {"file_type": "Chat", "status": "processing"}, RecordingFile)
    assert (chat.is_mp4, chat.is_chat, chat.is_completed) == (False, True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4444AAAiAAAAAiAiAiiAii==", True),
        ("/a#b", True),
        ("\n#", True),
        ("\ud800", True),
        ("u" * messages.LONGEST_UUID, True),
        ("u" * (messages.LONGEST_UUID + 1), False),
        ("#pause", False),
        ("", False),
    ],
)
def test_check_of_a_uuid_accepts_exactly_the_texts_that_a_message_accepts_as_uuid(
    text: str, expected: bool
) -> None:
    assert messages.is_uuid(text) is expected
    message = {**OLD_DOWNLOAD, "uuid": text}
    try:
        msgspec.convert(message, DownloadMessage)
    except msgspec.ValidationError:
        assert not expected
    else:
        assert expected
