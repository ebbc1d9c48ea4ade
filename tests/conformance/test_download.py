"""Tests that the downloader processes random messages as the first system did.

The specification names the allowed differences.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import requests
import urllib3

import downloader
from ingester import timestamps
from ingester.recording.files import view_of
from ingester.runtime.queue_worker import Retry
from ingester.transfer.engine import Budget, Engine
from ingester.transfer.ranges import Version
from ingester.zoom.download_token import AccessInUse
from tests.cloud import Clock, Cloud
from tests.conformance.vectors import cases, load, may_match_now
from tests.function_harness import downloader_dependencies, received
from tests.staging_bucket import StagingBucket, staging_bucket

Case = dict[str, Any]
BYTES_A_SECOND = 1000
ONE_IN = 8
"""One in this many recorded cases with an upload message is the source of derived cases."""


@dataclass
class Body:
    """A download's response whose content is the zeros from byte `first` to byte `last`."""

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
    """A file on Zoom's download host, with BYTES_A_SECOND bytes for each second of video."""

    file: dict[str, Any]

    def open(self, first: int, last: int) -> Body:
        extension = {"CHAT": "txt"}.get(self.file["file_type"].upper(), "MP4")
        size = int(seconds_of(self.file)) * BYTES_A_SECOND
        version = Version(size, self.file["recording_id"])
        return Body(version, first, min(last, size - 1), f"GMT.{extension}")


@dataclass(frozen=True)
class Inspected:
    seconds: float


def seconds_of(file: dict[str, Any]) -> float:
    end, start = timestamps.parse(file["recording_end"]), timestamps.parse(file["recording_start"])
    return (end - start).total_seconds()


@pytest.fixture(scope="module")
def _bucket() -> Iterator[StagingBucket]:
    with staging_bucket() as running:
        yield running


@pytest.fixture
def bucket(_bucket: StagingBucket) -> StagingBucket:
    """Return an empty staging bucket that keeps only checksums of parts, to save memory."""
    _bucket.begin("hash")
    return _bucket


@pytest.mark.parametrize("case", cases("download"))
def test_a_download_does_what_the_first_system_did_except_for_specified_changes(
    case: Case, aws: Cloud, clock: Clock, bucket: StagingBucket
) -> None:
    check(case, aws, clock, bucket)


def derived_cases() -> list[Any]:
    """Return cases derived from recorded cases, with the outcome of the first system.

    A derived case has ids like Zoom's, which are valid in a key, or a video of an unknown type, or
    a view with captions beside the same view without captions.
    """
    sources = [case for case in load("download") if case["upload_message"]]
    return [
        pytest.param(derive(deepcopy(source)), id=f"{derive.__name__}-{number}")
        for derive in (with_real_ids, with_unknown_type, with_captions_beside)
        for number, source in enumerate(sources)
        if number % ONE_IN == 0
    ]


def with_real_ids(case: Case) -> Case:
    for number, file in enumerate(case["message"]["recording_files"]):
        file["recording_id"] = str(UUID(int=number))
    return case


def with_unknown_type(case: Case) -> Case:
    upload = case["upload_message"]
    known, *_ = [view for view in upload["s3_files"] if view != "chat_file"]
    for file in case["message"]["recording_files"]:
        if view_of(file["recording_type"]) == known:
            file["recording_type"] = "production_studio"
    unknown = "unrecognized_type_production_studio"
    for segment in upload["s3_files"][known]["segments"]:
        segment["filename"] = segment["filename"].replace(f"-{known}.", f"-{unknown}.")
    files = upload["s3_files"].items()
    upload["s3_files"] = {unknown if view == known else view: found for view, found in files}
    return case


def with_captions_beside(case: Case) -> Case:
    files, upload = case["message"]["recording_files"], case["upload_message"]
    first = next(file for file in files if file["file_type"].upper() == "MP4")
    other = {"recording_id": "captions", "download_url": "https://zoom.us/rec/download/captions"}
    files.append({**first, **other, "recording_type": f"{first['recording_type']}(CC)"})
    segments = upload["s3_files"][view_of(first["recording_type"])]["segments"]
    start = first["recording_start"]
    same = next(segment for segment in segments if segment["recording_start"] == start)
    segments.insert(segments.index(same) + 1, same)
    upload["total_file_bytes"] += same["ffprobe_bytes"]
    upload["total_file_seconds"] += same["ffprobe_seconds"]
    return case


@pytest.mark.parametrize("case", derived_cases())
def test_downloads_of_derived_cases_match_the_first_system_except_for_specified_changes(
    case: Case, aws: Cloud, clock: Clock, bucket: StagingBucket
) -> None:
    check(case, aws, clock, bucket)


def check(case: Case, aws: Cloud, clock: Clock, bucket: StagingBucket) -> None:
    """Process a case's message, and check the row, and any upload message with its staged files.

    These checks are left out if the pipeline found a scheduled class that the first system missed.
    """
    message = case["message"]
    files = {file["download_url"]: file for file in message["recording_files"]}
    if case["schedule"]:
        aws.schedule.put_item(Item=with_series_in_events(case["schedule"]))

    def open_file(
        file_id: str, url: str, access: AccessInUse, *, is_json: bool = False
    ) -> ZoomFile:
        assert not is_json
        assert (files[url]["recording_id"], access.now.token) == (
            file_id,
            message["download_token"],
        )
        return ZoomFile(files[url])

    with urllib3.PoolManager() as http:
        deps = downloader_dependencies(
            aws,
            clock,
            requests.Session(),
            engine=Engine(bucket.written_through(http), Budget(connections=4)),
            open_file=open_file,
            inspect=lambda _key, _read, size: Inspected(size / BYTES_A_SECOND),
        )
        aws.status.put_item(Item=row_of(message))
        taken = received(aws, aws.download_queue, message)
        outcome = downloader.worker_of(deps).process(taken)
        assert not isinstance(outcome, Retry)

    (row,) = aws.rows().values()
    if matches_now(case) and row["pipeline_state"] == "SENT_TO_UPLOADER":
        return
    assert (row["pipeline_state"], row.get("reason", "")) == (case["final_state"], case["reason"])
    sent = aws.messages(aws.upload_queue)
    if not case["upload_message"]:
        assert sent == []
        return
    [(body, group)] = [(found["body"], found["group"]) for found in sent]
    assert group == message["uuid"]
    assert body == with_ids(case["upload_message"], message["recording_files"])
    recorded = list(case["upload_message"]["s3_files"])
    assert [view for view in body["s3_files"] if view in recorded] == recorded
    staged = {stored.key: stored.metadata["file_id"] for stored in bucket.peer.objects()}
    segments = [segment for view in body["s3_files"].values() for segment in view["segments"]]
    assert staged == {segment["filename"]: segment["file_id"] for segment in segments}
    assert set(staged.values()) == {file["recording_id"] for file in message["recording_files"]}


def with_ids(recorded: dict[str, Any], files: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the recorded upload message with each file's id, also in the file's key.

    Section 7 of the specification, "changed since": a key contains the file's id. If Zoom has a
    view twice in one segment, with and without captions, the first system used one key for both
    files. The pipeline names the second view `<view>_2`.
    """
    views: dict[str, Any] = {}
    for view, found in recorded["s3_files"].items():
        counts: Counter[int] = Counter()
        for segment in found["segments"]:
            counts[segment["segment_num"]] += 1
            count = counts[segment["segment_num"]]
            same = [
                file["recording_id"]
                for file in files
                if file["recording_start"] == segment["recording_start"]
                and view_of(file["recording_type"]) == view
            ]
            file_id, name = same[count - 1], view if count == 1 else f"{view}_{count}"
            key = key_with_id(segment["filename"], view, name, file_id)
            made = views.setdefault(name, {"segments": []})
            made["segments"].append({**segment, "filename": key, "file_id": file_id})
    for made in views.values():
        for total in ("bytes", "seconds"):
            made[f"view_{total}"] = sum(part[f"ffprobe_{total}"] for part in made["segments"])
    return {**recorded, "s3_files": views}


def key_with_id(key: str, view: str, name: str, file_id: str) -> str:
    """Return `<…>-<name>-<id>.<extension>` for the key `<…>-<view>.<extension>`.

    `<id>` is a hash of the file's id if the id isn't safe in a key.
    """
    is_safe = re.fullmatch(r"[A-Za-z0-9-]{1,64}", file_id)
    digest = hashlib.sha256(file_id.encode()).hexdigest()[:32]
    begin, _, extension = key.rpartition(".")
    assert begin.endswith(f"-{view.replace('/', '_')}")
    stem = begin.removesuffix(view.replace("/", "_")) + name.replace("/", "_")
    return f"{stem}-{file_id if is_safe else f'sha256-{digest}'}.{extension}"


def matches_now(case: Case) -> bool:
    """Return whether the pipeline may find a scheduled class where the first system found none."""
    start = timestamps.parse(case["message"]["start_time"])
    return case["reason"] == "No opencast series match" and may_match_now(
        start, ZoneInfo("US/Eastern"), 30
    )


def with_series_in_events(schedule: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded schedule with the course and series copied into each scheduled class.

    The first system kept the course and series once for each meeting.
    """
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
    """Return a row for a download message, in the state that the webhook sets."""
    return {
        "zip_id": message["zip_id"],
        "meeting_id": message["zoom_series_id"],
        "recording_id": message["uuid"],
        "pipeline_state": "SENT_TO_DOWNLOADER",
        "update_date": "2026-10-14",
        "update_time": 0,
    }
