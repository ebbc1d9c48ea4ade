"""What the downloader of the first system made of random messages and schedules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from requests.adapters import BaseAdapter

import downloader
from ingester.neighbours.staging import Staging
from ingester.rules import timestamps
from tests.cloud import Clock, Cloud
from tests.conformance.vectors import cases, may_match_now
from tests.kits import downloader_tools, received

BYTES_A_SECOND = 1000
CDN = "https://ssrweb.zoom.us/files"


class ZoomFiles(BaseAdapter):
    """Zoom's download hosts: a redirect, then as many bytes as the file has seconds, times 1000."""

    def __init__(self, files: list[dict[str, Any]]) -> None:
        super().__init__()
        self._files = {file["download_url"]: file for file in files}

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]  # only what is used
        response = requests.Response()
        response.request = request
        response.url = str(request.url)
        if response.url in self._files:
            file = self._files[response.url]
            extension = {"CHAT": "txt"}.get(file["file_type"].upper(), "MP4")
            response.status_code = 302
            response.headers["Location"] = f"{CDN}/{seconds_of(file)}/GMT.{extension}?Policy=x"
            response.raw = Body(0)
            return response
        assert response.url.startswith(CDN)
        size = int(float(response.url.split("/")[-2])) * BYTES_A_SECOND
        response.status_code = 200
        response.headers["Content-Type"] = "video/mp4"
        response.headers["Content-Length"] = str(size)
        response.raw = Body(size)
        return response

    def close(self) -> None:
        pass


class Body:
    """A body of zeros, read by pieces."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, amount: int = -1, **_: Any) -> bytes:
        take = self._left if amount < 0 else min(amount, self._left)
        self._left -= take
        return bytes(take)

    def close(self) -> None:
        pass

    def release_conn(self) -> None:
        pass


@dataclass
class CountedStaging(Staging):
    """S3 without the bytes: hours of lecture would not fit into memory."""

    stored: dict[str, dict[str, str]] = field(default_factory=dict)

    def store(self, key: str, chunks: Iterable[bytes], metadata: dict[str, str]) -> int:
        self.stored[key] = metadata
        return sum(len(chunk) for chunk in chunks)


@dataclass(frozen=True)
class Lasting:
    seconds: float


def seconds_of(file: dict[str, Any]) -> float:
    return timestamps.seconds_between(file["recording_start"], file["recording_end"])


@pytest.fixture
def no_bytes() -> Iterator[CountedStaging]:
    return CountedStaging()


@pytest.mark.parametrize("case", cases("download"))
def test_download(case: dict[str, Any], aws: Cloud, clock: Clock, no_bytes: CountedStaging) -> None:
    message = case["message"]
    if case["schedule"]:
        aws.schedule.put_item(Item=with_series_in_events(case["schedule"]))
    session = requests.Session()
    session.mount("https://", ZoomFiles(message["recording_files"]))
    tools = downloader_tools(
        aws,
        clock,
        session,
        staging=no_bytes,
        inspect=lambda _key, _read, size: Lasting(size / BYTES_A_SECOND),
    )
    aws.status.put_item(Item=row_of(message))
    assert downloader.take(received(aws, aws.download_queue, message), tools)

    (row,) = aws.rows().values()
    if matches_now(case) and row["pipeline_state"] == "SENT_TO_UPLOADER":
        return
    assert (row["pipeline_state"], row.get("reason", "")) == (case["final_state"], case["reason"])
    sent = aws.messages(aws.upload_queue)
    expected = [case["upload_message"]] if case["upload_message"] else []
    assert [one["body"] for one in sent] == expected
    assert [list(one["body"]["s3_files"]) for one in sent] == [
        list(one["s3_files"]) for one in expected
    ]
    assert all(one["group"] == message["uuid"] for one in sent)
    if expected:
        ids = {file["recording_id"] for file in message["recording_files"]}
        assert {one["file_id"] for one in no_bytes.stored.values()} == ids


def matches_now(case: dict[str, Any]) -> bool:
    """A recording that found no event in the first system, near enough for ours [fixed]."""
    start = timestamps.parse(case["message"]["start_time"])
    return case["reason"] == "No opencast series match" and may_match_now(
        start, ZoneInfo("US/Eastern"), 30
    )


def with_series_in_events(schedule: dict[str, Any]) -> dict[str, Any]:
    """The vectors' own README: ours carries course and series in each event."""
    events = [
        {
            **event,
            "opencast_series_id": schedule["opencast_series_id"],
            "course_code": schedule["course_code"],
        }
        for event in schedule["events"]
    ]
    return {**json.loads(json.dumps(schedule)), "events": events}


def row_of(message: dict[str, Any]) -> dict[str, Any]:
    """The row as the webhook left it."""
    return {
        "zip_id": message["zip_id"],
        "meeting_id": message["zoom_series_id"],
        "recording_id": message["uuid"],
        "pipeline_state": "SENT_TO_DOWNLOADER",
        "update_date": "2026-10-14",
        "update_time": 0,
    }
