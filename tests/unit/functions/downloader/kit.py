"""A downloader over a Zoom on real HTTPS and an AWS in this process."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

import downloader
from ingester.settings import ZoomSecrets
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_recordings import Recording, RecordingFile
from tests.cloud import BUCKET, Clock, Cloud
from tests.kits import Sleeper, downloader_tools, received

MEETING = 95846636714
ZIP_ID = "auto-ingest-0001"
START = datetime(2026, 10, 14, 14, 0, 12, tzinfo=UTC)
"""A Wednesday, 10:00 in the morning on the East coast."""
FOLDER = f"{MEETING}/{int(START.timestamp())}"
SERIES = "20260112345"


@dataclass
class Kit:
    """A downloader, what it is sent and what it has done."""

    aws: Cloud
    clock: Clock
    zoom: ZoomStandIn
    session: requests.Session
    settings: dict[str, Any] = field(default_factory=dict)
    sleep: Sleeper = field(default_factory=Sleeper)

    def tools(self) -> downloader.Tools:
        settings = {
            "zoom_api_base_url": self.zoom.api_base_url,
            "zoom_oauth_url": self.zoom.oauth_url,
            "zoom_account_id": self.zoom.app.account_id,
            "zoom_client_id": self.zoom.app.client_id,
            "zoom_download_hosts": "127.0.0.1",
            "default_series_id": "99999999999",
            **self.settings,
        }
        return downloader_tools(
            self.aws,
            self.clock,
            self.session,
            sleep=self.sleep,
            zoom_secrets=ZoomSecrets(zoom_client_secret=self.zoom.app.client_secret),
            **settings,
        )

    def message(self, recording: Recording, **changes: Any) -> dict[str, Any]:
        """What the webhook makes of the recording's completion."""
        event = self.zoom.event("recording.completed", recording.uuid)
        about = event["payload"]["object"]
        files = [
            {
                "recording_id": one["id"],
                "file_size": one["file_size"],
                **{
                    name: one[name]
                    for name in (
                        "recording_start",
                        "recording_end",
                        "download_url",
                        "file_type",
                        "file_extension",
                        "recording_type",
                    )
                },
                **({"status": "processing"} if one["status"] != "completed" else {}),
            }
            for one in about["recording_files"]
            if one["file_type"] in ("MP4", "CHAT")
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
            "received_time": "2026-10-14T18:30:00Z",
            "download_token": event["download_token"],
            "allow_multiple_ingests": False,
            "ingest_all_mp4": False,
            **changes,
        }

    def take(self, message: Any, *, receive_count: int = 1) -> bool:
        """Sends a message and handles it as the event source would."""
        taken = received(self.aws, self.aws.download_queue, message, receive_count=receive_count)
        self.aws.sends.clear()
        return downloader.take(taken, self.tools())

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
        listed = self.aws.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {
            one["Key"]: self.aws.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            for one in listed
        }

    def downloads(self) -> int:
        """How often a download address was asked."""
        return sum(one.path.startswith("/rec/download/") for one in self.zoom.requests)


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
    """The recording with the files of some types alone, of its first segment."""
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
