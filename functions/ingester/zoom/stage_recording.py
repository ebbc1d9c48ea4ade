"""Copy all files of one recording from Zoom to the staging bucket, and check each of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec import UNSET

from ingester.errors import FileGone, PermanentFailure
from ingester.pipeline.messages import DownloadMessage, RecordingFile, StagedFile
from ingester.recording.files import extension_of, segment_numbers, staging_key, view_names
from ingester.recording.upload_message import FileOfView, Staged
from ingester.transfer.engine import Engine
from ingester.transfer.plan import Copied, Copy, Target
from ingester.transfer.ranges import EmptyFile, Source
from ingester.zoom.download import NotAFile
from ingester.zoom.download_token import Access, AccessInUse

logger = logging.getLogger("ingester.transfer")


class Movie(Protocol):
    """What the staging needs to know about a video: its duration in seconds."""

    @property
    def seconds(self) -> float: ...


ReadRange = Callable[[str, int, int], bytes]
"""Reads `length` bytes at `offset` of the object `key`: `recording.staging_bucket.Staging`."""

Inspect = Callable[[str, Callable[[int, int], bytes], int], Movie]
"""Inspects the video `key` of `size` bytes by a function that reads it: `transfer.mp4.inspect`."""

OpenFile = Callable[[str, str, AccessInUse], Source]
"""Opens the file of an id, a download_url and an access: `zoom.download.ZoomFile`."""


@dataclass(frozen=True)
class RecordingTransfer:
    """Copy a recording to the staging bucket.

    Attributes:
        engine: Copies the files.
        open_file: Opens a file at Zoom.
        read_range: Reads a staged file.
        inspect: Checks a staged video.
        refresh: Gets a fresh access from Zoom's API when Zoom refuses the message's.
    """

    engine: Engine
    open_file: OpenFile
    read_range: ReadRange
    inspect: Inspect
    refresh: Callable[[], Access]

    def run(self, message: DownloadMessage) -> Staged:
        """Stage every file that Zoom provides.

        Returns:
            The staged files in the message's order, and the names of the missing ones. An empty
            chat is in neither.

        Raises:
            FileGone: Zoom provides no MP4.
            Refused: Zoom refuses a file even with a fresh token.
            TransferFailed, ZoomUnreachable, AwsFailed: A retry may help.
            OutOfTime: The next invocation has to continue.
        """
        access = AccessInUse(Access(message.download_token), self.refresh)
        files, views = message.recording_files, view_names(message.recording_files)
        segments = segment_numbers(files)
        results = self.engine.copy(
            [
                self._copy(message, file, view, segments[file.recording_start], access)
                for file, view in zip(files, views, strict=True)
            ]
        )
        staged: list[FileOfView] = []
        missing: list[str] = []
        for file, view, result in zip(files, views, results, strict=True):
            segment = segments[file.recording_start]
            if isinstance(result, Copied):
                staged.append(FileOfView(view, _staged_file(file, segment, result)))
            else:
                logger.warning("Skipped %s of segment %d: %s", view, segment, result)
                if not isinstance(result, EmptyFile):
                    missing.append(f"{view} of segment {segment}")
        if not any(piece.file.ffprobe_seconds for piece in staged):
            raise FileGone("Zoom handed out none of the recording's MP4 files.")
        return Staged(tuple(staged), tuple(missing))

    def _copy(
        self,
        message: DownloadMessage,
        file: RecordingFile,
        view: str,
        segment: int,
        access: AccessInUse,
    ) -> Copy:
        def target_of(name: str) -> Target:
            extension = extension_of(name) or _extension_by_type(file)
            return Target(
                staging_key(
                    message.zoom_series_id,
                    message.start_time,
                    segment,
                    view,
                    file.recording_id,
                    extension,
                ),
                {"uuid": message.uuid, "file_id": file.recording_id, "file_type": extension},
            )

        def inspect(key: str, size: int) -> Movie:
            read = self.read_range
            return self.inspect(key, lambda offset, length: read(key, offset, length), size)

        skips: tuple[type[PermanentFailure], ...] = (NotAFile,)
        return Copy(
            label=f"{view} of segment {segment}",
            source=self.open_file(file.recording_id, file.download_url, access),
            target_of=target_of,
            expected_size=None if file.file_size is UNSET else file.file_size,
            inspect=inspect if file.is_mp4 else None,
            skips=(*skips, EmptyFile) if file.is_chat else skips,
        )


def _staged_file(file: RecordingFile, segment: int, copied: Copied) -> StagedFile:
    return StagedFile(
        filename=copied.key,
        segment_num=segment,
        recording_start=file.recording_start,
        recording_end=file.recording_end,
        ffprobe_bytes=copied.size if file.is_mp4 else 0,
        ffprobe_seconds=copied.inspected.seconds if file.is_mp4 else 0,
        file_id=file.recording_id,
    )


def _extension_by_type(file: RecordingFile) -> str:
    """Return the extension for a file that Zoom's download host sends without a name."""
    extension = "" if file.file_extension is UNSET else file.file_extension
    return (extension or ("mp4" if file.is_mp4 else "txt")).lower()
