"""All files of one recording from Zoom to the staging bucket, each checked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec import UNSET

from ingester.errors import EmptyFile, FileGone, NotAFile, PermanentFailure
from ingester.pipeline.messages import DownloadMessage, RecordingFile, StagedFile
from ingester.recording.files import extension_of, segment_numbers, staging_key, view_names
from ingester.recording.upload_message import Staged, StagedPiece
from ingester.transfer.engine import Engine
from ingester.transfer.plan import Copied, Copy, Target
from ingester.transfer.ranges import Source
from ingester.zoom.download_token import Access, AccessInUse

logger = logging.getLogger("ingester.transfer")


class Movie(Protocol):
    """What is asked of a container: its duration in seconds."""

    @property
    def seconds(self) -> float: ...


ReadRange = Callable[[str, int, int], bytes]
"""(key, offset, length) → that much of an object; `recording.staging_bucket.Staging`."""

Inspect = Callable[[str, Callable[[int, int], bytes], int], Movie]
"""(key, read, size) → what the container says; `transfer.mp4.inspect`."""

OpenFile = Callable[[str, str, AccessInUse], Source]
"""(file's id, download_url, access) → the file; `zoom.download.ZoomFile`."""


@dataclass(frozen=True)
class RecordingTransfer:
    """Copies a recording. `refresh` gets a fresh access from Zoom's API when one is refused."""

    engine: Engine
    open_file: OpenFile
    read_range: ReadRange
    inspect: Inspect
    refresh: Callable[[], Access]

    def run(self, wanted: DownloadMessage) -> Staged:
        """Every file that Zoom hands out, staged, in the message's order; an empty chat is none.

        FileGone if no MP4 is left, FileRefused if Zoom refuses a file with a fresh token as well;
        TransferFailed, ZoomUnreachable and AwsFailed when it may go better later; OutOfTime when
        the next invocation is to go on.
        """
        access = AccessInUse(Access(wanted.download_token), self.refresh)
        files, views = wanted.recording_files, view_names(wanted.recording_files)
        segments = segment_numbers(files)
        results = self.engine.copy(
            [
                self._copy(wanted, file, view, segments[file.recording_start], access)
                for file, view in zip(files, views, strict=True)
            ]
        )
        pieces: list[StagedPiece] = []
        missing: list[str] = []
        for file, view, result in zip(files, views, results, strict=True):
            segment = segments[file.recording_start]
            if isinstance(result, Copied):
                pieces.append(StagedPiece(view, _staged(file, segment, result)))
            else:
                logger.warning("Skipped %s of segment %d: %s", view, segment, result)
                if not isinstance(result, EmptyFile):
                    missing.append(f"{view} of segment {segment}")
        if not any(piece.file.ffprobe_seconds for piece in pieces):
            raise FileGone("Zoom handed out none of the recording's MP4 files.")
        return Staged(tuple(pieces), tuple(missing))

    def _copy(
        self,
        wanted: DownloadMessage,
        file: RecordingFile,
        view: str,
        segment: int,
        access: AccessInUse,
    ) -> Copy:
        def target_of(name: str) -> Target:
            extension = extension_of(name) or _told_extension(file)
            return Target(
                staging_key(
                    wanted.zoom_series_id,
                    wanted.start_time,
                    segment,
                    view,
                    file.recording_id,
                    extension,
                ),
                {"uuid": wanted.uuid, "file_id": file.recording_id, "file_type": extension},
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


def _staged(file: RecordingFile, segment: int, copied: Copied) -> StagedFile:
    return StagedFile(
        filename=copied.key,
        segment_num=segment,
        recording_start=file.recording_start,
        recording_end=file.recording_end,
        ffprobe_bytes=copied.size if file.is_mp4 else 0,
        ffprobe_seconds=copied.inspected.seconds if file.is_mp4 else 0,
        file_id=file.recording_id,
    )


def _told_extension(file: RecordingFile) -> str:
    """The extension that Zoom's data tell, for a file that is handed out without a name."""
    told = "" if file.file_extension is UNSET else file.file_extension
    return (told or ("mp4" if file.is_mp4 else "txt")).lower()
