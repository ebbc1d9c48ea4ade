"""Recordings that an attacker makes up: webhook events, files and outcomes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from local.driver import OpencastIngest
from tests.attacks.evidence import QUEUES, staged_keys
from tests.attacks.probes import encoded, new_uuid, to_webhook
from tests.attacks.target import Target
from tests.e2e.deployed import limited_concurrency

MINUTES = 2
MAX_CONCURRENCY = 2
"""Largest number of concurrent downloaders. Cold starts of more downloaders take too long."""

ENDED = ("SENT_TO_OPENCAST", "IGNORED", "WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED")


def file(url: str, size: int, **changes: Any) -> dict[str, Any]:
    """Return Zoom's description of a video of `size` bytes.

    `changes` replaces fields. The value None removes a field.
    """
    described = {
        "id": str(uuid.uuid4()),
        "file_type": "MP4",
        "file_extension": "MP4",
        "file_size": size,
        "download_url": url,
        "status": "completed",
        "recording_type": "active_speaker",
        **changes,
    }
    return {name: value for name, value in described.items() if value is not None}


@dataclass(frozen=True)
class Hostile:
    """A recording of an attacker who knows Zoom's secret or controls Zoom's CDN.

    `about` changes fields of the recording in the webhook event.
    """

    name: str
    files: Sequence[Mapping[str, Any]]
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """A recording whose webhook event was accepted."""

    uuid: str
    meeting: int


def event_of(target: Target, hostile: Hostile, sent: Sent) -> dict[str, Any]:
    """Return the webhook event `recording.completed` of a recording."""
    start = target.stack.start
    times = {
        "recording_start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "recording_end": f"{start + timedelta(minutes=MINUTES):%Y-%m-%dT%H:%M:%SZ}",
    }
    about = {
        "uuid": sent.uuid,
        "id": sent.meeting,
        "host_id": "host",
        "topic": "HIST E-1010",
        "start_time": times["recording_start"],
        "duration": MINUTES,
        "recording_files": [{**times, **described} for described in hostile.files],
        **hostile.about,
    }
    return {
        "event": "recording.completed",
        "event_ts": int(time.time() * 1000),
        "download_token": "download-token",
        "payload": {"object": about},
    }


def send(target: Target, hostile: Hostile) -> Sent:
    """Add a scheduled class for a recording, send the webhook event, and return the recording.

    Assert that the webhook accepts the webhook event.
    """
    meeting = target.stack.new_meeting()
    target.stack.schedule_class(meeting)
    sent = Sent(str(hostile.about.get("uuid", new_uuid())), meeting)
    event = event_of(target, hostile, sent)
    answer = target.send(to_webhook(encoded(event), target.zoom_secret))
    assert answer.status == 200, answer
    return sent


@dataclass(frozen=True)
class Outcome:
    """The traces of a recording: its row, its files in S3, and its ingests in Opencast."""

    row: Mapping[str, Any]
    keys: Sequence[str]
    ingests: Sequence[OpencastIngest]

    @property
    def state(self) -> str:
        return str(self.row["pipeline_state"])

    @property
    def reason(self) -> str:
        return str(self.row.get("reason", ""))


def outcome_of(target: Target, sent: Sent) -> Outcome:
    """Wait until a recording's row has a state of `ENDED`, and return the recording's outcome."""

    def look() -> Mapping[str, Any] | None:
        row = target.row_of(sent.uuid)
        return row if row.get("pipeline_state") in ENDED else None

    row = target.stack.wait(look, f"The end of {sent}")
    source = f"ZIP-{sent.uuid}"
    return Outcome(
        row=row,
        keys=staged_keys(target.driver, f"{sent.meeting}/"),
        ingests=[made for made in target.driver.ingests() if source in made.values("source")],
    )


def outcomes(target: Target, recordings: Sequence[Hostile]) -> dict[str, Outcome]:
    """Send recordings, wait for their outcomes, purge the queues, and return the outcomes by name.

    Messages that stayed on the queues would be retried during other tests.
    """
    with limited_concurrency(target.driver, target.stack.downloader, MAX_CONCURRENCY):
        sent = {hostile.name: send(target, hostile) for hostile in recordings}
        found = {name: outcome_of(target, each) for name, each in sent.items()}
        forget_messages(target)
    return found


def forget_messages(target: Target) -> None:
    """Purge the queues, so that no message of a hostile recording is left."""
    for queue in QUEUES:
        target.driver.client("sqs").purge_queue(QueueUrl=target.driver.queue_url(queue))
