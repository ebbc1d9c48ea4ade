"""What the downloader staged, as the message to the uploader says it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

import msgspec

from ingester import timestamps
from ingester.pipeline.messages import DownloadMessage, StagedFile, StagedView, UploadMessage


class StagedPiece(msgspec.Struct, frozen=True):
    """A staged file and the view it belongs to."""

    view: str
    file: StagedFile


class Staged(msgspec.Struct, frozen=True):
    """What became of a recording's files. `missing` are the files that Zoom didn't hand out,
    each by its view and segment.
    """

    pieces: tuple[StagedPiece, ...]
    missing: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What the row says of it; "" if nothing is missing."""
        if not self.missing:
            return ""
        return (
            f"Zoom answered with a page instead of {len(self.missing)} of the files, which stay "
            f"outside: {', '.join(self.missing)}."
        )


def views_of(pieces: Sequence[StagedPiece]) -> dict[str, StagedView]:
    """The pieces by view, a view's files in the order of the segments."""
    views: dict[str, list[StagedFile]] = {}
    for piece in sorted(pieces, key=lambda piece: piece.file.segment_num):
        views.setdefault(piece.view, []).append(piece.file)
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
    pieces: Sequence[StagedPiece],
    *,
    series_id: str,
    title: str,
    zone: tzinfo,
) -> UploadMessage:
    """The upload message of a recording whose files are all staged."""
    views = views_of(pieces)
    longest: dict[int, int | float] = {}
    for piece in pieces:
        number, seconds = piece.file.segment_num, piece.file.ffprobe_seconds
        longest[number] = max(seconds, longest.get(number, 0))
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
        total_segment_seconds=sum(longest.values()),
        allow_multiple_ingests=message.allow_multiple_ingests,
        zoom_processing_minutes=message.zoom_processing_minutes,
        ingest_all_mp4=message.ingest_all_mp4,
        oc_workflow=message.oc_workflow,
    )
