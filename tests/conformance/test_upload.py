"""Tests that the uploader sends to Opencast what the first system sent for random messages."""

from __future__ import annotations

import json
import uuid
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from multipart import MultipartParser, parse_options_header
from requests.adapters import BaseAdapter

import uploader
from ingester.opencast.mediapackage import media_package_id
from ingester.runtime.queue_worker import Retry
from tests.cloud import Clock, Cloud
from tests.conformance.vectors import cases, load
from tests.function_harness import received, uploader_dependencies

Case = dict[str, Any]
CHAT = "chat_file"
MINIMUM_SECONDS = 120
FILE_PARTS = ("flavor", "mediaUri", "attachmentUri")
ONE_IN = 4
"""One in this many recorded cases is the source of a derived case."""

WORKFLOW = (
    b'<ns2:workflow xmlns:ns2="http://workflow.opencastproject.org" id="1603"'
    b' state="INSTANTIATED"/>'
)


class RecordedOpencast(BaseAdapter):
    """A fake Opencast with one series and the given Opencast events, which records the ingests."""

    def __init__(self, series: dict[str, Any], events: set[str]) -> None:
        super().__init__()
        self._series = series
        self._events = events
        self.ingests: list[tuple[str, list[list[str]]]] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]  # only what is used
        path = urlsplit(str(request.url)).path
        if path.startswith("/api/events/"):
            there = path.rsplit("/", 1)[-1] in self._events
            return _answer(request, 200 if there else 404, b"{}")
        if path == "/api/info/me/roles":
            return _answer(request, 200, b'["ROLE_ADMIN"]')
        if path.startswith("/series/"):
            return _answer(request, 200, json.dumps(self._series).encode())
        assert request.method == "POST"
        self.ingests.append((path.rsplit("/", 1)[-1], _parts(request)))
        return _answer(request, 200, WORKFLOW)

    def close(self) -> None:
        pass


def _answer(request: requests.PreparedRequest, status: int, body: bytes) -> requests.Response:
    response = requests.Response()
    response.request, response.url, response.status_code = request, str(request.url), status
    response.raw = BytesIO(body)
    return response


def _parts(request: requests.PreparedRequest) -> list[list[str]]:
    _, options = parse_options_header(request.headers["Content-Type"])
    body = request.body
    assert isinstance(body, bytes)
    return [[part.name, part.value] for part in MultipartParser(BytesIO(body), options["boundary"])]


@pytest.mark.parametrize("case", cases("upload"))
def test_an_upload_sends_what_the_first_system_sent_except_for_specified_changes(
    case: Case, aws: Cloud, clock: Clock
) -> None:
    check(case, aws, clock)


def check(case: Case, aws: Cloud, clock: Clock) -> None:
    """Process a case's message, and check the requests to Opencast and the row."""
    message = case["message"]
    there = {media_package_id(message["uuid"])} if case["already_in_opencast"] else set()
    opencast = RecordedOpencast(case["series_catalog"], there)
    session = requests.Session()
    session.mount("https://opencast.example.edu", opencast)
    deps = uploader_dependencies(aws, clock, session)
    prepare(case, aws)
    taken = received(aws, aws.upload_queue, message)
    outcome = uploader.worker_of(deps, read_seconds=5).process(taken)
    assert not isinstance(outcome, Retry)

    (row,) = aws.rows().values()
    state = row["pipeline_state"], row.get("reason", "")
    if case["already_in_opencast"] and not message["allow_multiple_ingests"]:
        assert state == ("IGNORED", "Already in opencast")
        assert state == (case["final_state"], case["reason"])
        assert opencast.ingests == []
        return
    if not kept_videos(case):
        # Section 8 of the specification, step 3: "If nothing is left: IGNORED [fixed]".
        assert state == ("IGNORED", "Recording <2 minutes")
        assert opencast.ingests == []
        return
    assert state == ("SENT_TO_OPENCAST", "")
    ((workflow, parts),) = opencast.ingests
    found = [comparable(part, case) for part in parts]
    chosen = new_choice(case)
    if chosen is not None:
        assert [part for part in found if part[0] in FILE_PARTS] == chosen
    elif not case["result"].startswith("raises"):
        # A crash of the first system says nothing about the right parts.
        assert state == (case["final_state"], case["reason"])
        assert workflow == case["workflow"]
        assert found == [comparable(part, case) for part in case["parts"]]


def prepare(case: Case, aws: Cloud) -> None:
    """Write the recording events, the staged files and the row that a case starts with."""
    message = case["message"]
    if case["recording_events"]:
        aws.events.put_item(
            Item={
                "zoom_uuid": message["uuid"],
                "recording_event_times": case["recording_events"],
            }
        )
    for view in message["s3_files"].values():
        for file in view["segments"]:
            body = bytes(file["ffprobe_bytes"])
            aws.s3.put_object(Bucket=aws.bucket, Key=file["filename"], Body=body)
    aws.status.put_item(
        Item={
            "zip_id": message["zip_id"],
            "pipeline_state": "SENT_TO_UPLOADER",
            "update_date": "2026-10-14",
            "update_time": 0,
        }
    )


def kept_files(case: Case) -> dict[str, list[dict[str, Any]]]:
    """Return, by view, the files that step 3 in section 8 of the specification keeps."""
    kept: dict[str, list[dict[str, Any]]] = {}
    has_false_start = False
    for view, found in case["message"]["s3_files"].items():
        first, *others = found["segments"]
        is_short = first["segment_num"] == 0 and first["ffprobe_seconds"] < MINIMUM_SECONDS
        is_false_start = is_short and view != CHAT
        has_false_start |= is_false_start
        kept[view] = others if is_false_start else [first, *others]
    if has_false_start and CHAT in kept:
        kept[CHAT] = [file for file in kept[CHAT] if file["segment_num"] != 0]
    return {view: files for view, files in kept.items() if files}


def kept_videos(case: Case) -> list[str]:
    """Return the views of the videos that `kept_files` keeps."""
    return [view for view in kept_files(case) if view != CHAT]


def new_choice(case: Case) -> list[list[str]] | None:
    """Return the form's expected file parts if no video has a known type, otherwise None.

    Section 7 of the specification, "changed since": a video of an unknown type becomes the
    presenter if no video has a known type. The first system found no presenter among such videos
    and sent no file.
    """
    kept, videos = kept_files(case), kept_videos(case)
    if not all(view.startswith("unrecognized_type_") for view in videos):
        return None
    is_archive = case["message"]["ingest_all_mp4"]
    flavors = {videos[0]: "speaker" if is_archive else "multipart"}
    if CHAT in kept and not is_archive:
        flavors[CHAT] = "chat"
    return [
        part
        for view, kind in flavors.items()
        for file in kept[view]
        for part in (
            ["flavor", f"{kind}/chunked+source"],
            ["attachmentUri" if view == CHAT else "mediaUri", f"s3:{file['filename']}"],
        )
    ]


def lone_unknown_videos() -> list[Any]:
    """Return derived cases whose only video has an unknown type (see `new_choice`).

    A case keeps its chat if it has one.
    """
    return [
        pytest.param(_with_unknown_type(case), id=f"upload-{number}-unknown-type")
        for number, case in enumerate(load("upload"))
        if number % ONE_IN == 0
    ]


def _with_unknown_type(case: Case) -> Case:
    files = case["message"]["s3_files"]
    first = next(view for view in files if view != CHAT)
    chat = {CHAT: files[CHAT]} if CHAT in files else {}
    only = {"unrecognized_type_production_studio": files[first], **chat}
    return {**case, "message": {**case["message"], "s3_files": only}}


@pytest.mark.parametrize("case", lone_unknown_videos())
def test_an_upload_that_is_not_ignored_sends_a_lone_video_of_an_unknown_type_as_presenter(
    case: Case, aws: Cloud, clock: Clock
) -> None:
    check(case, aws, clock)


def comparable(part: list[str], case: Case) -> list[str]:
    """Check a form part (name, value), and return the part without a value that differs per run.

    `s3:<key>` replaces a presigned URL, and "random" replaces a random media package id.
    """
    name, value = part
    if name in ("mediaUri", "attachmentUri") and value.startswith("http"):
        assert "X-Amz-Signature" in value
        path = unquote(urlsplit(value).path).lstrip("/")
        return [name, f"s3:{path.removeprefix('test-zoom-recording-files/')}"]
    if name == "identifier" and case["already_in_opencast"]:
        uuid.UUID(value)
        assert value != media_package_id(case["message"]["uuid"])
        return [name, "random"]
    return part
