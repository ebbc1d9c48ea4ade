"""The two queue messages: the contract between webhook, downloader and uploader.

The names of the fields are kept for compatibility, because messages may be in flight when a site
switches to this system. An encoded message doesn't have the fields that are `UNSET`.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingester import timestamps
from ingester.errors import UNREADABLE_JSON, MessageError

MessageType = TypeVar("MessageType", bound=msgspec.Struct)

LARGEST_NUMBER = 10**18
"""Upper limit of numbers such as a meeting's number. DynamoDB stores 38 digits, and meeting numbers
have 9 to 11.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

LONGEST_MINUTES = 1_000_000
"""Longest valid duration of a recording, in minutes."""

LONGEST_UUID = 480
"""Maximum length of a uuid, in characters. DynamoDB takes keys of up to 2048 bytes, and a `zip_id`
may contain a uuid.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

_MINUTES = Meta(ge=0, le=LONGEST_MINUTES)
Uuid = Annotated[str, Meta(min_length=1, max_length=LONGEST_UUID, pattern="^[^#]")]
"""Uuid of a recording. The keys of the ledger's items that aren't recordings begin with `#`."""

ZipId = Annotated[str, Meta(min_length=1, max_length=LONGEST_UUID + 20)]
MeetingNumber = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
Minutes = Annotated[int, _MINUTES] | Annotated[float, _MINUTES]


CAPTIONS = {"TRANSCRIPT": "transcript", "CC": "closed_caption"}
"""Kinds of captions, by Zoom's `file_type`. The kind is also the name of the view."""

CHAPTERS = "chapters"
"""The kind of Zoom's smart chapters, which the pipeline processes like captions."""

SUMMARY, NEXT_STEPS = "summary", "next-steps"
SUMMARIES = frozenset({SUMMARY, NEXT_STEPS})
"""Kinds of Zoom's summaries, which go to Opencast as attachments, as Zoom made them."""

JSON_KINDS = SUMMARIES | {CHAPTERS}
"""Kinds of the files that are JSON at Zoom, with the `file_type` SUMMARY."""

_BY_RECORDING_TYPE = {
    "summary_smart_chapters": CHAPTERS,
    "summary": SUMMARY,
    "summary_next_steps": NEXT_STEPS,
}


def captions_kind(file_type: str, recording_type: str) -> str:
    """Return the kind of Zoom's captions, chapters or summaries; "" for any other file."""
    if file_type.upper() == "SUMMARY":
        return _BY_RECORDING_TYPE.get(recording_type.lower(), "")
    return CAPTIONS.get(file_type.upper(), "")


class RecordingFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a recording in the download message.

    `recording_id` is the file's id at Zoom, not the recording's uuid. `status` is set only while
    Zoom hasn't finished the file.
    """

    recording_id: str
    recording_start: str
    recording_end: str
    download_url: str
    file_type: str
    recording_type: str
    file_size: int | UnsetType = UNSET
    file_extension: str | UnsetType = UNSET
    status: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        timestamps.parse_recorded(self.recording_start)
        timestamps.parse_recorded(self.recording_end)

    @property
    def is_mp4(self) -> bool:
        return self.file_type.upper() == "MP4"

    @property
    def is_chat(self) -> bool:
        return self.file_type.upper() == "CHAT"

    @property
    def captions_kind(self) -> str:
        """The kind of captions, chapters or summaries; "" for any other file."""
        return captions_kind(self.file_type, self.recording_type)

    @property
    def known_size(self) -> int:
        """Size in bytes; 0 if Zoom doesn't state the size."""
        return 0 if self.file_size is UNSET else self.file_size

    @property
    def seconds(self) -> int:
        """Length of the segment in seconds, pauses included; 0 if the end isn't after the start."""
        begins = timestamps.parse_recorded(self.recording_start)
        ends = timestamps.parse_recorded(self.recording_end)
        return max(0, round((ends - begins).total_seconds()))

    @property
    def is_completed(self) -> bool:
        return self.status is UNSET or self.status == "completed"


class Copying(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a copy that continues from invocation to invocation.

    The copy was first continued at `since`. `stored_bytes` is the largest number of bytes that were
    in S3 at the end of an invocation. `idle` invocations in a row haven't increased this number.
    """

    since: str
    stored_bytes: int
    idle: int = 0

    def __post_init__(self) -> None:
        timestamps.parse(self.since)


class CaptionsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The captions that a download message is about.

    `announced` has the ids of the files that Zoom has announced. With `is_chapters` the message is
    about the chapters, which have their own messages.
    """

    announced: tuple[str, ...] = ()
    is_chapters: bool | UnsetType = UNSET


class DownloadMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message to the downloader: a request to fetch one recording from Zoom.

    With `captions` the downloader fetches only captions or chapters, for the recording's events in
    Opencast.

    With `is_partial`, the fields that describe the recording may be empty, except `uuid`. The
    downloader has to ask Zoom for all files and for the empty fields.
    """

    uuid: Uuid
    zoom_series_id: MeetingNumber
    topic: str
    start_time: str
    duration: Minutes
    host_id: str
    recording_files: tuple[RecordingFile, ...]
    on_demand_ingest: bool
    zip_id: ZipId
    received_time: str
    download_token: str
    allow_multiple_ingests: bool = False
    ingest_all_mp4: bool = False
    on_demand_series_id: str | UnsetType = UNSET
    oc_workflow: str | UnsetType = UNSET
    zoom_total_size_bytes: int | UnsetType = UNSET
    zoom_processing_minutes: float | UnsetType = UNSET
    force: bool | UnsetType = UNSET
    override_series_id: str | UnsetType = UNSET
    ignore_schedule: bool | UnsetType = UNSET
    first_seen: str | UnsetType = UNSET
    is_partial: bool | UnsetType = UNSET
    copying: Copying | UnsetType = UNSET
    captions: CaptionsRequest | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.start_time or not self.is_partial:
            timestamps.parse_recorded(self.start_time)
        if self.first_seen is not UNSET:
            timestamps.parse(self.first_seen)


class StagedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one view in the staging bucket.

    `filename` is the file's S3 key, and `file_id` is Zoom's id of the file.
    """

    filename: str
    segment_num: int
    recording_start: str
    recording_end: str
    ffprobe_bytes: int
    ffprobe_seconds: int | float
    file_id: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        timestamps.parse_recorded(self.recording_start)
        timestamps.parse_recorded(self.recording_end)


class StagedView(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a view, in the order of the segments."""

    segments: tuple[StagedFile, ...]
    view_bytes: int
    view_seconds: int | float


class CaptionTrack(msgspec.Struct, frozen=True, kw_only=True):
    """A recording's captions of one kind, or one summary of a segment.

    Captions are one WebVTT file in the staging bucket, and a summary is Zoom's own file there.
    `filename` is the file's S3 key. `file_ids` are the ids of Zoom's files of which the track is
    made. `kind` is a value of `CAPTIONS`, `CHAPTERS`, or one of `SUMMARIES`.
    """

    kind: str
    filename: str
    file_ids: tuple[str, ...]


class UploadMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The message from downloader to uploader: a request to ingest one staged recording.

    `captions` is set if captions or chapters are ingested. `summaries` is set if the recording has
    summaries that are ingested. Summaries aren't in `captions`, because older versions of the
    uploader would add summaries as tracks. `summaries_note` says why it isn't known whether the
    recording has summaries. `late_for` is the id of a media package if the message only adds
    captions to the event of that media package.
    """

    uuid: Uuid
    zoom_series_id: MeetingNumber
    opencast_series_id: str
    oc_title: str
    topic: str
    created: str
    created_local: str
    webhook_received_time: str
    zip_id: ZipId
    s3_files: dict[str, StagedView]
    allow_multiple_ingests: bool = False
    ingest_all_mp4: bool = False
    total_file_bytes: int | UnsetType = UNSET
    total_file_seconds: float | UnsetType = UNSET
    total_segment_seconds: float | UnsetType = UNSET
    zoom_processing_minutes: float | UnsetType = UNSET
    oc_workflow: str | UnsetType = UNSET
    captions: tuple[CaptionTrack, ...] | UnsetType = UNSET
    summaries: tuple[CaptionTrack, ...] | UnsetType = UNSET
    summaries_note: str | UnsetType = UNSET
    late_for: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        timestamps.parse_recorded(self.created)


def is_uuid(text: str) -> bool:
    """Return whether a text can be the uuid of a recording in a message (`Uuid`)."""
    try:
        msgspec.convert(text, Uuid)
    except msgspec.ValidationError:
        return False
    return True


def encode(message: msgspec.Struct) -> str:
    """Encode a message for a queue. SQS refuses U+FFFE and U+FFFF, but not their escapes.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    text = msgspec.json.encode(message).decode()
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def decode(text: str, message_type: type[MessageType]) -> MessageType:
    """Decode the body of a queue's message.

    Raises:
        MessageError: The body isn't JSON or is nested too deeply, or a field is missing or wrong.
            The error's text says which.
    """
    try:
        return msgspec.json.decode(text, type=message_type)
    except UNREADABLE_JSON as error:
        raise MessageError(f"The message on the queue can't be read: {error}") from error


def overridden(text: str, series_id: str, ignore_schedule: bool) -> str:
    """Return a download message with an operator's overrides of the schedule.

    `text` is returned unchanged if it can't be read, or if there are no overrides.
    """
    changes: dict[str, str | bool] = {}
    if series_id:
        changes["override_series_id"] = series_id
    if ignore_schedule:
        changes["ignore_schedule"] = True
    try:
        message = decode(text, DownloadMessage)
    except MessageError:
        return text
    return encode(msgspec.structs.replace(message, **changes)) if changes else text


class _ZipId(msgspec.Struct):
    zip_id: str


def zip_id_of(text: str) -> str | None:
    """Return the `zip_id` of an otherwise unreadable message; None if the id is unreadable, too."""
    try:
        return msgspec.json.decode(text, type=_ZipId).zip_id
    except UNREADABLE_JSON:
        return None
