"""Build a recording's media package: its id, the files to ingest, captions, and the ingest form."""

from __future__ import annotations

import hashlib
import uuid as uuids
from collections.abc import Callable, Mapping, Sequence

import msgspec

from ingester.opencast import flavors
from ingester.pipeline.messages import (
    CAPTIONS,
    CHAPTERS,
    SUMMARIES,
    CaptionTrack,
    StagedFile,
    UploadMessage,
)
from ingester.recording.files import CHAT, VIEWS
from ingester.recording.pauses import RecordingEvent, recording_times
from ingester.recording.timeline import Timeline, timeline_of

LICENSE = "Creative Commons 3.0: Attribution-NonCommercial-NoDerivs"
_TYPES = {"Lecture": "L", "Section": "S"}
OTHER_TYPE = "P"
CAPTIONS_FLAVOR = "captions/source"
CHAPTERS_FLAVOR = "chapters/source"
"""Flavor of chapters.

Sources: https://github.com/opencast/opencast/pull/7237, and `getChapters` in
https://github.com/polimediaupv/paella-opencast
"""

ATTACHMENT = "attachmentUri"
CHAT_PARTS = {"attachment": ATTACHMENT, "track": "mediaUri", "none": ""}
"""Name of the form's part for a chat file, by `OC_CHAT_AS`; "" if chats aren't ingested.

Only DCE's Opencast has `attachmentUri`.
"""


def media_package_id(uuid: str) -> str:
    """Return the id of a recording's media package and event, which depends on the uuid only."""
    return str(uuids.UUID(hashlib.md5(uuid.encode(), usedforsecurity=False).hexdigest()))


class KeptFiles(msgspec.Struct, frozen=True):
    """The files of a recording to ingest.

    Attributes:
        views: The files of each view, in the order of their segments.
        segments: Start and end of each segment, in order.
    """

    views: dict[str, tuple[StagedFile, ...]]
    segments: tuple[tuple[str, str], ...]


def select_files(message: UploadMessage, minimum_minutes: float) -> KeptFiles | None:
    """Select the files to ingest, without a false start: a first segment that is too short.

    The first file of a view other than the chat is dropped if it belongs to segment 0 and lasts
    less than `minimum_minutes`. Then the chat and the times of segment 0 are dropped as well.

    Returns:
        The files; None if no video is left after a false start.
    """
    has_false_start = False
    views: dict[str, tuple[StagedFile, ...]] = {}
    for view, staged in message.s3_files.items():
        files = staged.segments
        if view != CHAT and files and _is_false_start(files[0], minimum_minutes):
            has_false_start = True
            files = files[1:]
        views[view] = files
    if has_false_start and CHAT in views:
        views[CHAT] = tuple(file for file in views[CHAT] if file.segment_num != 0)
    views = {view: files for view, files in views.items() if files}
    if has_false_start and not any(view != CHAT for view in views):
        return None
    times = _times_by_segment(views)
    if has_false_start:
        times.pop(0, None)
    return KeptFiles(views, tuple(times[number] for number in sorted(times)))


def _is_false_start(file: StagedFile, minimum_minutes: float) -> bool:
    return file.segment_num == 0 and file.ffprobe_seconds < minimum_minutes * 60


def _times_by_segment(
    views: Mapping[str, Sequence[StagedFile]],
) -> dict[int, tuple[str, str]]:
    """Return the start and end of each segment, by the segment's number.

    Views of unknown types count only if there is no other video, because one of these views then is
    the presenter.
    """
    has_known_video = any(view in VIEWS and view != CHAT for view in views)
    times: dict[int, tuple[str, str]] = {}
    for view, files in views.items():
        if view in VIEWS or not has_known_video:
            for file in files:
                times.setdefault(file.segment_num, (file.recording_start, file.recording_end))
    return times


def _views_to_choose_from(kept: KeptFiles) -> list[str]:
    """Return the views from which the views to ingest are chosen.

    A view of an unknown type whose files have no duration isn't a video, and is left out.
    """
    return [
        view
        for view, files in kept.views.items()
        if view in VIEWS or any(file.ffprobe_seconds for file in files)
    ]


def _chosen(message: UploadMessage, kept: KeptFiles) -> dict[str, str]:
    """Return the flavors of the views to ingest, in the order of the ingest form.

    Raises:
        NoPresenter: There is no video to ingest.
    """
    choose = flavors.for_archiving if message.ingest_all_mp4 else flavors.for_publishing
    return choose(_views_to_choose_from(kept))


def timeline(message: UploadMessage, kept: KeptFiles) -> Timeline:
    """Return the position of each segment in the joined video of the first view.

    Raises:
        NoPresenter: There is no video to ingest.
    """
    return timeline_of(kept.views[next(iter(_chosen(message, kept)))])


def takes_attachments(chat_as: str) -> bool:
    """Return whether Opencast takes attachments, according to `OC_CHAT_AS`."""
    return CHAT_PARTS[chat_as] == ATTACHMENT


def caption_flavor(kind: str) -> str:
    """Return the flavor of a track of captions or chapters, or of a summary."""
    if kind in SUMMARIES:
        return f"{kind}/source"
    return CHAPTERS_FLAVOR if kind == CHAPTERS else CAPTIONS_FLAVOR


def caption_tags(kind: str, language: str) -> tuple[str, ...]:
    """Return the tags by which Opencast's player recognizes a track of captions.

    Chapters have no tags, because the player takes the first track with the chapters' flavor.
    Summaries have no tags, because no player shows them.

    Source for `lang`, `generator-type`, `generator` and `type`:
    https://docs.opencast.org/r/17.x/admin/configuration/subtitles
    """
    if kind == CHAPTERS or kind in SUMMARIES:
        return ()
    shown_as = "subtitle" if kind == CAPTIONS["TRANSCRIPT"] else "closed-caption"
    return (f"lang:{language}", "generator-type:auto", "generator:zoom", f"type:{shown_as}")


def caption_parts(track: CaptionTrack, address: str, language: str) -> list[tuple[str, str]]:
    """Return the form's parts for captions, chapters or a summary.

    Opencast applies the flavor and the tags to the file that follows them.
    """
    tags = [("tag", tag) for tag in caption_tags(track.kind, language)]
    name = ATTACHMENT if track.kind in SUMMARIES else "mediaUri"
    return [("flavor", caption_flavor(track.kind)), *tags, (name, address)]


class Publishing(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an ingest form that depend on the settings and the series.

    Attributes:
        publisher: Publisher of the event.
        contributor: Contributor of the event; "" for none.
        series_catalog: Dublin Core catalog of the series in Opencast's JSON.
        chat_as: A key of `CHAT_PARTS`.
    """

    publisher: str
    contributor: str
    series_catalog: str
    chat_as: str


def form(
    media_package: str,
    message: UploadMessage,
    kept: KeptFiles,
    events: Sequence[RecordingEvent],
    publishing: Publishing,
    address_of: Callable[[StagedFile], str],
) -> list[tuple[str, str]]:
    """Build the parts of Opencast's ingest form, in the order that Opencast needs.

    Each file's part follows the part with the file's flavor.

    Args:
        media_package: Id of the media package.
        message: The upload message.
        kept: The files to ingest.
        events: Zoom's recording events, for the pauses.
        publishing: Parts that depend on the settings and the series.
        address_of: Returns the URL from which Opencast fetches a file.

    Raises:
        NoPresenter: There is no video to ingest.
        OverflowError: See `recording_times`.
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
        ("zoomRecordingTimes", recording_times(kept.segments, events)),
    ]
    for view, flavor in _chosen(message, kept).items():
        name = CHAT_PARTS[publishing.chat_as] if view == CHAT else "mediaUri"
        for file in kept.views[view] if name else ():
            parts += [("flavor", flavor), (name, address_of(file))]
    return parts
