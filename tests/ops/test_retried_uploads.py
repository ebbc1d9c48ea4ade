"""Tests of the uploader's decisions about retried uploads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import requests

import uploader
from ingester.ledger import record as rules
from ingester.ledger.record import Record
from ingester.opencast.client import Series
from ingester.opencast.mediapackage import media_package_id
from ingester.pipeline.states import State
from ingester.recording.files import automated_zip_id
from ingester.runtime.queue_worker import Retry
from ingester.status.row import RequestOptions
from ingester.status.table import StatusChange
from ops.queues.redrive import RETRIED, Selection
from tests.cloud import BUCKET
from tests.function_harness import uploader_dependencies
from tests.hooks import failing
from tests.ops.queue_harness import SERIES, Queues, subject_of

UUID = "4Mhc+abc/def=="
ZIP_ID = automated_zip_id(UUID)
ALL = Selection(most=None, unreadable=True)


@dataclass
class Opencast:
    """A fake Opencast without the series until `is_mended`. `posts` has the files of each POST."""

    is_mended: bool = False
    posts: list[list[str]] = field(default_factory=list)

    def series(self, _series_id: str) -> Series | None:
        return Series(catalog="", publisher="") if self.is_mended else None

    def has_event(self, media_package: str) -> bool:
        return bool(self.posts) and media_package == media_package_id(UUID)

    def ingest(self, _workflow: str, parts: Sequence[Any], *, read_seconds: float) -> str:
        assert read_seconds
        addresses = [value for name, value in parts if name == "mediaUri"]
        self.posts.append(
            sorted(address.partition("?")[0].rpartition("/")[2] for address in addresses)
        )
        return "1"


def message(queues: Queues, *files: str) -> str:
    """Stage files, and return the upload message that names these files."""
    for file_id in files:
        queues.aws.s3.put_object(Bucket=BUCKET, Key=f"1/2/{file_id}.mp4", Body=b"x" * 10)
    segments = [
        {
            "filename": f"1/2/{file_id}.mp4",
            "segment_num": number,
            "recording_start": f"2026-10-14T{14 + number}:00:12Z",
            "recording_end": f"2026-10-14T{14 + number}:50:12Z",
            "ffprobe_bytes": 10,
            "ffprobe_seconds": 3000,
            "file_id": file_id,
        }
        for number, file_id in enumerate(files)
    ]
    view = {"segments": segments, "view_bytes": 10, "view_seconds": 3000}
    return json.dumps(
        {
            "uuid": UUID,
            "zoom_series_id": 95846636714,
            "opencast_series_id": "20260112345",
            "oc_title": "Lecture",
            "topic": "HIST E-10",
            "created": "2026-10-14T14:00:12Z",
            "created_local": "2026-10-14T10:00:12Z",
            "webhook_received_time": "2026-10-14T18:30:00Z",
            "zip_id": ZIP_ID,
            "s3_files": {"active_speaker": view},
        }
    )


@dataclass
class Retrying:
    """The upload queue with an uploader."""

    queues: Queues
    deps: uploader.Dependencies
    opencast: Opencast

    def accept(self, *files: str) -> None:
        """Write a request, or more files of it, to ledger and status table, as the functions do."""
        queues, now = self.queues, self.queues.clock()

        def accepted(record: Record) -> Record:
            record = rules.with_files(record, dict.fromkeys(files, "a file"), now)
            if not record.request(ZIP_ID).is_sent:
                record = rules.with_request(record, ZIP_ID, RequestOptions(), now)
            return rules.with_sent(record, ZIP_ID, files)

        queues.ledger.change(UUID, accepted)
        replaced = frozenset(State) - {State.SENT_TO_OPENCAST}
        change = StatusChange(State.SENT_TO_UPLOADER, subject=subject_of(UUID), replacing=replaced)
        queues.status.write(ZIP_ID, change)

    def upload(self, *files: str) -> None:
        """Write a request, send its message, and let the uploader process the waiting messages."""
        self.accept(*files)
        self.deps.uploads.send_in_order(message(self.queues, *files), group=UUID)
        self.work()

    def work(self) -> None:
        """Let the uploader process the waiting messages."""
        while taken := self.deps.uploads.receive_one():
            outcome = uploader.worker_of(self.deps, read_seconds=5).process(taken)
            assert not isinstance(outcome, Retry)
            self.deps.uploads.delete(taken)

    @property
    def row(self) -> tuple[str, str]:
        row = self.queues.aws.rows()[ZIP_ID]
        return row["pipeline_state"], row.get("reason", "")


@pytest.fixture
def retrying(uploads: Queues) -> Retrying:
    opencast = Opencast()
    deps = uploader_dependencies(uploads.aws, uploads.clock, requests.Session())
    return Retrying(uploads, replace(deps, opencast=opencast), opencast)  # type: ignore[arg-type]


def test_a_retried_upload_is_ingested_when_the_cause_of_its_failure_is_fixed(
    retrying: Retrying,
) -> None:
    retrying.upload("f0")
    assert retrying.row == ("UPLOADER_FAILED", SERIES)
    retrying.opencast.is_mended = True
    retrying.queues.run(ALL)
    assert retrying.row == ("SENT_TO_UPLOADER", RETRIED)
    retrying.work()
    assert retrying.opencast.posts == [["f0.mp4"]]
    assert retrying.row == ("SENT_TO_OPENCAST", "")


def test_a_retried_upload_is_not_posted_again_when_its_ingest_exists(retrying: Retrying) -> None:
    retrying.opencast.is_mended = True
    retrying.upload("f0")
    retrying.queues.add_to_dlq(message(retrying.queues, "f0"), group=UUID)
    retrying.queues.run(ALL)
    retrying.work()
    assert len(retrying.opencast.posts) == 1
    assert retrying.row == ("SENT_TO_OPENCAST", "")


@pytest.mark.parametrize("limit", [1, None])
def test_a_retried_upload_includes_the_files_of_a_later_message(
    retrying: Retrying, limit: int | None
) -> None:
    for files in (("f0",), ("f0", "f1")):
        retrying.upload(*files)
    retrying.opencast.is_mended = True
    retrying.queues.run(Selection(most=limit))
    retrying.work()
    assert retrying.opencast.posts == [["f0.mp4", "f1.mp4"]]
    retrying.queues.run(ALL)
    retrying.work()
    assert len(retrying.opencast.posts) == 1
    assert retrying.row == ("SENT_TO_OPENCAST", "")


def test_a_superseded_upload_leaves_the_row_unchanged(retrying: Retrying) -> None:
    retrying.upload("f0")
    retrying.accept("f0", "f1")
    retrying.queues.status.write(ZIP_ID, StatusChange(State.IGNORED, "Recording <2 minutes"))
    retrying.opencast.is_mended = True
    (moved,), _ = retrying.queues.run(ALL)
    assert moved.reason == SERIES
    assert retrying.row == ("IGNORED", "Recording <2 minutes")
    retrying.work()
    assert retrying.opencast.posts == []
    assert retrying.row == ("IGNORED", "Recording <2 minutes")


def test_an_upload_message_is_redriven_when_the_ledger_cannot_be_read(retrying: Retrying) -> None:
    retrying.upload("f0")
    aws = retrying.queues.aws
    refused = failing(
        aws.recordings.meta.client,
        "dynamodb.GetItem",
        "AccessDenied",
        when=lambda params: params["TableName"] == aws.recordings.name,
    )
    with refused:
        retrying.queues.run(ALL)
    assert retrying.row == ("SENT_TO_UPLOADER", RETRIED)
    broken = {"uuid": UUID, "version": 1, "requests": "nonsense"}
    retrying.queues.add_to_dlq(message(retrying.queues, "f0"), reason="again", group=UUID)
    aws.recordings.put_item(Item=broken)
    moved, _ = retrying.queues.run(ALL)
    assert [redriven.reason for redriven in moved] == ["again"]
