"""A downloader with a Zoom stand-in over HTTPS and an in-process AWS."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import requests
import urllib3

import downloader
from ingester.ledger.record import (
    IngestRecord,
    Outcome,
    Post,
    Record,
    with_answer,
    with_claim,
    with_files,
    with_notice,
    with_request,
    with_sent,
)
from ingester.ledger.table import Ledger
from ingester.pipeline.queue import Received
from ingester.runtime.queue_worker import Retry, SourceQueue
from ingester.settings import ZoomSecrets
from ingester.status.row import RequestOptions
from ingester.transfer.engine import Budget, Engine
from ingester.zoom.download import ZoomBody, ZoomFile
from ingester.zoom.download_token import AccessInUse
from ingester.zoom.download_urls import DownloadHosts
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_recordings import Recording, RecordingFile
from tests.cloud import BUCKET, Clock, Cloud
from tests.function_harness import downloader_dependencies, received
from tests.staging_bucket import StagingBucket
from tests.waits import Sleeper

MEETING = 95846636714
ZIP_ID = "auto-ingest-0001"
START = datetime(2026, 10, 14, 14, 0, 12, tzinfo=UTC)
"""A Wednesday at 10:00:12 in the time zone of the schedule."""
FOLDER = f"{MEETING}/{int(START.timestamp())}"
SERIES = "20260112345"
MB = 1_000_000
LONG = 60 * MB
LONGISH = 16 * MB
"""Size of four parts, in bytes."""


@dataclass
class Harness:
    """A downloader and its neighbours.

    `before_bytes` is called before each request of a range, with the file's id and the position of
    the range's first byte.
    `run_clock` is the clock of the copies, in seconds.
    """

    aws: Cloud
    clock: Clock
    zoom: ZoomStandIn
    session: requests.Session
    bucket: StagingBucket
    http: urllib3.PoolManager
    settings: dict[str, Any] = field(default_factory=dict)
    sleep: Sleeper = field(default_factory=Sleeper)
    before_bytes: Callable[[str, int], None] = lambda _id, _first: None
    run_clock: Callable[[], float] = time.monotonic
    connections: int = 4
    bucket_name: str = BUCKET

    def deps(self) -> downloader.Dependencies:
        settings = {
            "zoom_api_base_url": self.zoom.api_base_url,
            "zoom_oauth_url": self.zoom.oauth_url,
            "zoom_account_id": self.zoom.app.account_id,
            "zoom_client_id": self.zoom.app.client_id,
            "default_series_id": "99999999999",
            **self.settings,
        }
        return downloader_dependencies(
            self.aws,
            self.clock,
            self.session,
            engine=Engine(
                self.bucket.written_through(self.http, self.bucket_name),
                Budget(connections=self.connections),
                clock=self.run_clock,
                wait=self.sleep.wait,
            ),
            open_file=partial(_Watched, before=self.before_bytes, http=self.http),
            zoom_secrets=ZoomSecrets(zoom_client_secret=self.zoom.app.client_secret),
            **settings,
        )

    def message(self, recording: Recording, **changes: Any) -> dict[str, Any]:
        """Return the webhook's message about a completed recording."""
        event = self.zoom.event("recording.completed", recording.uuid)
        about = event["payload"]["object"]
        files = [
            {
                "recording_id": file["id"],
                "file_size": file["file_size"],
                **{
                    name: file[name]
                    for name in (
                        "recording_start",
                        "recording_end",
                        "download_url",
                        "file_type",
                        "file_extension",
                        "recording_type",
                    )
                },
                **({"status": "processing"} if file["status"] != "completed" else {}),
            }
            for file in about["recording_files"]
            if file["file_type"] in ("MP4", "CHAT")
        ]
        return {
            "uuid": about["uuid"],
            "zoom_series_id": about["id"],
            "topic": about["topic"],
            "start_time": about["start_time"],
            "duration": about["duration"],
            "host_id": about["host_id"],
            "recording_files": files,
            "on_demand_ingest": False,
            "zip_id": ZIP_ID,
            "received_time": "2026-10-14T16:30:00Z",
            "download_token": event["download_token"],
            "allow_multiple_ingests": False,
            "ingest_all_mp4": False,
            **changes,
        }

    def take(self, message: Any, *, receive_count: int = 1) -> bool:
        """Send a message, process it, and return whether the message needs no retry.

        `aws.sends` then holds only the messages that the processing sent.
        """
        taken = received(self.aws, self.aws.download_queue, message, receive_count=receive_count)
        self.aws.sends.clear()
        return self.process(taken, self.deps())

    def process(
        self, received: Received, deps: downloader.Dependencies, context: object = None
    ) -> bool:
        """Process a message, and return whether the message needs no retry."""
        outcome = downloader.worker_of(deps, context).process(received)
        return not isinstance(outcome, Retry)

    def run(self, event: dict[str, Any], context: object = None) -> dict[str, Any]:
        """Run one invocation, and return its answer to Lambda."""
        return downloader.run(
            event, lambda: downloader.worker_of(self.deps(), context), self.source
        )

    def source(self) -> SourceQueue:
        """Return the download queue with its dead-letter queue and its limit of receives."""
        deps = self.deps()
        limit = deps.settings.download_receive_limit
        return SourceQueue(deps.downloads, deps.dead_letters, limit)

    def ledger(self) -> Ledger:
        return Ledger(self.aws.recordings, self.clock)

    def record(self, recording: Recording) -> Record:
        """Return the ledger's record of a recording."""
        return self.ledger().get(recording.uuid)

    def name(self, recording: Recording, *files: RecordingFile) -> None:
        """Note in the ledger, as the webhook does, that a webhook event named `files`."""
        names = {file.file_id: f"{file.recording_type} of {file.recording_start}" for file in files}
        change = partial(with_files, names=names, now=self.clock())
        self.ledger().change(recording.uuid, change)

    def accept(self, recording: Recording, *files: RecordingFile, zip_id: str = ZIP_ID) -> None:
        """Note in the ledger, as the webhook does, a request whose message names `files`."""
        self.request(recording, *files, zip_id=zip_id)
        sent = [file.file_id for file in files]
        self.ledger().change(recording.uuid, partial(with_sent, zip_id=zip_id, files=sent))

    def request(self, recording: Recording, *files: RecordingFile, zip_id: str = ZIP_ID) -> None:
        """Note a request and its files in the ledger, but not that a message is on the queue."""
        self.name(recording, *files)
        asked, now = RequestOptions(), self.clock()
        change = self.ledger().change
        change(recording.uuid, partial(with_request, zip_id=zip_id, asked=asked, now=now))

    def notice(self, recording: Recording, notice: str) -> None:
        """Note in the ledger, as the webhook does, that a recording was removed."""
        self.ledger().change(recording.uuid, partial(with_notice, notice=notice))

    def ingest(self, recording: Recording, *files: RecordingFile) -> None:
        """Note in the ledger, as the uploader does, an ingest of `files`."""
        post = Post(attempt="a", at="2026-10-14T18:00:00Z")
        names = {file.file_id: file.recording_type for file in files}
        ingest = IngestRecord(zip_id=ZIP_ID, series=SERIES, files=names, posts=(post,))
        change = self.ledger().change
        change(recording.uuid, lambda record: with_claim(record, "mp", ingest))
        change(recording.uuid, lambda record: with_answer(record, "mp", "a", Outcome.TAKEN))

    @property
    def row(self) -> dict[str, Any]:
        return self.aws.rows()[ZIP_ID]

    @property
    def outcome(self) -> tuple[str, str]:
        return self.row["pipeline_state"], self.row.get("reason", "")

    def uploads(self) -> list[dict[str, Any]]:
        return self.aws.messages(self.aws.upload_queue)

    def dead(self) -> list[dict[str, Any]]:
        return self.aws.messages(self.aws.download_dlq)

    def objects(self) -> dict[str, bytes]:
        peer = self.bucket.peer
        return {stored.key: peer.body(stored.key) for stored in peer.objects()}

    def downloads(self) -> int:
        """Return the number of requests that the download URLs got."""
        return sum(request.path.startswith("/rec/download/") for request in self.zoom.requests)

    def asked_of_api(self) -> int:
        """Return the number of requests to Zoom's API for a list of a recording's files."""
        return sum(request.path.startswith("/v2/meetings/") for request in self.zoom.requests)

    def fetched(self) -> int:
        """Return the number of bytes in the ranges that the CDN served."""
        ranges = [
            request.header("Range") or "" for request in self.zoom.requests if request.status == 206
        ]
        bounds = [text.removeprefix("bytes=").split("-") for text in ranges]
        return sum(int(last) - int(first) + 1 for first, last in bounds)


class _Watched:
    """A file at Zoom. `before` is called before each request of a range of the file's bytes."""

    def __init__(
        self,
        file_id: str,
        url: str,
        access: AccessInUse,
        *,
        before: Callable[[str, int], None],
        http: urllib3.PoolManager,
        is_json: bool = False,
    ) -> None:
        self._file_id = file_id
        self._before = before
        hosts = DownloadHosts(("127.0.0.1",))
        self._file = ZoomFile(file_id, url, access, http=http, hosts=hosts, is_json=is_json)

    def open(self, first: int, last: int) -> ZoomBody:
        self._before(self._file_id, first)
        return self._file.open(first, last)


def row_in(state: str, **more: Any) -> dict[str, Any]:
    return {
        "zip_id": ZIP_ID,
        "meeting_id": MEETING,
        "pipeline_state": state,
        "update_date": "2026-10-14",
        "update_time": 0,
        **more,
    }


def only(recording: Recording, *types: str) -> Recording:
    """Return the recording with only the files of its first segment that have one of `types`."""
    files = tuple(
        file
        for file in recording.files
        if file.recording_type in types and file.recording_start == recording.start_time
    )
    return dataclasses.replace(recording, files=files)


def with_file(recording: Recording, index: int, **changes: Any) -> Recording:
    files = list(recording.files)
    files[index] = dataclasses.replace(files[index], **changes)
    return dataclasses.replace(recording, files=tuple(files))


def staged(recording: Recording, *, view: str, segment: int) -> RecordingFile:
    starts = sorted({file.recording_start for file in recording.files})
    return next(
        file
        for file in recording.files
        if file.recording_type == view and file.recording_start == starts[segment]
    )


def key_of(file: RecordingFile, *, segment: int, view: str, extension: str = "mp4") -> str:
    """Return the staging key of a file. Zoom's ids are UUIDs, which a key contains unchanged."""
    return f"{FOLDER}/{segment:03d}-{view}-{file.file_id}.{extension}"


def contents(recording: Recording) -> set[bytes]:
    return {file.path.read_bytes() for file in recording.files if file.path}
