"""Facts about a recording: its ids, page, views, segments and length, and S3 keys of its files."""

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
"""Prefix of the view's name if Zoom's type of the file is unknown."""

_SAFE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_SAFE_VIEW = re.compile(r"[A-Za-z0-9_()-]{1,100}")
_EXTENSION = re.compile(r"[a-z0-9]{1,10}")
_HASH_PREFIX = "sha256-"
_LINK = re.compile(r"\?|\w\.[a-z]+(?::[0-9]+)?/", re.IGNORECASE)
"""Text in a link that no uuid contains: a question mark, or the end of a host and a slash. A uuid
is base64, which has no dots."""


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
"""The views that the pipeline knows."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of a status row that describe the row's recording."""

    meeting_id: int
    recording_id: str
    topic: str
    start_time: str
    origin: Origin

    def check(self) -> None:
        """Check the start time.

        Raises:
            ValueError: `start_time` is malformed, or its year isn't from 1970 to 2999.
        """
        timestamps.parse_recorded(self.start_time)


def zoom_page_of(uuid: str, zoom_web: str) -> str:
    """Return the URL of a recording's page in Zoom.

    Args:
        uuid: Uuid of the recording.
        zoom_web: Base URL of Zoom's web pages, such as https://zoom.us.
    """
    return f"{zoom_web}/recording/management/detail?meeting_id={quote(uuid, safe='')}"


def automated_zip_id(uuid: str) -> str:
    """Return the `zip_id` of the ingest that Zoom's own webhook events request for a recording."""
    return f"auto-ingest-{uuid}"


_CAPTIONS_PREFIX = "captions-"


def captions_zip_id(uuid: str) -> str:
    """Return the `zip_id` of messages about a recording's captions. No row has this `zip_id`."""
    return f"{_CAPTIONS_PREFIX}{uuid}"


def is_captions_zip_id(zip_id: str) -> bool:
    """Return whether a `zip_id` belongs to messages about captions (`captions_zip_id`)."""
    return zip_id.startswith(_CAPTIONS_PREFIX)


def uuid_in(text: str) -> str:
    """Return the uuid in a text that is a uuid or a link to a recording's page in Zoom.

    Such a link has the uuid in its query, as `meeting_id`. For a link without a uuid, with or
    without `https://` in front, the result is "". A text that isn't a link is returned without the
    blanks around the text.
    """
    text = text.strip()
    if "://" in text or "meeting_id=" in text:
        try:
            values = parse_qs(urlsplit(text).query).get("meeting_id", [""])
        except ValueError:
            return ""
        # A uuid is base64, so a space stands for a `+` that the link doesn't encode.
        text = values[0].replace(" ", "+")
    return "" if _LINK.search(text) else text


def is_meeting_number(text: str) -> bool:
    """Return whether a text is a meeting number as people write it: digits, spaces and dashes.

    Zoom's API accepts a meeting number in place of a uuid, and answers with the latest recording of
    the meeting. A uuid never looks like a number, because 16 bytes in base64 end with `==`.

    Source: "Get meeting recordings" in Zoom's API reference, https://developers.zoom.us/docs/api/
    """
    digits = "".join(text.split()).replace("-", "")
    return digits.isascii() and digits.isdigit()


def view_of(recording_type: str) -> str:
    """Return the view that Zoom's `recording_type` stands for.

    Zoom adds types without notice (`shared_screen_with_speaker_view(CC)`, `production_studio`), so
    the words in the type decide. The view of an unknown type is `unrecognized_type_<type>`.
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
    """Number a recording's segments from 0, in order of time.

    Zoom begins a new segment whenever a recording is stopped and started again. The files of one
    segment have the same start.

    Returns:
        The number of each segment, by the `recording_start` of the segment's files.
    """
    starts = {file.recording_start for file in files}
    return {start: number for number, start in enumerate(sorted(starts, key=timestamps.parse))}


def extension_of(file_name: str) -> str:
    """Return a file name's extension in lower case; "" for an unsafe one (see `safe_extension`)."""
    return safe_extension(posixpath.splitext(unquote(file_name).strip())[1].lstrip("."))


def safe_extension(text: str) -> str:
    """Return an extension in lower case; "" unless it consists of 1 to 10 letters and digits."""
    extension = text.lower()
    return extension if _EXTENSION.fullmatch(extension) else ""


JOINED = "joined_"
"""Prefix of the view in the S3 key of captions that were joined from the captions of segments."""


def staging_key(
    zoom_series_id: int, start_time: str, segment: int, view: str, file_id: str, extension: str
) -> str:
    """Return the S3 key of a staged file.

    The key has the form `<meeting>/<start>/<segment>-<view>-<file id>.<extension>`, with the start
    in seconds since 1970, and three digits for the segment. The key contains the file's id because
    the numbers of segments may differ from message to message. So a key never gets the bytes of
    another file. An id that isn't safe in a key is hashed (`key_id`). A view with more than 100
    characters, or with characters other than letters, digits, `_`, `-`, `(` and `)`, is replaced by
    `unrecognized_type_other`.
    """
    prefix = staging_prefix(zoom_series_id, start_time)
    suffix = f".{extension}" if extension else ""
    name = view if _SAFE_VIEW.fullmatch(view) else f"{UNKNOWN_TYPE}other"
    return f"{prefix}{segment:03d}-{name}-{key_id(file_id)}{suffix}"


def staging_prefix(zoom_series_id: int, start_time: str) -> str:
    """Return the prefix that the S3 keys of a recording's staged files have in common."""
    return f"{zoom_series_id}/{int(timestamps.parse(start_time).timestamp())}/"


def key_id(file_id: str) -> str:
    """Return a file's id in the form that S3 keys have.

    An id of up to 64 letters, digits and dashes, such as a UUID, is unchanged, unless it begins
    with `sha256-`. Any other id is hashed.
    """
    if _SAFE_ID.fullmatch(file_id) and not file_id.startswith(_HASH_PREFIX):
        return file_id
    return _HASH_PREFIX + hashlib.sha256(file_id.encode()).hexdigest()[:32]


def name_of(view: str, recording_start: str) -> str:
    """Return a file's name for people: the file's view and start."""
    return f"{view} of {recording_start}"


def view_names(files: Sequence[RecordingFile]) -> list[str]:
    """Return a name of the view for each file, unique among the files of a segment.

    Zoom may have two files of one view in one segment, for example with and without captions. The
    first file gets the view's name. Each further file gets the view's name with a number after it.
    Files of known types with such a number are staged but not ingested.
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
    """Return whether a recording is shorter than `minimum_minutes` (`MINIMUM_DURATION`)."""
    return minutes < minimum_minutes
