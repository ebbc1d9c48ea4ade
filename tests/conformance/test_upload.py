"""What the uploader of the first system sent to Opencast for random messages."""

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
from ingester.rules.mediapackage import media_package_id
from tests.cloud import Clock, Cloud
from tests.conformance.vectors import cases
from tests.kits import received, uploader_tools

WORKFLOW = (
    b'<ns2:workflow xmlns:ns2="http://workflow.opencastproject.org" id="1603"'
    b' state="INSTANTIATED"/>'
)


class RecordedOpencast(BaseAdapter):
    """An Opencast with one series and perhaps the event, which keeps the ingests it is sent."""

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
def test_upload(case: dict[str, Any], aws: Cloud, clock: Clock) -> None:
    message = case["message"]
    there = {media_package_id(message["uuid"])} if case["already_in_opencast"] else set()
    opencast = RecordedOpencast(case["series_catalog"], there)
    session = requests.Session()
    session.mount("https://opencast.example.edu", opencast)
    tools = uploader_tools(aws, clock, session)
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
    assert uploader.take(received(aws, aws.upload_queue, message), tools, read_seconds=5)

    (row,) = aws.rows().values()
    state = row["pipeline_state"], row.get("reason", "")
    if case["result"].startswith("raises"):
        # Section 8, step 3: "If nothing is left: IGNORED [fixed]".
        assert state == ("IGNORED", "Recording <2 minutes")
        assert opencast.ingests == []
        return
    if case["final_state"] == "UPLOADER_FAILED":
        # The first system had no reasons here; ours says what to do.
        assert row["pipeline_state"] == "UPLOADER_FAILED"
        assert opencast.ingests == []
        return
    assert state == (case["final_state"], case["reason"])
    if not case["parts"]:
        assert opencast.ingests == []
        return
    ((workflow, parts),) = opencast.ingests
    assert workflow == case["workflow"]
    assert [comparable(part, case) for part in parts] == [
        comparable(part, case) for part in case["parts"]
    ]


def comparable(part: list[str], case: dict[str, Any]) -> list[str]:
    """A part with `s3:<key>` for a presigned URL, and a random id of a re-ingest as such."""
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
