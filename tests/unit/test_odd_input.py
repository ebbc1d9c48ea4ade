"""Inputs that the fuzzer (`tests/fuzz`) found, and the error or result that each must cause."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingester import timestamps
from ingester.errors import (
    BadRequest,
    GoogleKeyRefused,
    LedgerUnreadable,
    MessageError,
    OpencastUnreachable,
    SettingsError,
    SheetsUnreachable,
    ZoomUnreachable,
)
from ingester.ledger.table import Ledger
from ingester.opencast.client import Opencast
from ingester.pipeline.messages import LONGEST_UUID, DownloadMessage, UploadMessage, decode
from ingester.pipeline.queue import Queue
from ingester.reconcile.state_table import ReconcileState
from ingester.schedule.google_sheets import Sheets
from ingester.schedule.sheet.parser import parse as parse_sheet
from ingester.status.time_index import Position
from ingester.time_zones import zone_of
from ingester.zoom import webhook_client
from ingester.zoom.api import MeetingRecordings, _Token, decoded, problem_in
from ingester.zoom.recording_list import _entry
from ingester.zoom.webhook_events import RemovalEvent, parse
from ops.command import OpsError
from ops.schedule.files import read_json
from tests.cloud import Clock, Cloud
from tests.fuzz import payloads
from tests.fuzz.fakes import item_of, response
from tests.fuzz.functions import session
from tests.fuzz.mutations import DEEP, DIGITS, encoded
from tests.google_web import service_key
from tests.waits import Stopwatch


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31"])
def test_recording_time_is_refused_when_its_year_or_form_is_invalid(text: str) -> None:
    with pytest.raises(ValueError, match=r"no year|does not match"):
        timestamps.parse_recorded(text)


def test_error_about_a_timestamp_does_not_repeat_the_text_when_the_text_is_long() -> None:
    # Errors are logged and mailed, and redaction takes time in proportion to their length.
    with pytest.raises(ValueError, match="a text of 300000 characters is no timestamp"):
        timestamps.parse("L" * 300_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"start_time": "soon"},
        {"start_time": "0001-01-01T00:00:00Z"},
        {"id": 10**19},
        {"duration": 10**400},
        {"recording_files": [{"a": DEEP}]},
    ],
)
def test_zoom_unreachable_is_raised_when_an_answer_of_zoom_has_an_impossible_value(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(ZoomUnreachable, match="can't be read"):
        decoded(response({"content": payloads.meeting(**changes)}), MeetingRecordings)


def test_zoom_unreachable_is_raised_when_the_lifetime_of_a_token_is_too_long() -> None:
    with pytest.raises(ZoomUnreachable):
        decoded(response({"content": {"access_token": "t", "expires_in": 10**400}}), _Token)


def test_sheets_unreachable_is_raised_when_the_lifetime_of_a_token_is_too_long(
    clock: Clock,
) -> None:
    answers = {"/token": {"content": {"access_token": "t", "expires_in": 2**63}}}
    watch = Stopwatch()
    sheets = Sheets(
        service_key("https://x/token"),
        base_url="https://x",
        session=session(answers),
        sleep=watch.sleep,
        clock=clock,
        monotonic=watch,
    )
    with pytest.raises(SheetsUnreachable):
        sheets.tabs("doc", ["Fall"], seconds=1)


def test_message_of_a_zoom_error_is_empty_when_its_json_is_nested_too_deeply() -> None:
    assert problem_in(response({"status": 400, "content": {"a": DEEP}})).message == ""


@pytest.mark.parametrize("mark", [DEEP, DIGITS])
def test_entry_of_the_zoom_list_is_unreadable_when_a_field_cannot_be_parsed(mark: str) -> None:
    entry = encoded(payloads.meeting(recording_files=[{"a": mark}]))
    assert getattr(_entry(entry), "name", "") == "an entry whose fields can't be read"


def test_text_of_a_webhook_answer_comes_from_its_body_when_its_json_is_nested_too_deeply() -> None:
    assert webhook_client._text(response({"content": {"a": DEEP}})).startswith('{"a": [[[')  # noqa: SLF001


@pytest.mark.parametrize("catalog", [DEEP, DIGITS, {"http://purl.org/dc/terms/": {"a": "\ud800"}}])
def test_opencast_unreachable_is_raised_when_a_series_cannot_be_parsed(catalog: Any) -> None:
    answers = {"/series/": {"content": catalog}}
    opencast = Opencast("https://oc", "zip", "secret", auth="basic", session=session(answers))
    with pytest.raises(OpencastUnreachable):
        opencast.series("1")


@pytest.mark.parametrize(
    "content",
    [b"", b'{"rest": 1}', b'{"rest": [{"version": "\xff"}]}', b'{"x": ' + b"[" * 200_000],
)
def test_version_of_opencast_is_none_when_its_answer_is_unreadable(content: Any) -> None:
    answers = {"/info/components.json": {"content": content}}
    opencast = Opencast("https://oc", "zip", "secret", auth="basic", session=session(answers))
    assert opencast.version() is None


def test_time_zone_is_refused_when_its_name_is_incomplete() -> None:
    with pytest.raises(SettingsError, match="'America' is no IANA time zone"):
        zone_of("America")


@pytest.mark.parametrize(
    "changes",
    [
        {"uuid": ""},
        {"uuid": "u" * (LONGEST_UUID + 1)},
        {"zip_id": ""},
        {"zoom_series_id": 10**40},
        {"duration": 10**400},
        {"start_time": "0001-01-01T00:00:00Z"},
    ],
)
def test_download_message_is_refused_when_a_field_is_empty_too_long_or_out_of_range(
    changes: dict[str, Any],
) -> None:
    message = {**payloads.download_messages()[0], **changes}
    with pytest.raises(MessageError):
        decode(json.dumps(message), DownloadMessage)


def test_upload_message_is_refused_when_the_time_of_a_segment_is_invalid() -> None:
    message = json.dumps(payloads.upload_messages()[0])
    known = msgspec.json.decode(message, type=UploadMessage)
    start = next(iter(known.s3_files.values())).segments[0].recording_start
    with pytest.raises(MessageError):
        decode(message.replace(start, "soon"), UploadMessage)


def test_webhook_event_is_refused_when_its_uuid_is_too_long_for_a_key() -> None:
    about = {**payloads.meeting(), "uuid": "u" * (LONGEST_UUID + 1)}
    with pytest.raises(BadRequest, match="uuid"):
        parse(encoded(payloads.completed(payload={"object": about})))


def test_webhook_event_keeps_its_other_recordings_when_one_uuid_is_too_long_for_a_key() -> None:
    about = {"meeting_uuids": ["u" * (LONGEST_UUID + 1), "a=="]}
    event = payloads.completed(event="recording.batch_trashed", payload={"object": about})
    _, webhook_event = parse(encoded(event))
    assert isinstance(webhook_event, RemovalEvent)
    assert webhook_event.uuids == ("a==",)


@pytest.mark.parametrize("uuid", ["a b", "ä==", "u" * 129])
def test_message_group_is_a_hash_when_sqs_does_not_accept_the_uuid(aws: Cloud, uuid: str) -> None:
    Queue(aws.sqs, aws.upload_queue).send_in_order('{"a": 1}', group=uuid)
    Queue(aws.sqs, aws.upload_dlq).send_with_reason("{}", "no", group=uuid, identity="1")
    groups = [
        message["group"]
        for url in (aws.upload_queue, aws.upload_dlq)
        for message in aws.messages(url)
    ]
    assert groups[0] == groups[1]
    assert len(groups[0]) == 64


def test_page_token_is_refused_when_its_json_is_nested_too_deeply() -> None:
    text = f'["2026-10-14", 5, "a", {"[" * 3000}{"]" * 3000}]'
    with pytest.raises(BadRequest):
        Position.read(base64.urlsafe_b64encode(text.encode()).decode())


def test_google_key_refused_is_raised_when_the_key_has_another_universe_domain(
    clock: Clock,
) -> None:
    key = json.dumps({**json.loads(service_key("https://x")), "universe_domain": "example.org"})
    watch = Stopwatch()
    sheets = Sheets(key, base_url="https://x", session=session({}), sleep=watch.sleep, clock=clock)
    with pytest.raises(GoogleKeyRefused):
        sheets.tabs("doc", ["Fall"], seconds=1)


def test_json_schedule_is_refused_when_a_number_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("9" * 5000)
    with pytest.raises(OpsError, match="number"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("version", ["2", 2.5, True])
def test_reconcile_item_is_unreadable_when_its_version_is_not_an_integer(
    aws: Cloud, version: Any
) -> None:
    aws.recordings.put_item(Item=item_of({**payloads.reconcile_item(), "version": version}))
    with pytest.raises(LedgerUnreadable, match="version"):
        ReconcileState(aws.recordings).get()


def test_ledger_record_is_unreadable_when_its_version_is_not_an_integer(
    aws: Cloud, clock: Clock
) -> None:
    aws.recordings.put_item(Item=item_of({**payloads.record(), "version": 2.5}))
    with pytest.raises(LedgerUnreadable, match="version"):
        Ledger(aws.recordings, clock).get(payloads.UUID)


def test_cell_of_a_sheet_has_a_question_mark_when_google_sends_a_lone_surrogate() -> None:
    header, first, *_ = payloads.SHEET
    [parsed] = parse_sheet("Fall", "sheet:Fall", [header, ["a\udfff", *first[1:]]]).classes[:1]
    assert parsed.scheduled.course_code == "a?"


def test_json_schedule_has_a_question_mark_when_a_text_has_a_lone_surrogate(tmp_path: Path) -> None:
    row = {**payloads.schedule_row(), "events": payloads.schedule_row()["events"][:1]}
    row["events"][0]["title"] = "a\udfff"
    (tmp_path / "a.json").write_text(json.dumps([row]))
    [parsed] = read_json(tmp_path / "a.json").classes
    assert parsed.scheduled.title == "a?"
