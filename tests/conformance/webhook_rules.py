"""Rules for allowed differences between the webhook and the first system for the same request.

Each rule depends on one request and the first system's answer, never on a case's number. So other
recorded cases pass too, and several rules may apply to one case. The rules quote sections of the
specification (see `vectors.py`).
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import Enum
from typing import Any

from ingester.recording.files import CHAT, VIEWS, view_of
from ingester.zoom.webhook_events import OTHER_VIDEOS

COMPLETED = "recording.completed"
INGEST_EVENTS = (COMPLETED, "on.demand.ingest")
FILE_FIELDS = (
    "id",
    "recording_start",
    "recording_end",
    "download_url",
    "file_type",
    "recording_type",
)
UNKNOWN_UNTIL_FINISHED = {"download_url", "recording_end"}
"""Fields that Zoom leaves out while it processes a file."""

Request = dict[str, Any]
File = dict[str, Any]


class Outcome(Enum):
    """The expected reaction of the webhook to a request."""

    ACCEPTED = "a message on the download queue"
    IGNORED = "no MP4 among the files"
    FAILED = "refused, with a failed row"
    REFUSED = "refused without a row: the recording is unknown"
    OTHER = "no request for an ingest"


def is_ingest(request: Request) -> bool:
    return request.get("event") in INGEST_EVENTS


def payload_of(request: Request) -> dict[str, Any]:
    return _mapping(request.get("payload"))


def object_of(request: Request) -> dict[str, Any]:
    return _mapping(payload_of(request).get("object"))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def uuid_of(request: Request) -> str:
    """Return the recording's uuid, "" if the request has none."""
    return _text(object_of(request).get("uuid"))


def zip_id_of(request: Request) -> str:
    """Return the key of the request's row, "" if the request has no id."""
    if request.get("event") == "on.demand.ingest":
        return _text(payload_of(request).get("zip_id"))
    return f"auto-ingest-{uuid_of(request)}" if uuid_of(request) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def files_of(request: Request) -> list[File]:
    files = object_of(request).get("recording_files")
    return [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []


def needed_files(request: Request) -> list[File]:
    """Return the files that have to be complete: MP4s and chats.

    Section 3: "other files need nothing [fixed] (a file without `file_type` counts as MP4 if its
    extension or recording type says video: then 400; else it is one of the others)".
    """
    return [file for file in files_of(request) if is_mp4(file) or _type(file) == "CHAT"]


def is_mp4(file: File) -> bool:
    if file.get("file_type"):
        return _type(file) == "MP4"
    video = str(file.get("file_extension", "")).upper() == "MP4"
    recording_type = str(file.get("recording_type", ""))
    return video or view_of(recording_type) in VIEWS - {CHAT} or recording_type in OTHER_VIDEOS


def _type(file: File) -> str:
    return str(file.get("file_type", "")).upper()


def is_readable(request: Request) -> bool:
    """Return whether a request is an ingest with the recording's uuid and a download token.

    Section 3: "no `payload`; no `payload.object.uuid`; ingest event without `download_token`: 400".
    """
    return is_ingest(request) and bool(uuid_of(request) and request.get("download_token"))


def is_unfinished(file: File) -> bool:
    return str(file.get("status") or "completed").lower() != "completed"


def has_whole_object(request: Request) -> bool:
    """Return whether all fields that an ingest's object requires, but for the uuid, are valid."""
    about = object_of(request)
    return (
        re.fullmatch(r"[0-9]+", str(about.get("id"))) is not None
        and isinstance(about.get("topic"), str)
        and isinstance(about.get("recording_files"), list)
        and bool(_text(about.get("host_id")))
        and isinstance(about.get("duration"), int | float)
        and _is_time(about.get("start_time"))
    )


def _is_time(value: object) -> bool:
    try:
        return datetime.fromisoformat(_text(value)).tzinfo is not None
    except ValueError:
        return False


def _is_whole(file: File, *, unfinished_may_lack: bool) -> bool:
    lacking = {name for name in FILE_FIELDS if not file.get(name)}
    may_lack = UNKNOWN_UNTIL_FINISHED if unfinished_may_lack and is_unfinished(file) else set()
    return not lacking - may_lack


def is_fixed(request: Request) -> bool:
    """Return whether a rule marked [fixed] removes the first system's reason to refuse an ingest.

    Section 3, about an ingest that lacks nothing else: files other than MP4s and chats "need
    nothing [fixed]". A file whose status isn't `completed` is accepted only in Zoom's own webhook
    event: "Zoom's own [fixed], accepted with a delay".
    """
    if not (is_readable(request) and has_whole_object(request)):
        return False
    is_zooms = request.get("event") == COMPLETED
    needed = needed_files(request)
    if not all(_is_whole(file, unfinished_may_lack=is_zooms) for file in needed):
        return False
    unfinished = any(is_unfinished(file) for file in needed)
    if unfinished and not is_zooms:
        return False
    others = [file for file in files_of(request) if file not in needed]
    return unfinished or any(not _is_whole(file, unfinished_may_lack=False) for file in others)


def is_asked_of_zoom(request: Request) -> bool:
    """Return whether Zoom's own webhook event is accepted despite a missing or invalid field.

    Section 3, "changed since": "A `recording.completed` that names a recording (uuid) is never
    refused for a field that Zoom's API can tell". A body without `event`, `payload` or uuid still
    gets a 400. An invalid request of the pipeline's own functions gets a 400, too.
    """
    return request.get("event") == COMPLETED and bool(uuid_of(request))


def has_surely_no_video(request: Request) -> bool:
    """Return whether a request has only readable files, and no video.

    The webhook sends no message for such a request, so nothing asks Zoom's API about the request.
    """
    files = object_of(request).get("recording_files")
    return (
        isinstance(files, list)
        and len(files_of(request)) == len(files)
        and not any(map(is_mp4, files))
        and all(_is_whole(file, unfinished_may_lack=True) for file in needed_files(request))
    )


def expected_status(request: Request, recorded: int) -> int:
    """Return the status that the webhook has to answer if the first system answered `recorded`."""
    if recorded != 400 or not is_ingest(request):
        return recorded
    if is_asked_of_zoom(request):
        return 204 if has_surely_no_video(request) else 200
    if not is_fixed(request):
        return 400
    return 200 if any(is_mp4(file) for file in files_of(request)) else 400


def outcome(request: Request, recorded: int) -> Outcome:
    """Return what the webhook has to do if the first system answered `recorded` to the request."""
    if not is_ingest(request):
        return Outcome.OTHER
    status = expected_status(request, recorded)
    if status == 200:
        return Outcome.ACCEPTED
    if status == 204 or (is_fixed(request) and not any(map(is_mp4, files_of(request)))):
        return Outcome.IGNORED
    return Outcome.FAILED if makes_a_failed_row(request) else Outcome.REFUSED


def makes_a_failed_row(request: Request) -> bool:
    """Return whether the webhook writes a failed row for a refused ingest.

    Section 3: "state `WEBHOOK_FAILED` ("Bad webhook data"; the row is made if it isn't there and
    `uuid` and `id` can be read [fixed])".
    """
    return bool(is_readable(request) and zip_id_of(request) and object_of(request).get("id"))
