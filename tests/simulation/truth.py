"""What a world is made of before it runs: recordings, what happens to them, and how sites differ.

All of it is frozen data, so that a failing world can be shrunk by leaving things out. Times are in
seconds from the world's beginning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from tests.simulation.faults import Fault
from tests.simulation.world import BEGIN, DAY

VIDEO, CHAT, TRANSCRIPT = "MP4", "CHAT", "TRANSCRIPT"
FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@lru_cache(4096)
def wire(time: float) -> str:
    """A moment of the world as Zoom writes it."""
    return (BEGIN + timedelta(seconds=int(time))).strftime(FORMAT)


@dataclass(frozen=True)
class FileTruth:
    """One file of a recording, as it really is.

    `begins` and `ends` are those of its segment. Zoom has finished it at `finished`, hands it out
    from `fetchable` on and lists it in its API from `listed` on. `is_handed_out`: whether Zoom ever
    does.
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
    is_handed_out: bool = True

    @property
    def seconds(self) -> float:
        return self.ends - self.begins


@dataclass(frozen=True)
class RecordingTruth:
    """One recording: a meeting instance with its files. `minutes` is the duration as Zoom says."""

    uuid: str
    meeting_id: int
    host_id: str
    topic: str
    begins: float
    minutes: int
    files: tuple[FileTruth, ...]

    def content_of(self, file: FileTruth) -> str:
        """What stands for the file's bytes."""
        return f"{self.uuid}|{file.id}"

    def file(self, file_id: str) -> FileTruth:
        return next(file for file in self.files if file.id == file_id)


@dataclass(frozen=True)
class Happening:
    """Something from outside that happens `at` a time; `key` names it."""

    at: float
    uuid: str

    @property
    def key(self) -> str:
        return f"{type(self).__name__} {self.uuid} {self.at:.1f}"


@dataclass(frozen=True)
class Notify(Happening):
    """Zoom notifies the webhook of `event`. `files` are the ids that it names.

    `lacks` are fields that are left out, of the body or its object. `uuids` are a batch's.
    """

    event: str
    files: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    uuids: tuple[str, ...] = ()
    is_repeated: bool = False
    """Zoom sends it once more though it was answered."""

    @property
    def key(self) -> str:
        return f"{self.event} {self.uuid} {self.at:.1f}"


@dataclass(frozen=True)
class PlusZoom(Happening):
    """A person asks for a recording by "+Zoom"; tries again `again` times when told to."""

    series: str = ""
    allow_multiple: bool = False
    all_mp4: bool = False
    again: int = 2


@dataclass(frozen=True)
class Forced(Happening):
    """An operator runs `exec.pipeline`: a forced request for the webhook's own row."""

    series: str = ""


@dataclass(frozen=True)
class Trash(Happening):
    """A person moves the recording to Zoom's trash, out of which it comes after `recovered`
    seconds, if at all. `event` is what Zoom says of it then.
    """

    recovered: float = 0.0
    batch: bool = False


@dataclass(frozen=True)
class DeletedInOpencast(Happening):
    """A person deletes the recording's events in Opencast."""


@dataclass(frozen=True)
class Rotation(Happening):
    """Zoom's secret is rotated: Zoom signs with the new one from then on."""


@dataclass(frozen=True)
class Forgery(Happening):
    """Somebody sends a request with a wrong signature."""


@dataclass(frozen=True)
class ScheduledClass:
    """A row of the schedule: the meeting's class at the recording's local time."""

    meeting_id: int
    day: str
    time: str
    series: str


@dataclass(frozen=True)
class Site:
    """How the other systems are here, and this stack's settings."""

    default_series: str = ""
    schedule: tuple[ScheduledClass, ...] = ()
    series: tuple[str, ...] = ()
    """Those that Opencast has."""
    opencast_rate: float = 50e6
    """Bytes a second that Opencast fetches for one ingest."""
    opencast_link: float = math.inf
    """Bytes a second that Opencast fetches for all ingests together."""
    workflow_seconds: float = 1800.0
    index_lag: float = 5.0
    zoom_rate: float = 60e6
    cdn: str = "ignores"
    """What Zoom's CDN does about the Authorization header: ignores, wants or refuses it."""
    gone_is_page: bool = True
    """What Zoom's download host says of a file that isn't there: a page with 200, or 404."""
    etags_differ: bool = False
    """Whether each of Zoom's servers has an ETag of its own for a file."""
    reconcile: bool = True
    downloads_at_once: int = 10
    """DOWNLOADS_AT_ONCE."""
    uploads_at_once: int = 5
    """OC_TRACK_UPLOAD_MAX."""


@dataclass(frozen=True)
class Scenario:
    """One world before it runs."""

    seed: int
    recordings: tuple[RecordingTruth, ...]
    happenings: tuple[Happening, ...]
    site: Site = field(default_factory=Site)
    faults: tuple[Fault, ...] = ()
    days: float = 10.0

    @property
    def until(self) -> float:
        return self.days * DAY

    def recording(self, uuid: str) -> RecordingTruth:
        return next(recording for recording in self.recordings if recording.uuid == uuid)

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


def moment_of(text: str) -> datetime:
    """The moment that a wire time stamp names."""
    return datetime.strptime(text, FORMAT).replace(tzinfo=BEGIN.tzinfo)
