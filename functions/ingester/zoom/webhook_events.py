"""Zoom's notifications, and our own in Zoom's clothes, as typed objects.

Zoom's developer pages ("Webhooks", events of Meetings and Recordings) name the fields. What Zoom
sends varies: ids come as numbers or strings, files without type or status, types in any case.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingester import timestamps
from ingester.errors import BadRequest
from ingester.pipeline import reasons
from ingester.pipeline.messages import DownloadMessage, RecordingFile
from ingester.pipeline.states import Origin, State
from ingester.recording.files import CHAT, VIEWS, Subject, automated, name_of, view_of
from ingester.recording.pauses import RecordingEvent
from ingester.status.row import Asked
from ingester.zoom.lenient_json import readable

COMPLETED = "recording.completed"
ON_DEMAND = "on.demand.ingest"
URL_VALIDATION = "endpoint.url_validation"

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
"""The batch events are an admin's; they name several recordings, and no meeting number
(zoom/rivet-javascript, meetings.d.ts)."""

OTHER_VIDEOS = frozenset({"production_studio", "host_video", "sign_interpretation"})
"""Zoom's video types that are none of the five views."""

LAST_SECOND = int(datetime(3000, 1, 1, tzinfo=UTC).timestamp())
LARGEST_NUMBER = 10**18
"""What counts as a number of Zoom's: DynamoDB takes 38 digits, and Zoom's have 9 to 13."""


class UrlValidation(msgspec.Struct, frozen=True):
    """Zoom's challenge to an endpoint."""

    plain_token: str


class StatusNotification(msgspec.Struct, frozen=True):
    """What Zoom says of a meeting that is being recorded; `event` with its time, if it has one."""

    state: State
    subject: Subject
    event: RecordingEvent | None


class RemovalNotification(msgspec.Struct, frozen=True):
    """Recordings were trashed or deleted in Zoom; `notice` is the sentence for their rows."""

    uuids: tuple[str, ...]
    notice: str


class RecoveryNotification(msgspec.Struct, frozen=True):
    """Recordings are back from Zoom's trash."""

    uuids: tuple[str, ...]


class IngestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a request of our own may ask for beside the recording."""

    zip_id: str | UnsetType = UNSET
    on_demand_series_id: str | UnsetType = UNSET
    oc_workflow: str | UnsetType = UNSET
    allow_multiple_ingests: bool = False
    ingest_all_mp4: bool = False
    force: bool | UnsetType = UNSET
    override_series_id: str | UnsetType = UNSET
    ignore_schedule: bool | UnsetType = UNSET


class IngestNotification(msgspec.Struct, frozen=True, kw_only=True):
    """A recording is there to be ingested. `files` are its MP4 and chat files.

    `is_partial`: it lacks something that Zoom's API can tell. Only the uuid is sure to be there
    then, and `files` are those that can be read. `has_video` is None if that can't be told.
    `names` are those of all files that have an id, by that id.
    `on_demand`: the request is our own. If it is for the automated ingest's row, the subject's
    origin is Zoom's notification all the same, as it was when that row was made.
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
        """The message on the download queue that it asks for."""
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
        """Whole minutes that Zoom took, from the meeting's end until this notification."""
        is_end_unknown = not self.subject.start_time or (self.is_partial and not self.duration)
        if self.on_demand or is_end_unknown:
            return UNSET
        end = timestamps.parse(self.subject.start_time) + timedelta(minutes=self.duration)
        return float(math.floor((now - end).total_seconds() / 60))

    @property
    def asked(self) -> Asked:
        """What it asked for beside the recording."""
        options = self.options
        return Asked(
            oc_series_id=options.override_series_id or options.on_demand_series_id or "",
            oc_workflow=options.oc_workflow or "",
            allow_multiple_ingests=options.allow_multiple_ingests,
            ingest_all_mp4=options.ingest_all_mp4,
        )


class Unhandled(msgspec.Struct, frozen=True):
    """An event that this system has no use for, or a status event that lacks a field."""

    event: str
    reason: str = "not handled"


Notification = (
    UrlValidation
    | StatusNotification
    | RemovalNotification
    | RecoveryNotification
    | IngestNotification
    | Unhandled
)


class BadIngest(BadRequest):
    """An ingest event that lacks a field.

    `uuid` is the recording's, `subject` what else is known of it; `zip_id` its row ("" if it has
    none).
    """

    def __init__(self, problem: str, uuid: str, subject: Subject, zip_id: str) -> None:
        super().__init__(f"{reasons.BAD_DATA}: {problem}")
        self.uuid = uuid
        self.subject = subject
        self.zip_id = zip_id


LONGEST_MINUTES = 1_000_000
_MINUTES = Meta(ge=0, le=LONGEST_MINUTES)


class _Object(msgspec.Struct, kw_only=True):
    """`payload.object` of the events about a recording."""

    id: Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
    uuid: str
    topic: str
    start_time: str


class _IngestObject(_Object, kw_only=True):
    host_id: str
    duration: Annotated[int, _MINUTES] | Annotated[float, _MINUTES]
    recording_files: list[dict[str, Any]]
    total_size: object = UNSET


_ObjectType = TypeVar("_ObjectType", bound=_Object)


def parse(body: bytes) -> tuple[str, Notification | BadIngest]:
    """The event's name, and the notification in a request's body.

    A status event that lacks a field is Unhandled: Zoom can't do anything about it. Zoom's own
    ingest event that lacks one is partial: its API tells the rest. An event of our own that lacks
    one is answered with a BadIngest (not raised: its signature may still have to be judged by the
    event's name). BadRequest if the rest can't be read.
    """
    try:
        content = msgspec.json.decode(readable(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise BadRequest("The body is not a JSON object.")
    event = content.get("event")
    if not isinstance(event, str) or not event:
        raise BadRequest("The body has no event.")
    return event, _notification(event, content)


def _notification(event: str, content: dict[str, Any]) -> Notification | BadIngest:
    others = {COMPLETED, ON_DEMAND, URL_VALIDATION, *REMOVAL_EVENTS, *RECOVERY_EVENTS}
    if not (event in STATUS_EVENTS or event in others):
        return Unhandled(event)
    payload = content.get("payload")
    if not isinstance(payload, dict):
        raise BadRequest("The body has no payload.")
    if event == URL_VALIDATION:
        token = payload.get("plainToken")
        if not isinstance(token, str) or not token:
            raise BadRequest("The payload has no plainToken.")
        return UrlValidation(token)
    return _of_recordings(event, content, payload)


def _of_recordings(
    event: str, content: dict[str, Any], payload: dict[str, Any]
) -> Notification | BadIngest:
    """The notification of an event about one recording, or several."""
    about = payload.get("object")
    uuids = _uuids(about) if isinstance(about, dict) else ()
    if not isinstance(about, dict) or not uuids:
        raise BadRequest("The payload has no object with a uuid.")
    if event in REMOVAL_EVENTS:
        return RemovalNotification(uuids, REMOVAL_EVENTS[event])
    if event in RECOVERY_EVENTS:
        return RecoveryNotification(uuids)
    if not _text(about.get("uuid")):
        raise BadRequest("The payload has no object with a uuid.")
    if event in STATUS_EVENTS:
        return _status(event, content, about)
    token = _text(content.get("download_token"))
    if event == COMPLETED:
        return _completed(about, token)
    if not token:
        raise BadRequest("The body has no download_token.")
    return _on_demand(payload, about, token)


def _uuids(about: dict[str, Any]) -> tuple[str, ...]:
    """The recordings that an event is about: one, or those of an admin's bulk action."""
    several = about.get("meeting_uuids")
    meetings = about.get("meetings")
    found: list[object] = [about.get("uuid")]
    found += several if isinstance(several, list) else []
    found += [
        meeting.get("meeting_uuid")
        for meeting in (meetings if isinstance(meetings, list) else [])
        if isinstance(meeting, dict)
    ]
    return tuple(dict.fromkeys(uuid for uuid in found if isinstance(uuid, str) and uuid))


def _status(event: str, content: dict[str, Any], about: dict[str, Any]) -> Notification:
    try:
        known = _object(about, _Object)
    except ValueError as error:
        return Unhandled(event, str(error))
    timestamp = content.get("event_ts")
    seconds = _number(timestamp) // 1000 if event.startswith("recording.") else 0
    return StatusNotification(
        STATUS_EVENTS[event],
        _subject(known, Origin.WEBHOOK),
        RecordingEvent(event, seconds) if 0 < seconds < LAST_SECOND else None,
    )


def _on_demand(
    payload: dict[str, Any], about: dict[str, Any], token: str
) -> IngestNotification | BadIngest:
    own_row = automated(about["uuid"])
    zip_id = _text(payload.get("zip_id"))
    origin = Origin.WEBHOOK if zip_id == own_row else Origin.ON_DEMAND
    try:
        known = _object(about, _IngestObject)
        given = {key: value for key, value in payload.items() if value is not None}
        options = msgspec.convert(given, IngestOptions)
        files = files_of(known.recording_files)
    except ValueError as error:
        return BadIngest(str(error), about["uuid"], _what_is_known(about, origin), zip_id)
    return _complete(known, files, token, origin=origin, options=options, on_demand=True)


def _completed(about: dict[str, Any], token: str) -> IngestNotification:
    """Zoom's own event. Zoom never repeats what is refused, and its API knows what is missing."""
    try:
        known = _object(about, _IngestObject)
        files = files_of(known.recording_files)
        if token:
            return _complete(known, files, token, origin=Origin.WEBHOOK, options=IngestOptions())
    except ValueError:
        pass
    subject = _what_is_known(about, Origin.WEBHOOK)
    files, has_video = _readable_files(about.get("recording_files"))
    return IngestNotification(
        subject=subject,
        on_demand=False,
        host_id=_text(about.get("host_id")),
        duration=_minutes(about.get("duration")),
        files=files,
        total_size=_size(about.get("total_size")),
        download_token=token,
        options=IngestOptions(),
        is_partial=True,
        has_video=has_video,
        names=_names(about.get("recording_files")),
    )


def _complete(
    known: _IngestObject,
    files: tuple[RecordingFile, ...],
    token: str,
    *,
    origin: Origin,
    options: IngestOptions,
    on_demand: bool = False,
) -> IngestNotification:
    return IngestNotification(
        subject=_subject(known, origin),
        on_demand=on_demand,
        host_id=known.host_id,
        duration=known.duration,
        files=files,
        total_size=_size(known.total_size),
        download_token=token,
        options=options,
        has_video=any(file.is_mp4 for file in files),
        names=names_of(files),
    )


def names_of(files: Iterable[RecordingFile]) -> dict[str, str]:
    """What people are told of each file, by its id."""
    return {
        file.recording_id: name_of(view_of(file.recording_type), file.recording_start)
        for file in files
    }


def _readable_files(files: object) -> tuple[tuple[RecordingFile, ...], bool | None]:
    """The MP4 and chat files that can be read, and whether a video is among all of them."""
    if not isinstance(files, list):
        return (), None
    readable: list[RecordingFile] = []
    all_readable = True
    for file in files:
        try:
            readable += files_of([file])
        except ValueError:
            all_readable = False
    has_video = any(file.is_mp4 for file in readable)
    return tuple(readable), has_video if has_video or all_readable else None


def _names(files: object) -> dict[str, str]:
    """The names of the MP4 and chat files that have an id, whatever else they lack."""
    return {
        file["id"]: name_of(
            view_of(_text(file.get("recording_type"))),
            _text(file.get("recording_start")) or "an unknown time",
        )
        for file in (files if isinstance(files, list) else [])
        if isinstance(file, dict) and _text(file.get("id")) and _is_wanted(file)
    }


def _object(about: dict[str, Any], object_type: type[_ObjectType]) -> _ObjectType:
    """ValueError (msgspec's is one) if a required field is missing or wrong."""
    given = {key: value for key, value in about.items() if value not in (None, "")}
    if "topic" in about and about["topic"] == "":
        given["topic"] = ""
    known = msgspec.convert(given, object_type, strict=False)
    _subject(known, Origin.WEBHOOK).check()
    return known


def _subject(known: _Object, origin: Origin) -> Subject:
    return Subject(
        meeting_id=known.id,
        recording_id=known.uuid,
        topic=known.topic,
        start_time=known.start_time,
        origin=origin,
    )


def _what_is_known(about: dict[str, Any], origin: Origin) -> Subject:
    """The recording, with 0 and "" for what can't be read."""
    start_time = _text(about.get("start_time"))
    subject = Subject(
        meeting_id=_number(about.get("id")),
        recording_id=about["uuid"],
        topic=_text(about.get("topic")),
        start_time=start_time,
        origin=origin,
    )
    try:
        subject.check()
    except ValueError:
        return msgspec.structs.replace(subject, start_time="")
    return subject


def _number(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_NUMBER:
        return value
    return 0


def _minutes(value: object) -> int | float:
    """A duration in minutes, 0 if it can't be read."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if 0 <= value <= LONGEST_MINUTES else 0
    return 0


def _size(value: object) -> int | UnsetType:
    """Bytes, where they can be read: no recording is refused for what only checks it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= LARGEST_NUMBER else UNSET
    return _number(value) or UNSET


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def files_of(recording_files: Iterable[dict[str, Any]]) -> tuple[RecordingFile, ...]:
    """The MP4 and chat files among Zoom's. ValueError if one of these lacks a field."""
    return tuple(_file(file) for file in recording_files if _is_wanted(file))


def _is_wanted(file: object) -> bool:
    """Whether a file is an MP4 or a chat. One without a type counts by what else it says."""
    if not isinstance(file, dict):
        raise ValueError("a recording file is not an object")
    file_type = _text(file.get("file_type"))
    if file_type:
        return file_type.upper() in ("MP4", "CHAT")
    video = _text(file.get("file_extension")).upper() == "MP4"
    recording_type = _text(file.get("recording_type"))
    return video or view_of(recording_type) in VIEWS - {CHAT} or recording_type in OTHER_VIDEOS


def _file(file: dict[str, Any]) -> RecordingFile:
    """ValueError if a field is missing. Of an unfinished file Zoom doesn't know everything yet."""
    given = {key: value for key, value in file.items() if value not in (None, "")}
    given["recording_id"] = given.pop("id", UNSET)
    given["file_size"] = _size(given.get("file_size"))
    given["file_extension"] = _text(given.get("file_extension")) or UNSET
    status = _text(file.get("status")).lower()
    if status and status != "completed":
        given.setdefault("download_url", "")
        given.setdefault("recording_end", given.get("recording_start"))
        given["status"] = status
    else:
        given.pop("status", None)
    known = {key: value for key, value in given.items() if value is not UNSET}
    return msgspec.convert(known, RecordingFile)
