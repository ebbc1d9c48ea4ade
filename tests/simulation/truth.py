"""The data of a world before it runs: recordings, happenings and the site.

All data is frozen, so that the runner can shrink a failing world by leaving data out. Times are
seconds since the world's beginning.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache

from tests.simulation.faults import Fault
from tests.simulation.world import BEGIN, DAY

VIDEO, CHAT, TRANSCRIPT, CHAPTERS = "MP4", "CHAT", "TRANSCRIPT", "SUMMARY"
SUMMARIES = {"summary": "summary/source", "summary_next_steps": "next-steps/source"}
"""The flavors of summaries in Opencast, by Zoom's `recording_type` of the file."""

VIEWS = (
    "active_speaker",
    "shared_screen",
    "gallery_view",
    "shared_screen_with_speaker_view",
    "shared_screen_with_gallery_view",
)
"""The views that the pipeline knows."""

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@lru_cache(4096)
def wire(time: float) -> str:
    """Format a time in seconds of the world as Zoom does."""
    return (BEGIN + timedelta(seconds=int(time))).strftime(FORMAT)


@dataclass(frozen=True)
class FileTruth:
    """A file of a recording.

    Times are in seconds of the world. `begins` and `ends` are the segment's times. Zoom has
    processed the file at `finished`, serves the file from `fetchable` on and lists it in the API
    from `listed` on.
    """

    id: str
    type: str
    recording_type: str
    begins: float
    ends: float
    size: int
    finished: float
    fetchable: float
    listed: float

    @property
    def seconds(self) -> float:
        return self.ends - self.begins

    @property
    def is_chapters(self) -> bool:
        return self.type == CHAPTERS and not self.is_summary

    @property
    def is_summary(self) -> bool:
        return self.recording_type in SUMMARIES


@dataclass(frozen=True)
class RecordingTruth:
    """A recording with its files. `minutes` is the duration that Zoom reports."""

    uuid: str
    meeting_id: int
    host_id: str
    topic: str
    begins: float
    minutes: int
    files: tuple[FileTruth, ...]

    def content_of(self, file: FileTruth) -> str:
        """Return the token that stands for the file's bytes. A summary's token is JSON."""
        token = f"{self.uuid}|{file.id}"
        return json.dumps([token]) if file.is_summary else token

    def file(self, file_id: str) -> FileTruth:
        return next(file for file in self.files if file.id == file_id)


@dataclass(frozen=True)
class Happening:
    """Something that happens outside of the pipeline at the time `at`, with the name `key`."""

    at: float
    uuid: str

    @property
    def key(self) -> str:
        return f"{type(self).__name__} {self.uuid} {self.at:.1f}"


@dataclass(frozen=True)
class WebhookEvent(Happening):
    """A webhook event of Zoom's, named `event`.

    `files` are the ids of the files in the webhook event's body. `lacks` are the fields that the
    body or object lacks. `uuids` are the recordings of a batch.
    """

    event: str
    files: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    uuids: tuple[str, ...] = ()
    is_repeated: bool = False
    """Whether Zoom sends the webhook event once more after an accepted attempt."""

    @property
    def key(self) -> str:
        return f"{self.event} {self.uuid} {self.at:.1f}"


@dataclass(frozen=True)
class PlusZoom(Happening):
    """A person's request by "+Zoom", with up to `again` retries."""

    series: str = ""
    allow_multiple: bool = False
    all_mp4: bool = False
    again: int = 2


@dataclass(frozen=True)
class Forced(Happening):
    """An operator's `exec.pipeline`: a new request for the recording's automated ingest."""

    series: str = ""


@dataclass(frozen=True)
class Trash(Happening):
    """A move of the recording to Zoom's trash, and its recovery after `recovered` seconds.

    `recovered` is 0 if nobody recovers the recording. With `batch`, Zoom sends the webhook events
    for a batch of recordings.
    """

    recovered: float = 0.0
    batch: bool = False


@dataclass(frozen=True)
class DeletedInOpencast(Happening):
    """A person's deletion of the recording's events in Opencast."""


@dataclass(frozen=True)
class Rotation(Happening):
    """A rotation of Zoom's secret. Zoom signs with the new secret from then on."""


@dataclass(frozen=True)
class Forgery(Happening):
    """A request with a wrong signature to the webhook."""


@dataclass(frozen=True)
class ScheduledClass:
    """A scheduled class, whose day and time are the local start of a recording."""

    meeting_id: int
    day: str
    time: str
    series: str


@dataclass(frozen=True)
class Site:
    """Properties of Zoom and Opencast, and the stack's settings."""

    default_series: str = ""
    schedule: tuple[ScheduledClass, ...] = ()
    series: tuple[str, ...] = ()
    """The ids of Opencast's series."""
    opencast_rate: float = 50e6
    """Bytes a second that Opencast fetches for one ingest."""
    opencast_link: float = math.inf
    """Bytes a second that Opencast fetches for all ingests together."""
    workflow_seconds: float = 1800.0
    workflow_ends: tuple[str, ...] = ("SUCCEEDED",)
    """The ends of Opencast's workflows in the order of the ingests, repeated from the beginning.

    A workflow that is UNPUBLISHED succeeds and publishes nothing."""
    follows: bool = False
    """The setting FOLLOW_INGESTS."""
    index_lag: float = 5.0
    zoom_rate: float = 60e6
    cdn: str = "ignores"
    """The treatment of the Authorization header by Zoom's CDN: `ignores`, `wants` or `refuses`."""
    gone_is_page: bool = True
    """Whether Zoom's download host answers 200 with an HTML page for a missing file, not 404."""
    etags_differ: bool = False
    """Whether each of Zoom's servers gives a file its own ETag."""
    reconcile: bool = True
    zoom_limit: float = math.inf
    """Requests a second beyond which Zoom's API answers 429."""
    webhook_delay: int = 0
    """The setting WEBHOOK_DELAY_SECONDS."""
    downloads_at_once: int = 20
    """The setting DOWNLOADS_AT_ONCE."""
    uploads_at_once: int = 5
    """The setting OC_TRACK_UPLOAD_MAX."""
    captions: bool = False
    """The setting INGEST_CAPTIONS."""
    chapters: bool = False
    """The setting INGEST_CHAPTERS."""
    attachments: bool = True
    """Whether Opencast takes attachments, as DCE's Opencast does, and OC_CHAT_AS allows them."""
    opencast_version: str = "17.3.0"


@dataclass(frozen=True)
class Scenario:
    """The complete data from which a world is made."""

    seed: int
    recordings: tuple[RecordingTruth, ...]
    happenings: tuple[Happening, ...]
    site: Site = field(default_factory=Site)
    faults: tuple[Fault, ...] = ()
    days: float = 10.0

    @property
    def until(self) -> float:
        return self.days * DAY

    def without_fault(self, index: int) -> Scenario:
        return replace(self, faults=self.faults[:index] + self.faults[index + 1 :])

    def without_happening(self, index: int) -> Scenario:
        return replace(self, happenings=self.happenings[:index] + self.happenings[index + 1 :])

    def without_recording(self, index: int) -> Scenario:
        gone = self.recordings[index].uuid
        return replace(
            self,
            recordings=self.recordings[:index] + self.recordings[index + 1 :],
            happenings=tuple(happening for happening in self.happenings if happening.uuid != gone),
        )
