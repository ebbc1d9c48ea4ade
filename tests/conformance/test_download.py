"""What the downloader of the first system made of random messages and schedules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
import urllib3

import downloader
from ingester.rules import timestamps
from ingester.transfer.access import AccessInUse
from ingester.transfer.engine import Budget, Engine
from ingester.transfer.ranges import Version
from tests.cloud import Clock, Cloud
from tests.conformance.vectors import cases, may_match_now
from tests.kits import downloader_tools, received
from tests.staging_bucket import StagingBucket, staging_bucket

BYTES_A_SECOND = 1000


@dataclass
class Body:
    """Zeros, from `first` to `last`."""

    version: Version
    first: int
    last: int
    name: str
    is_range: bool = True

    def read(self, length: int) -> bytes:
        taken = min(length, self.last + 1 - self.first)
        self.first += taken
        return bytes(taken)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class ZoomFile:
    """A file as Zoom's download hosts have it: as many bytes as it has seconds, times 1000."""

    file: dict[str, Any]

    def open(self, first: int, last: int) -> Body:
        extension = {"CHAT": "txt"}.get(self.file["file_type"].upper(), "MP4")
        size = int(seconds_of(self.file)) * BYTES_A_SECOND
        version = Version(size, self.file["recording_id"])
        return Body(version, first, min(last, size - 1), f"GMT.{extension}")


@dataclass(frozen=True)
class Lasting:
    seconds: float


def seconds_of(file: dict[str, Any]) -> float:
    return timestamps.seconds_between(file["recording_start"], file["recording_end"])


@pytest.fixture(scope="module")
def _bucket() -> Iterator[StagingBucket]:
    with staging_bucket() as running:
        yield running


@pytest.fixture
def bucket(_bucket: StagingBucket) -> StagingBucket:
    """Without the bytes: hours of lecture would not fit into memory."""
    _bucket.begin("hash")
    return _bucket


@pytest.mark.parametrize("case", cases("download"))
def test_download(case: dict[str, Any], aws: Cloud, clock: Clock, bucket: StagingBucket) -> None:
    message = case["message"]
    files = {file["download_url"]: file for file in message["recording_files"]}
    if case["schedule"]:
        aws.schedule.put_item(Item=with_series_in_events(case["schedule"]))

    def open_file(file_id: str, url: str, access: AccessInUse) -> ZoomFile:
        assert (files[url]["recording_id"], access.now.token) == (
            file_id,
            message["download_token"],
        )
        return ZoomFile(files[url])

    with urllib3.PoolManager() as http:
        tools = downloader_tools(
            aws,
            clock,
            requests.Session(),
            engine=Engine(bucket.written_through(http), Budget(connections=4)),
            open_file=open_file,
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
        assert {one.metadata["file_id"] for one in bucket.peer.objects()} == ids


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
