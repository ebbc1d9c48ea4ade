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

from ingester.errors import BadRequest
from ingester.neighbours.zoom_json import readable
from ingester.rules import reasons, timestamps
from ingester.rules.messages import DownloadMessage, RecordingFile
from ingester.rules.recording import CHAT, VIEWS, Subject, automated, view_of
from ingester.rules.spans import RecordingEvent
from ingester.rules.states import Origin, State
from ingester.rules.status_row import Asked

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
REMOVAL_EVENTS = {
    "recording.trashed": "The recording was moved to the trash in Zoom",
    "recording.deleted": "The recording was deleted in Zoom",
}

RECOVERED = "recording.recovered"

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
    """A recording was trashed or deleted in Zoom; `notice` is the sentence for its row."""

    uuid: str
    meeting_id: int
    notice: str


class RecoveryNotification(msgspec.Struct, frozen=True):
    """A recording is back from Zoom's trash."""

    uuid: str
    meeting_id: int


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

    def message(self, zip_id: str, is_partial: bool, now: datetime) -> DownloadMessage:
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
            zoom_processing_minutes=UNSET if self.on_demand else self._processing_minutes(now),
            force=options.force,
            override_series_id=options.override_series_id,
            ignore_schedule=options.ignore_schedule,
            is_partial=is_partial or UNSET,
        )

    def _processing_minutes(self, now: datetime) -> float:
        """Whole minutes that Zoom took, from the meeting's end until this notification."""
        end = timestamps.parse(self.subject.start_time) + timedelta(minutes=self.duration)
        return float(math.floor((now - end).total_seconds() / 60))

    @property
    def asked(self) -> Asked | None:
        """What its row is to say that it asked for; None if "+Zoom" has written that already."""
        if self.on_demand and not self.options.force:
            return None
        return Asked(oc_series_id=self.options.override_series_id or "")


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

    def __init__(self, problem: str, uuid: str, subject: Subject | None, zip_id: str) -> None:
        super().__init__(f"{reasons.BAD_DATA}: {problem}")
        self.uuid = uuid
        self.subject = subject
        self.zip_id = zip_id


_MINUTES = Meta(ge=0, le=1_000_000)


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

    A status event that lacks a field is Unhandled: Zoom can't do anything about it. An ingest
    event that lacks one is answered with a BadIngest (not raised: its signature may still have
    to be judged by the event's name). BadRequest if the rest can't be read.
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
    ingest = event in (COMPLETED, ON_DEMAND)
    others = {URL_VALIDATION, RECOVERED, *REMOVAL_EVENTS}
    if not (ingest or event in STATUS_EVENTS or event in others):
        return Unhandled(event)
    payload = content.get("payload")
    if not isinstance(payload, dict):
        raise BadRequest("The body has no payload.")
    if event == URL_VALIDATION:
        token = payload.get("plainToken")
        if not isinstance(token, str) or not token:
            raise BadRequest("The payload has no plainToken.")
        return UrlValidation(token)
    about = payload.get("object")
    uuid = about.get("uuid") if isinstance(about, dict) else None
    if not isinstance(about, dict) or not isinstance(uuid, str) or not uuid:
        raise BadRequest("The payload has no object with a uuid.")
    if event in REMOVAL_EVENTS:
        return RemovalNotification(uuid, _number(about.get("id")), REMOVAL_EVENTS[event])
    if event == RECOVERED:
        return RecoveryNotification(uuid, _number(about.get("id")))
    if not ingest:
        return _status(event, content, about)
    token = content.get("download_token")
    if not isinstance(token, str) or not token:
        raise BadRequest("The body has no download_token.")
    return _ingest(event, payload, about, token)


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


def _ingest(
    event: str, payload: dict[str, Any], about: dict[str, Any], token: str
) -> IngestNotification | BadIngest:
    on_demand = event == ON_DEMAND
    own_row = automated(about["uuid"])
    zip_id = _text(payload.get("zip_id")) if on_demand else own_row
    origin = Origin.WEBHOOK if zip_id == own_row else Origin.ON_DEMAND
    try:
        known = _object(about, _IngestObject)
        options = IngestOptions()
        if on_demand:
            given = {key: value for key, value in payload.items() if value is not None}
            options = msgspec.convert(given, IngestOptions)
        files = files_of(known.recording_files)
    except ValueError as error:
        return BadIngest(str(error), about["uuid"], _what_is_known(about, origin), zip_id)
    return IngestNotification(
        subject=_subject(known, origin),
        on_demand=on_demand,
        host_id=known.host_id,
        duration=known.duration,
        files=files,
        total_size=_size(known.total_size),
        download_token=token,
        options=options,
    )


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


def _what_is_known(about: dict[str, Any], origin: Origin) -> Subject | None:
    number = _number(about.get("id"))
    if not number:
        return None
    return Subject(
        meeting_id=number,
        recording_id=about["uuid"],
        topic=_text(about.get("topic")),
        start_time=_text(about.get("start_time")),
        origin=origin,
    )


def _number(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_NUMBER:
        return value
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
    return video or view_of(_text(file.get("recording_type"))) in VIEWS - {CHAT}


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
