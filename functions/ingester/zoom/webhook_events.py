"""Parse webhook events, Zoom's and our own of the same form, into typed objects.

Zoom's developer pages (the webhook events of Meetings and Recordings) name the fields:
https://developers.zoom.us/docs/api/webhooks/. In practice the fields' form varies: ids are numbers
or strings, files may lack a type or a status, and types come in upper or lower case.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from ingester import timestamps
from ingester.errors import UNREADABLE_JSON, BadRequest
from ingester.pipeline import reasons
from ingester.pipeline.messages import (
    CAPTIONS,
    CaptionsRequest,
    DownloadMessage,
    MeetingNumber,
    Minutes,
    RecordingFile,
    ZipId,
    captions_kind,
    is_uuid,
)
from ingester.pipeline.states import Origin, State
from ingester.recording.files import (
    CHAT,
    VIEWS,
    Subject,
    automated_zip_id,
    captions_zip_id,
    name_of,
    view_of,
)
from ingester.recording.pauses import RecordingEvent
from ingester.status.row import RequestOptions
from ingester.zoom.event_fields import (
    minutes_in,
    number_in,
    size_in,
    text_in,
)
from ingester.zoom.lenient_json import readable

CAPTION_KINDS = frozenset(CAPTIONS.values())

MAX_FILES = 500
"""Maximum number of a recording's files that are processed. No recording has so many files."""

MAX_TEXT_LENGTH = 255
"""Maximum length of a file's id, type and start in characters, because the ledger's item holds at
most 400 KB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

COMPLETED = "recording.completed"
ON_DEMAND = "on.demand.ingest"
URL_VALIDATION = "endpoint.url_validation"
TRANSCRIPT_COMPLETED = "recording.transcript_completed"

STATUS_EVENTS = {
    "recording.started": State.RECORDING_IN_PROGRESS,
    "recording.resumed": State.RECORDING_IN_PROGRESS,
    "recording.paused": State.RECORDING_PAUSED,
    "recording.stopped": State.RECORDING_STOPPED,
    "meeting.ended": State.RECORDING_PROCESSING,
    "webinar.ended": State.RECORDING_PROCESSING,
}
_TRASHED = "The recording was moved to the trash in Zoom"
_DELETED = "The recording was deleted in Zoom"
REMOVAL_EVENTS = {
    "recording.trashed": _TRASHED,
    "recording.batch_trashed": _TRASHED,
    "recording.deleted": _DELETED,
    "recording.batch_deleted": _DELETED,
}
RECOVERY_EVENTS = frozenset({"recording.recovered", "recording.batch_recovered"})
"""Webhook events about recordings that were recovered from Zoom's trash. An admin's bulk action
causes a batch webhook event, which names several recordings and no meeting number
(zoom/rivet-javascript, meetings.d.ts)."""

OTHER_VIDEOS = frozenset({"production_studio", "host_video", "sign_interpretation"})
"""Zoom's types of videos whose view isn't in VIEWS."""

LAST_SECOND = int(datetime(3000, 1, 1, tzinfo=UTC).timestamp())
"""Exclusive upper limit of a recording event's time, in seconds since 1970."""


class UrlValidation(msgspec.Struct, frozen=True):
    """Zoom's challenge, which an endpoint has to answer before the endpoint gets webhook events.

    https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint
    """

    plain_token: str


class StatusEvent(msgspec.Struct, frozen=True):
    """A webhook event about a recording's start, pause, resumption or stop, or a meeting's end.

    A webinar counts as a meeting.

    Attributes:
        state: State for the recording's row.
        subject: The recording.
        event: The recording event with its time; None if the webhook event has no valid time, or
            is about the meeting.
    """

    state: State
    subject: Subject
    event: RecordingEvent | None


class RemovalEvent(msgspec.Struct, frozen=True):
    """A webhook event about recordings that were moved to the trash or deleted in Zoom.

    `notice` is the text for the recordings' rows and records.
    """

    uuids: tuple[str, ...]
    notice: str


class RecoveryEvent(msgspec.Struct, frozen=True):
    """A webhook event about recordings that were recovered from Zoom's trash."""

    uuids: tuple[str, ...]


class TranscriptEvent(msgspec.Struct, frozen=True):
    """A webhook event which says that a recording's transcript is finished.

    `file_ids` are the ids of the readable files of captions that the webhook event names.
    """

    uuid: str
    file_ids: tuple[str, ...]

    def message(self, now: datetime) -> DownloadMessage:
        """Build the message about the transcript, for the download queue."""
        return captions_message(self.uuid, self.file_ids, now)

    def chapters_message(self, now: datetime) -> DownloadMessage:
        """Build the message that asks for the chapters, which may come after the transcript."""
        return captions_message(self.uuid, (), now, is_chapters=True)


def captions_message(
    uuid: str, announced: tuple[str, ...], now: datetime, *, is_chapters: bool = False
) -> DownloadMessage:
    """Build a message that asks for a recording's captions, or for its chapters (`is_chapters`).

    `announced` are the ids of the files that Zoom's webhook event names. The message leaves the
    recording's other fields empty, because Zoom's API returns them.
    """
    return DownloadMessage(
        uuid=uuid,
        zoom_series_id=0,
        topic="",
        start_time="",
        duration=0,
        host_id="",
        recording_files=(),
        on_demand_ingest=False,
        zip_id=captions_zip_id(uuid),
        received_time=timestamps.write(now),
        download_token="",
        is_partial=True,
        captions=CaptionsRequest(announced=announced, is_chapters=is_chapters or UNSET),
    )


class IngestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of an ingest, which only our own requests can have."""

    zip_id: ZipId | UnsetType = UNSET
    on_demand_series_id: str | UnsetType = UNSET
    oc_workflow: str | UnsetType = UNSET
    allow_multiple_ingests: bool = False
    ingest_all_mp4: bool = False
    force: bool | UnsetType = UNSET
    override_series_id: str | UnsetType = UNSET
    ignore_schedule: bool | UnsetType = UNSET


class IngestEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook event that asks for the ingest of a recording.

    Attributes:
        subject: The recording. `subject.origin` is WEBHOOK if the webhook event is for the row of
            the automated ingest, even if the webhook event is our own.
        on_demand: Whether the webhook event is our own.
        host_id: Zoom's id of the meeting's host.
        duration: Duration of the meeting in minutes.
        files: MP4 and chat files of the recording. A partial webhook event has only the readable
            files.
        total_size: Size of all of Zoom's files in bytes; UNSET if it is unknown.
        download_token: Zoom's token for the downloads of the files.
        options: Options of our own webhook events.
        is_partial: Whether the webhook event lacks fields, which the downloader then reads from
            Zoom's API. A field that is missing or invalid is empty; only the uuid is always there.
        has_video: Whether there is a video; None if a partial webhook event doesn't say enough.
        names: Names of MP4 and chat files by id. Files without an id or with an overlong text are
            left out.
    """

    subject: Subject
    on_demand: bool
    host_id: str
    duration: int | float
    files: tuple[RecordingFile, ...]
    total_size: int | UnsetType
    download_token: str
    options: IngestOptions
    is_partial: bool = False
    has_video: bool | None
    names: dict[str, str]

    def message(self, zip_id: str, now: datetime) -> DownloadMessage:
        """Build the message for the download queue."""
        subject, options = self.subject, self.options
        return DownloadMessage(
            uuid=subject.recording_id,
            zoom_series_id=subject.meeting_id,
            topic=subject.topic,
            start_time=subject.start_time,
            duration=self.duration,
            host_id=self.host_id,
            recording_files=self.files,
            on_demand_ingest=self.on_demand,
            zip_id=zip_id,
            received_time=timestamps.write(now),
            download_token=self.download_token,
            allow_multiple_ingests=options.allow_multiple_ingests,
            ingest_all_mp4=options.ingest_all_mp4,
            on_demand_series_id=options.on_demand_series_id or UNSET,
            oc_workflow=options.oc_workflow or UNSET,
            zoom_total_size_bytes=self.total_size,
            zoom_processing_minutes=self._processing_minutes(now),
            force=options.force,
            override_series_id=options.override_series_id,
            ignore_schedule=options.ignore_schedule,
            is_partial=self.is_partial or UNSET,
        )

    def _processing_minutes(self, now: datetime) -> float | UnsetType:
        """Return the minutes from the meeting's end to `now`, rounded down.

        The result is UNSET if the end is unknown, or if the webhook event is our own.
        """
        is_end_unknown = not self.subject.start_time or (self.is_partial and not self.duration)
        if self.on_demand or is_end_unknown:
            return UNSET
        end = timestamps.parse(self.subject.start_time) + timedelta(minutes=self.duration)
        return float(math.floor((now - end).total_seconds() / 60))

    @property
    def asked(self) -> RequestOptions:
        """The options that the status row and the ledger keep."""
        options = self.options
        return RequestOptions(
            oc_series_id=options.override_series_id or options.on_demand_series_id or "",
            oc_workflow=options.oc_workflow or "",
            allow_multiple_ingests=options.allow_multiple_ingests,
            ingest_all_mp4=options.ingest_all_mp4,
        )


class Unhandled(msgspec.Struct, frozen=True):
    """A webhook event that this system doesn't use. `reason` says why.

    The reason may be a missing field, which nobody can add.
    """

    event: str
    reason: str = "not handled"


WebhookEvent = (
    UrlValidation
    | StatusEvent
    | RemovalEvent
    | RecoveryEvent
    | IngestEvent
    | TranscriptEvent
    | Unhandled
)


class BadIngest(BadRequest):
    """A webhook event of our own that asks for an ingest, but has a missing or invalid field.

    Args:
        problem: Text for people about the missing or wrong field.
        uuid: Uuid of the recording.
        subject: Known fields of the recording.
        zip_id: The `zip_id` of the row that the webhook event is for; "" if the webhook event names
            no row.
    """

    def __init__(self, problem: str, uuid: str, subject: Subject, zip_id: str) -> None:
        super().__init__(f"{reasons.BAD_DATA}: {problem}")
        self.uuid = uuid
        self.subject = subject
        self.zip_id = zip_id


class _RecordingObject(msgspec.Struct, kw_only=True):
    """`payload.object` of a webhook event about one recording."""

    id: MeetingNumber
    uuid: str
    topic: str
    start_time: str


class _IngestObject(_RecordingObject, kw_only=True):
    """`payload.object` of a webhook event that asks for an ingest."""

    host_id: str
    duration: Minutes
    recording_files: list[dict[str, Any]]
    total_size: object = UNSET


_ObjectType = TypeVar("_ObjectType", bound=_RecordingObject)


def parse(body: bytes) -> tuple[str, WebhookEvent | BadIngest]:
    """Parse a request's body into the webhook event's name and the typed webhook event.

    The result for a webhook event with a missing or invalid required field depends on the kind:

    * A webhook event about a state or a transcript is Unhandled, because nobody can add the field.
    * Zoom's own webhook event that asks for an ingest is partial, because Zoom's API has the rest.
    * Our own webhook event is returned as a BadIngest. The error isn't raised, because the caller
      first checks, by the webhook event's name, that the signature was made with our own key.

    Raises:
        BadRequest: The body isn't a webhook event, a challenge lacks a valid token, our own webhook
            event lacks the download token, or a webhook event lacks a recording's uuid. Webhook
            events about transcripts, and webhook events that this system doesn't use, need no uuid.
    """
    try:
        content = msgspec.json.decode(readable(body))
    except UNREADABLE_JSON as error:
        raise BadRequest("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise BadRequest("The body is not a JSON object.")
    event = content.get("event")
    if not isinstance(event, str) or not event:
        raise BadRequest("The body has no event.")
    return event, _webhook_event(event, content)


_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""Pattern of Zoom's challenge, a random text. With a colon, a challenge could be the signed text of
a webhook event (`v0:<time>:<body>`), and our answer would be a valid signature."""


def _webhook_event(event: str, content: dict[str, Any]) -> WebhookEvent | BadIngest:
    if event == TRANSCRIPT_COMPLETED:
        return _transcript_event(event, content)
    others = {COMPLETED, ON_DEMAND, URL_VALIDATION, *REMOVAL_EVENTS, *RECOVERY_EVENTS}
    if not (event in STATUS_EVENTS or event in others):
        return Unhandled(event)
    payload = content.get("payload")
    if not isinstance(payload, dict):
        raise BadRequest("The body has no payload.")
    if event == URL_VALIDATION:
        token = payload.get("plainToken")
        if not isinstance(token, str) or not _PLAIN_TOKEN.fullmatch(token):
            raise BadRequest("The payload has no plainToken of 1 to 128 letters, digits, - or _.")
        return UrlValidation(token)
    return _event_of_recordings(event, content, payload)


def _event_of_recordings(
    event: str, content: dict[str, Any], payload: dict[str, Any]
) -> WebhookEvent | BadIngest:
    """Parse a webhook event about one or more recordings.

    Raises:
        BadRequest: The webhook event lacks a recording's uuid, or our own webhook event lacks the
            download token.
    """
    about = payload.get("object")
    uuids = _uuids(about) if isinstance(about, dict) else ()
    if not isinstance(about, dict) or not uuids:
        raise BadRequest("The payload has no object with a uuid.")
    if event in REMOVAL_EVENTS:
        return RemovalEvent(uuids, REMOVAL_EVENTS[event])
    if event in RECOVERY_EVENTS:
        return RecoveryEvent(uuids)
    if about.get("uuid") not in uuids:
        raise BadRequest("The payload has no object with a uuid.")
    if event in STATUS_EVENTS:
        return _status_event(event, content, about)
    token = text_in(content.get("download_token"))
    if event == COMPLETED:
        return _completed_ingest(about, token)
    if not token:
        raise BadRequest("The body has no download_token.")
    return _on_demand_ingest(payload, about, token)


def _transcript_event(event: str, content: dict[str, Any]) -> WebhookEvent:
    payload = content.get("payload")
    about = payload.get("object") if isinstance(payload, dict) else None
    uuids = _uuids(about) if isinstance(about, dict) else ()
    if not isinstance(about, dict) or not uuids:
        return Unhandled(event, "it names no recording")
    files = about.get("recording_files")
    found = captions_among(files[:MAX_FILES] if isinstance(files, list) else ())
    return TranscriptEvent(uuids[0], tuple(file.recording_id for file in found))


def _uuids(about: dict[str, Any]) -> tuple[str, ...]:
    """Return the uuids of the recordings that a webhook event is about.

    The webhook event of an admin's bulk action is about several recordings. A text that can't be a
    key of a recording in the tables is left out (`messages.is_uuid`).
    """
    meeting_uuids = about.get("meeting_uuids")
    meetings = about.get("meetings")
    candidates: list[object] = [about.get("uuid")]
    candidates += meeting_uuids if isinstance(meeting_uuids, list) else []
    candidates += [
        meeting.get("meeting_uuid")
        for meeting in (meetings if isinstance(meetings, list) else [])
        if isinstance(meeting, dict)
    ]
    texts = [uuid for uuid in candidates if isinstance(uuid, str)]
    return tuple(dict.fromkeys(uuid for uuid in texts if is_uuid(uuid)))


def _status_event(event: str, content: dict[str, Any], about: dict[str, Any]) -> WebhookEvent:
    """Parse a webhook event about a state, into an Unhandled if a required field can't be used.

    Of the webhook events about a state, those named `recording.*` are recording events, and those
    about a meeting's end aren't.

    Args:
        event: The webhook event's name.
        content: The whole body.
        about: The body's `payload.object`.
    """
    try:
        fields = _converted(about, _RecordingObject)
    except ValueError as error:
        return Unhandled(event, str(error))
    timestamp = content.get("event_ts")
    seconds = number_in(timestamp) // 1000 if event.startswith("recording.") else 0
    return StatusEvent(
        STATUS_EVENTS[event],
        _subject(fields, Origin.WEBHOOK),
        RecordingEvent(event, seconds) if 0 < seconds < LAST_SECOND else None,
    )


def _on_demand_ingest(
    payload: dict[str, Any], about: dict[str, Any], token: str
) -> IngestEvent | BadIngest:
    """Parse our own webhook event that asks for an ingest.

    The result is a BadIngest if a field is missing or invalid.
    """
    zip_id = text_in(payload.get("zip_id"))
    origin = Origin.WEBHOOK if zip_id == automated_zip_id(about["uuid"]) else Origin.ON_DEMAND
    try:
        fields = _converted(about, _IngestObject)
        given = {key: value for key, value in payload.items() if value is not None}
        options = msgspec.convert(given, IngestOptions)
        files = files_of(fields.recording_files)
    except ValueError as error:
        return BadIngest(str(error), about["uuid"], _readable_subject(about, origin), zip_id)
    return _complete_ingest(fields, files, token, origin=origin, options=options, on_demand=True)


def _completed_ingest(about: dict[str, Any], token: str) -> IngestEvent:
    """Parse Zoom's webhook event that asks for an ingest, partially if a field can't be used.

    A partial webhook event isn't rejected. Zoom might not repeat a rejected webhook event, and
    Zoom's API has the missing fields.
    """
    try:
        fields = _converted(about, _IngestObject)
        files = files_of(fields.recording_files)
        if token:
            return _complete_ingest(
                fields, files, token, origin=Origin.WEBHOOK, options=IngestOptions()
            )
    except ValueError:
        pass
    subject = _readable_subject(about, Origin.WEBHOOK)
    files, has_video = _readable_files(about.get("recording_files"))
    return IngestEvent(
        subject=subject,
        on_demand=False,
        host_id=text_in(about.get("host_id")),
        duration=minutes_in(about.get("duration")),
        files=files,
        total_size=size_in(about.get("total_size")),
        download_token=token,
        options=IngestOptions(),
        is_partial=True,
        has_video=has_video,
        names=_readable_names(about.get("recording_files")),
    )


def _complete_ingest(
    fields: _IngestObject,
    files: tuple[RecordingFile, ...],
    token: str,
    *,
    origin: Origin,
    options: IngestOptions,
    on_demand: bool = False,
) -> IngestEvent:
    return IngestEvent(
        subject=_subject(fields, origin),
        on_demand=on_demand,
        host_id=fields.host_id,
        duration=fields.duration,
        files=files,
        total_size=size_in(fields.total_size),
        download_token=token,
        options=options,
        has_video=any(file.is_mp4 for file in files),
        names=names_of(files),
    )


def names_of(files: Iterable[RecordingFile]) -> dict[str, str]:
    """Return the name of each file, by its id."""
    return {
        file.recording_id: name_of(view_of(file.recording_type), file.recording_start)
        for file in files
    }


def _readable_files(files: object) -> tuple[tuple[RecordingFile, ...], bool | None]:
    """Return the readable MP4 and chat files, and whether there is a video.

    The second value is None if no readable file is a video, and not all files could be read.
    """
    if not isinstance(files, list):
        return (), None
    parsed: list[RecordingFile] = []
    all_parsed = len(files) <= MAX_FILES
    for file in files[:MAX_FILES]:
        try:
            parsed += files_of([file])
        except ValueError:
            all_parsed = False
    has_video = any(file.is_mp4 for file in parsed)
    return tuple(parsed), has_video if has_video or all_parsed else None


def _readable_names(files: object) -> dict[str, str]:
    """Return the names of the MP4 and chat files that have an id, by that id.

    Files that lack other fields are included. Files with an overlong text are left out.
    """
    return {
        file["id"]: name_of(
            view_of(text_in(file.get("recording_type"))),
            text_in(file.get("recording_start")) or "an unknown time",
        )
        for file in (files[:MAX_FILES] if isinstance(files, list) else [])
        if isinstance(file, dict)
        and text_in(file.get("id"))
        and not _has_long_text(file)
        and _is_mp4_or_chat(file)
    }


def _converted(about: dict[str, Any], object_type: type[_ObjectType]) -> _ObjectType:
    """Convert `payload.object` into an `object_type`.

    Raises:
        ValueError: A required field is missing or wrong. msgspec's ValidationError is a ValueError.
    """
    given = {key: value for key, value in about.items() if value not in (None, "")}
    if "topic" in about and about["topic"] == "":
        given["topic"] = ""
    fields = msgspec.convert(given, object_type, strict=False)
    _subject(fields, Origin.WEBHOOK).check()
    return fields


def _subject(fields: _RecordingObject, origin: Origin) -> Subject:
    return Subject(
        meeting_id=fields.id,
        recording_id=fields.uuid,
        topic=fields.topic,
        start_time=fields.start_time,
        origin=origin,
    )


def _readable_subject(about: dict[str, Any], origin: Origin) -> Subject:
    """Return the recording, with 0 and "" for fields that are missing or wrong."""
    start_time = text_in(about.get("start_time"))
    subject = Subject(
        meeting_id=number_in(about.get("id")),
        recording_id=about["uuid"],
        topic=text_in(about.get("topic")),
        start_time=start_time,
        origin=origin,
    )
    try:
        subject.check()
    except ValueError:
        return msgspec.structs.replace(subject, start_time="")
    return subject


def files_of(recording_files: Iterable[dict[str, Any]]) -> tuple[RecordingFile, ...]:
    """Parse the MP4 and chat files among Zoom's files.

    Raises:
        ValueError: A file isn't a JSON object, a field of an MP4 or chat file is missing or
            invalid, or there are more than `MAX_FILES` such files.
    """
    parsed = tuple(_file(file) for file in recording_files if _is_mp4_or_chat(file))
    if len(parsed) > MAX_FILES:
        raise ValueError(f"A recording with {len(parsed)} files isn't possible.")
    return parsed


def captions_among(
    recording_files: Iterable[object], kinds: AbstractSet[str] = CAPTION_KINDS
) -> tuple[RecordingFile, ...]:
    """Parse the files of captions of some kinds. Unreadable files are left out.

    Zoom lists closed captions without `id` and `recording_type`. A file without an id gets an id
    made up from `file_type` and the start (`is_made_up`).
    """
    found: list[RecordingFile] = []
    for file in recording_files:
        if not isinstance(file, dict):
            continue
        file_type = text_in(file.get("file_type")).upper()
        recording_type = text_in(file.get("recording_type"))
        kind = captions_kind(file_type, recording_type)
        if kind in kinds:
            named = {
                **file,
                "id": text_in(file.get("id")) or f"{file_type}-{file.get('recording_start')}",
                "recording_type": recording_type or kind,
            }
            with suppress(ValueError):
                found.append(_file(named))
    return tuple(found)


def is_made_up(file_id: str) -> bool:
    """Return whether `captions_among` made up a file's id, which other recordings may share."""
    try:
        timestamps.parse(file_id.partition("-")[2])
    except ValueError:
        return False
    return True


def _is_mp4_or_chat(file: object) -> bool:
    """Return whether a file is an MP4 or a chat, by its type.

    Without a type, the result says whether other fields show an MP4.

    Raises:
        ValueError: The file isn't a JSON object.
    """
    if not isinstance(file, dict):
        raise ValueError("a recording file is not an object")
    file_type = text_in(file.get("file_type"))
    if file_type:
        return file_type.upper() in ("MP4", "CHAT")
    video = text_in(file.get("file_extension")).upper() == "MP4"
    recording_type = text_in(file.get("recording_type"))
    return video or view_of(recording_type) in VIEWS - {CHAT} or recording_type in OTHER_VIDEOS


def _has_long_text(file: dict[str, Any]) -> bool:
    """Return whether a text that the ledger would store is too long."""
    texts = (text_in(file.get(key)) for key in ("id", "recording_type", "recording_start"))
    return any(len(text) > MAX_TEXT_LENGTH for text in texts)


def _file(file: dict[str, Any]) -> RecordingFile:
    """Parse one file. An unfinished file may lack its URL and its end.

    Raises:
        ValueError: A required field is missing or invalid, or a text is too long.
    """
    if _has_long_text(file):
        raise ValueError(f"A file's text has more than {MAX_TEXT_LENGTH} characters.")
    given = {key: value for key, value in file.items() if value not in (None, "")}
    given["recording_id"] = given.pop("id", UNSET)
    given["file_size"] = size_in(given.get("file_size"))
    given["file_extension"] = text_in(given.get("file_extension")) or UNSET
    status = text_in(file.get("status")).lower()
    if status and status != "completed":
        given.setdefault("download_url", "")
        given.setdefault("recording_end", given.get("recording_start"))
        given["status"] = status
    else:
        given.pop("status", None)
    present = {key: value for key, value in given.items() if value is not UNSET}
    return msgspec.convert(present, RecordingFile)
