"""What Opencast is told of a recording: which files are kept, and the form's parts in order."""

from __future__ import annotations

import hashlib
import uuid as uuids
from collections.abc import Callable, Sequence

import msgspec

from ingester.opencast import flavors
from ingester.pipeline.messages import StagedFile, UploadMessage
from ingester.recording import pauses as spans
from ingester.recording.files import CHAT, VIEWS
from ingester.recording.pauses import RecordingEvent

LICENSE = "Creative Commons 3.0: Attribution-NonCommercial-NoDerivs"
_TYPES = {"Lecture": "L", "Section": "S"}
OTHER_TYPE = "P"

CHAT_PARTS = {"attachment": "attachmentUri", "track": "mediaUri", "none": ""}
"""`OC_CHAT_AS` → the part that a chat file goes as. Only DCE's Opencast knows `attachmentUri`."""


def media_package_id(uuid: str) -> str:
    """The id of a recording's event: always the same, so that it can be asked for."""
    return str(uuids.UUID(hashlib.md5(uuid.encode(), usedforsecurity=False).hexdigest()))


class Kept(msgspec.Struct, frozen=True):
    """The files to ingest by view, and the (start, end) of their segments in order."""

    views: dict[str, tuple[StagedFile, ...]]
    segments: tuple[tuple[str, str], ...]


def keep(message: UploadMessage, minimum_minutes: float) -> Kept | None:
    """Drops a first segment that is too short, as when a host tries out the button; None if
    no video is left.

    A view's first file goes if it belongs to segment 0 and lasts under `minimum_minutes`; with
    it go the chat and the times of segment 0. The times of views that nobody knows count only if
    there is no other video: one of them is the presenter then.
    """
    dropped = False
    views: dict[str, tuple[StagedFile, ...]] = {}
    for view, staged in message.s3_files.items():
        files = staged.segments
        if view != CHAT and files and _is_false_start(files[0], minimum_minutes):
            dropped = True
            files = files[1:]
        views[view] = files
    if dropped and CHAT in views:
        views[CHAT] = tuple(file for file in views[CHAT] if file.segment_num != 0)
    views = {view: files for view, files in views.items() if files}
    if dropped and not any(view != CHAT for view in views):
        return None
    has_known = any(view in VIEWS and view != CHAT for view in views)
    segments: dict[int, tuple[str, str]] = {}
    for view, files in views.items():
        for file in files if view in VIEWS or not has_known else ():
            if not (dropped and file.segment_num == 0):
                times = (file.recording_start, file.recording_end)
                segments.setdefault(file.segment_num, times)
    return Kept(views, tuple(segments[number] for number in sorted(segments)))


def _is_false_start(file: StagedFile, minimum_minutes: float) -> bool:
    return file.segment_num == 0 and file.ffprobe_seconds < minimum_minutes * 60


def _choice(kept: Kept) -> list[str]:
    """The views to choose from: of those that nobody knows only videos, which have seconds."""
    return [
        view
        for view, files in kept.views.items()
        if view in VIEWS or any(file.ffprobe_seconds for file in files)
    ]


class Publishing(msgspec.Struct, frozen=True, kw_only=True):
    """What the site and the series decide about a media package."""

    publisher: str
    contributor: str
    series_catalog: str
    chat_as: str


def form(
    media_package: str,
    message: UploadMessage,
    kept: Kept,
    events: Sequence[RecordingEvent],
    publishing: Publishing,
    address_of: Callable[[StagedFile], str],
) -> list[tuple[str, str]]:
    """The parts of Opencast's ingest form, in the order that it needs: a flavor, then its file.

    NoPresenter if none of the views can be published.
    """
    parts = [
        ("identifier", media_package),
        ("title", message.oc_title),
        ("type", _TYPES.get(message.oc_title, OTHER_TYPE)),
        ("isPartOf", message.opencast_series_id),
        ("license", LICENSE),
        ("publisher", publishing.publisher),
        *([("contributor", publishing.contributor)] if publishing.contributor else []),
        ("created", message.created),
        ("language", "en"),
        ("seriesDCCatalog", publishing.series_catalog),
        ("source", f"ZIP-{message.uuid}"),
        ("spatial", f"Zoom {message.zoom_series_id}"),
        ("zoomMeetingStart", message.created),
        ("zoomRecordingTimes", spans.recording_times(kept.segments, events)),
    ]
    choose = flavors.for_archiving if message.ingest_all_mp4 else flavors.for_publishing
    for view, flavor in choose(_choice(kept)).items():
        name = CHAT_PARTS[publishing.chat_as] if view == CHAT else "mediaUri"
        for file in kept.views[view] if name else ():
            parts += [("flavor", flavor), (name, address_of(file))]
    return parts
