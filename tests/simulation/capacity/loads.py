"""Loads: bursts of recordings of 2 GB that end at the same time."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from random import Random

from tests.simulation.truth import (
    VIDEO,
    FileTruth,
    Happening,
    RecordingTruth,
    Scenario,
    Site,
    WebhookEvent,
)

RECORDING_BYTES = 2_000_000_000
LECTURE, GAP = 3000.0, 120.0
"""Seconds of a lecture, and of the break between the lecture's segments."""

PROCESSED = 1500.0
"""Seconds from the lectures' end until Zoom's first webhook event `recording.completed`."""

WITHIN = 300.0
"""Seconds within which all webhook events `recording.completed` come."""

EARLY = 1200.0
"""Seconds from the first early webhook event until Zoom has processed all files."""

VIEWS = ("active_speaker", "shared_screen")
SERIES = "20260112345"

ENGINE_RATE = 71e6
"""Bytes a second of an invocation, which a recording's files share. docs/performance.md has about
this rate for "engine, four files of 256 MB at once", on a link of 75 MB/s."""


@dataclass(frozen=True)
class OpencastSite:
    """The bytes a second that an Opencast fetches for one ingest, and for all ingests together."""

    name: str
    an_ingest: float
    together: float


MODEST = OpencastSite("modest", 25e6, 500e6)
FAST = OpencastSite("fast", 100e6, 2500e6)


@dataclass(frozen=True)
class Load:
    """A burst of recordings, the pipeline's settings, and the limits of Zoom and Opencast."""

    recordings: int
    downloads: int = 20
    uploads: int = 5
    opencast: OpencastSite = MODEST
    is_early: bool = False
    """Whether `recording.completed` comes 15 to 20 minutes before Zoom has processed the files."""
    is_followed: bool = False
    """The setting FOLLOW_INGESTS."""
    delay: int = 0
    """The setting WEBHOOK_DELAY_SECONDS."""
    zoom_limit: float = math.inf
    """Requests a second beyond which Zoom's API answers 429."""

    @property
    def total_bytes(self) -> int:
        return self.recordings * RECORDING_BYTES


def notified_at(load: Load, number: int) -> float:
    """Return the time of a recording's `recording.completed`, in seconds of the world."""
    return LECTURE + PROCESSED + WITHIN * number / load.recordings


def scenario_of(load: Load, seed: int = 1) -> Scenario:
    """Make the scenario of a load."""
    done = LECTURE + PROCESSED + (EARLY if load.is_early else -60.0)
    recordings = [_recording(number, seed, done) for number in range(load.recordings)]
    happenings: list[Happening] = []
    for number, recording in enumerate(recordings):
        happenings += _notified(
            recording, notified_at(load, number), Random(f"{seed}/told/{number}")
        )
    happenings.sort(key=lambda happening: (happening.at, happening.key))
    site = Site(
        default_series=SERIES,
        series=(SERIES,),
        opencast_rate=load.opencast.an_ingest,
        opencast_link=load.opencast.together,
        zoom_rate=ENGINE_RATE,
        reconcile=False,
        zoom_limit=load.zoom_limit,
        webhook_delay=load.delay,
        downloads_at_once=load.downloads,
        uploads_at_once=load.uploads,
        follows=load.is_followed,
    )
    return Scenario(seed, tuple(recordings), tuple(happenings), site, days=7.0)


def _recording(number: int, seed: int, done: float) -> RecordingTruth:
    """Make a recording with two views. Every second recording has two segments."""
    segments = 1 + number % 2
    length = math.floor((LECTURE - GAP * (segments - 1)) / segments)
    files = [
        FileTruth(
            id=f"f{number}-{segment}-{view}",
            type=VIDEO,
            recording_type=view,
            begins=segment * (length + GAP),
            ends=segment * (length + GAP) + length,
            size=RECORDING_BYTES // (segments * len(VIEWS)),
            finished=done,
            fetchable=done,
            listed=done,
        )
        for segment in range(segments)
        for view in VIEWS
    ]
    uuid = base64.b64encode(Random(f"{seed}/uuid/{number}").randbytes(16)).decode()
    return RecordingTruth(
        uuid=uuid,
        meeting_id=91000000000 + number,
        host_id=f"host-{number}",
        topic=f"Lecture {number}",
        begins=0.0,
        minutes=int(LECTURE / 60),
        files=tuple(files),
    )


def _notified(recording: RecordingTruth, completed: float, chance: Random) -> list[Happening]:
    uuid = recording.uuid
    found: list[Happening] = []
    for begins, ends in sorted({(file.begins, file.ends) for file in recording.files}):
        found.append(WebhookEvent(begins + chance.uniform(1, 60), uuid, "recording.started"))
        found.append(WebhookEvent(ends + chance.uniform(1, 60), uuid, "recording.stopped"))
    found.append(WebhookEvent(LECTURE + chance.uniform(61, 120), uuid, "meeting.ended"))
    files = tuple(file.id for file in recording.files)
    return [*found, WebhookEvent(completed, uuid, "recording.completed", files)]
