"""A recording's files: which view each shows, which segment it belongs to, its name in S3."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec

from ingester import timestamps
from ingester.pipeline.messages import RecordingFile
from ingester.pipeline.states import Origin

SHARED_SCREEN_WITH_SPEAKER = "shared_screen_with_speaker_view"
SHARED_SCREEN_WITH_GALLERY = "shared_screen_with_gallery_view"
SHARED_SCREEN = "shared_screen"
ACTIVE_SPEAKER = "active_speaker"
GALLERY = "gallery_view"
CHAT = "chat_file"

UNKNOWN_TYPE = "unrecognized_type_"
"""What the view of a type that nobody knows begins with."""

_SAFE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_HASHED = "sha256-"

VIEWS = frozenset(
    {
        SHARED_SCREEN_WITH_SPEAKER,
        SHARED_SCREEN_WITH_GALLERY,
        SHARED_SCREEN,
        ACTIVE_SPEAKER,
        GALLERY,
        CHAT,
    }
)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The recording that a row is about: what its first write has to carry."""

    meeting_id: int
    recording_id: str
    topic: str
    start_time: str
    origin: Origin

    def check(self) -> None:
        """ValueError if a text is not what its name says."""
        if not 1970 <= timestamps.parse(self.start_time).year < 3000:
            raise ValueError(f"start_time {self.start_time} is in no year that has recordings")


def zoom_page_of(uuid: str, zoom_web: str) -> str:
    """The recording's page in Zoom. `zoom_web` is Zoom's address, like https://zoom.us."""
    return f"{zoom_web}/recording/management/detail?meeting_id={quote(uuid, safe='')}"


def automated(uuid: str) -> str:
    """The zip id of the ingest that Zoom's notifications of a recording ask for."""
    return f"auto-ingest-{uuid}"


def uuid_in(text: str) -> str:
    """The uuid that a text is, or that a link to the recording in Zoom holds; "" if there is none.

    Such a link has it in its query, as `meeting_id`.
    """
    text = text.strip()
    if "://" not in text and "meeting_id=" not in text:
        return text
    try:
        values = parse_qs(urlsplit(text).query).get("meeting_id", [""])
    except ValueError:
        return ""
    # A uuid is base64: a space is a `+` that was not encoded in the link.
    return values[0].replace(" ", "+")


def is_meeting_number(text: str) -> bool:
    """Whether a text is a meeting's number, as people write it: digits, spaces and dashes.

    Zoom takes one where a uuid belongs, and answers with the latest recording of that meeting. No
    uuid looks like it: 16 bytes in base64 end with `==`.
    """
    digits = "".join(text.split()).replace("-", "")
    return digits.isascii() and digits.isdigit()


def view_of(recording_type: str) -> str:
    """The view that a Zoom `recording_type` stands for.

    Zoom adds types freely (`shared_screen_with_speaker_view(CC)`, `production_studio`), so the
    words in the name decide, and what says nothing is `unrecognized_type_<name>`.
    """
    words = recording_type.lower()
    if "screen" in words:
        if "speaker" in words:
            return SHARED_SCREEN_WITH_SPEAKER
        return SHARED_SCREEN_WITH_GALLERY if "gallery" in words else SHARED_SCREEN
    for word, view in (("speaker", ACTIVE_SPEAKER), ("gallery", GALLERY), ("chat", CHAT)):
        if word in words:
            return view
    return f"{UNKNOWN_TYPE}{recording_type}"


def segment_numbers(files: Iterable[RecordingFile]) -> dict[str, int]:
    """`recording_start` → number of its segment, counted from 0 in order of time.

    Zoom begins a new segment whenever a recording is stopped and started again; the files of one
    segment share their start.
    """
    starts = {file.recording_start for file in files}
    return {start: number for number, start in enumerate(sorted(starts, key=timestamps.parse))}


def extension_of(file_name: str) -> str:
    """The extension of a file's name, lower case, without the dot; "" if it has none."""
    return posixpath.splitext(unquote(file_name).strip())[1].lstrip(".").lower()


def staging_key(
    zoom_series_id: int, start_time: str, segment: int, view: str, file_id: str, extension: str
) -> str:
    """`<meeting>/<start as epoch seconds>/<segment, 3 digits>-<view>-<file's id>.<extension>`.

    A segment's number holds for one message only. With the file's id in it, no key ever gets
    another file's bytes.
    """
    begin = int(timestamps.parse(start_time).timestamp())
    suffix = f".{extension}" if extension else ""
    name = view.replace("/", "_")
    return f"{zoom_series_id}/{begin}/{segment:03d}-{name}-{_key_of_id(file_id)}{suffix}"


def _key_of_id(file_id: str) -> str:
    """A file's id as a part of a key: Zoom's are UUIDs, any other one becomes its hash."""
    if _SAFE_ID.fullmatch(file_id) and not file_id.startswith(_HASHED):
        return file_id
    return _HASHED + hashlib.sha256(file_id.encode()).hexdigest()[:32]


def name_of(view: str, recording_start: str) -> str:
    """What people are told of a file: its view and when it begins."""
    return f"{view} of {recording_start}"


def view_names(files: Sequence[RecordingFile]) -> list[str]:
    """Each file's view, made unique within its segment.

    Zoom can hold two files of one view in one segment (with and without captions, say). The first
    is the view; another gets a number, is staged beside it, and isn't ingested, as views that
    nobody knows.
    """
    taken: set[tuple[str, str]] = set()
    names: list[str] = []
    for file in files:
        view = name = view_of(file.recording_type)
        count = 1
        while (file.recording_start, name) in taken:
            count += 1
            name = f"{view}_{count}"
        taken.add((file.recording_start, name))
        names.append(name)
    return names


def is_too_short(minutes: float, minimum_minutes: float) -> bool:
    """Whether a recording is below `MINIMUM_DURATION`."""
    return minutes < minimum_minutes
