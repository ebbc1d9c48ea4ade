"""Build the message to the uploader from the staged files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

import msgspec

from ingester import timestamps
from ingester.pipeline.messages import DownloadMessage, StagedFile, StagedView, UploadMessage


class FileOfView(msgspec.Struct, frozen=True):
    """A staged file and its view."""

    view: str
    file: StagedFile


class Staged(msgspec.Struct, frozen=True):
    """Result of staging a recording.

    Attributes:
        files: The staged files.
        missing: View and segment of each file that Zoom didn't provide.
        unusable: A sentence with the reason for each video that can't be checked.
    """

    files: tuple[FileOfView, ...]
    missing: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Sentences for the status row about unusable and missing files; "" if there are none."""
        sentences = list(self.unusable)
        if self.missing:
            sentences.append(
                f"Zoom answered with a page instead of {len(self.missing)} of the files, which "
                f"stay outside: {', '.join(self.missing)}."
            )
        return " ".join(sentences)


def _views_of(staged: Sequence[FileOfView]) -> dict[str, StagedView]:
    """Group files by view. The files of a view are in the order of their segments."""
    views: dict[str, list[StagedFile]] = {}
    for item in sorted(staged, key=lambda item: item.file.segment_num):
        views.setdefault(item.view, []).append(item.file)
    return {
        view: StagedView(
            segments=tuple(files),
            view_bytes=sum(file.ffprobe_bytes for file in files),
            view_seconds=sum(file.ffprobe_seconds for file in files),
        )
        for view, files in views.items()
    }


def upload_message(
    message: DownloadMessage,
    staged: Sequence[FileOfView],
    *,
    series_id: str,
    title: str,
    zone: tzinfo,
) -> UploadMessage:
    """Build the upload message of a recording.

    Args:
        message: The download message.
        staged: The staged files.
        series_id: Id of the Opencast series.
        title: Title of the event in Opencast.
        zone: Time zone of the local start time.
    """
    views = _views_of(staged)
    longest_by_segment: dict[int, int | float] = {}
    for item in staged:
        number, seconds = item.file.segment_num, item.file.ffprobe_seconds
        longest_by_segment[number] = max(seconds, longest_by_segment.get(number, 0))
    start: datetime = timestamps.parse(message.start_time)
    return UploadMessage(
        uuid=message.uuid,
        zoom_series_id=message.zoom_series_id,
        opencast_series_id=series_id,
        oc_title=title,
        topic=message.topic,
        created=message.start_time,
        created_local=timestamps.write_local(start, zone),
        webhook_received_time=message.received_time,
        zip_id=message.zip_id,
        s3_files=views,
        total_file_bytes=sum(view.view_bytes for view in views.values()),
        total_file_seconds=sum(view.view_seconds for view in views.values()),
        total_segment_seconds=sum(longest_by_segment.values()),
        allow_multiple_ingests=message.allow_multiple_ingests,
        zoom_processing_minutes=message.zoom_processing_minutes,
        ingest_all_mp4=message.ingest_all_mp4,
        oc_workflow=message.oc_workflow,
    )
