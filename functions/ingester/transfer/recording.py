"""All files of one recording from Zoom to the staging bucket, each checked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import UNSET

from ingester.errors import FileUnavailable
from ingester.retry import Sleep
from ingester.rules.messages import DownloadMessage, RecordingFile, StagedFile
from ingester.rules.recording import extension_of, segment_numbers, staging_key, view_names
from ingester.rules.staged import StagedPiece
from ingester.transfer.copy import Copied, EmptyFile, Store, Target, copy_file
from ingester.transfer.source import NotAFile, Refused, ZoomSource

logger = logging.getLogger("ingester.transfer")


class Movie(Protocol):
    """What is asked of a container: its duration in seconds."""

    @property
    def seconds(self) -> float: ...


Inspect = Callable[[str, Callable[[int, int], bytes], int], Movie]
"""(key, read_range, size) → what the container says; `transfer.mp4.inspect`."""


@dataclass(frozen=True)
class Access:
    """How files are reached: the token, and addresses by file id in place of the message's."""

    token: str
    urls: Mapping[str, str] = field(default_factory=dict)
    is_fresh: bool = False


@dataclass
class _AccessInUse:
    """The message's access until Zoom refuses it, then a fresh one, asked for once a recording.

    Tokens die after 24 h, and a queue keeps a message for 14 days.
    """

    now: Access
    refresh: Callable[[], Access]

    def renew(self) -> None:
        if not self.now.is_fresh:
            self.now = self.refresh()


@dataclass(frozen=True)
class RecordingTransfer:
    """Copies a recording. `refresh` gets a fresh access from Zoom's API when one is refused."""

    source: ZoomSource
    store: Store
    inspect: Inspect
    refresh: Callable[[], Access]
    sleep: Sleep

    def run(self, wanted: DownloadMessage) -> list[StagedPiece]:
        """Every file that Zoom hands out, staged, in the message's order; an empty chat is none.

        FileUnavailable if no MP4 is left, or Zoom refuses a file with a fresh token as well;
        TransferFailed and ZoomUnreachable when it may go better later.
        """
        access = _AccessInUse(Access(wanted.download_token), self.refresh)
        segments = segment_numbers(wanted.recording_files)
        pieces: list[StagedPiece] = []
        for file, view in zip(
            wanted.recording_files, view_names(wanted.recording_files), strict=True
        ):
            segment = segments[file.recording_start]
            try:
                staged = self._stage(wanted, file, view, segment, access)
            except (NotAFile, EmptyFile) as error:
                if isinstance(error, EmptyFile) and not file.is_chat:
                    raise
                logger.warning("Skipped %s of segment %d: %s", view, segment, error)
                continue
            pieces.append(StagedPiece(view, staged))
        if not any(piece.file.ffprobe_seconds for piece in pieces):
            raise FileUnavailable("Zoom handed out none of the recording's MP4 files.")
        return pieces

    def _stage(
        self,
        wanted: DownloadMessage,
        file: RecordingFile,
        view: str,
        segment: int,
        access: _AccessInUse,
    ) -> StagedFile:
        def target_of(name: str) -> Target:
            extension = extension_of(name) or _told_extension(file)
            key = staging_key(wanted.zoom_series_id, wanted.start_time, segment, view, extension)
            metadata = {
                "uuid": wanted.uuid,
                "file_id": file.recording_id,
                "file_type": extension,
            }
            return Target(key, metadata)

        try:
            copied = self._copy(file, access, target_of)
        except Refused:
            if access.now.is_fresh:
                raise
            access.renew()
            copied = self._copy(file, access, target_of)
        seconds: int | float = 0
        if file.is_mp4:
            key = copied.key
            movie = self.inspect(
                key,
                lambda offset, length: self.store.read_range(key, offset, length),
                copied.size,
            )
            seconds = movie.seconds
        return StagedFile(
            filename=copied.key,
            segment_num=segment,
            recording_start=file.recording_start,
            recording_end=file.recording_end,
            ffprobe_bytes=copied.size if file.is_mp4 else 0,
            ffprobe_seconds=seconds,
        )

    def _copy(
        self, file: RecordingFile, access: _AccessInUse, target_of: Callable[[str], Target]
    ) -> Copied:
        url = access.now.urls.get(file.recording_id, file.download_url)
        copied = copy_file(
            lambda: self.source.open(url, access.now.token),
            target_of,
            self.store,
            expected_size=None if file.file_size is UNSET else file.file_size,
            sleep=self.sleep,
        )
        logger.info("Staged %s", copied.key, extra={"bytes": copied.size})
        return copied


def _told_extension(file: RecordingFile) -> str:
    """The extension that Zoom's data tell, for a file that is handed out without a name."""
    told = "" if file.file_extension is UNSET else file.file_extension
    return (told or ("mp4" if file.is_mp4 else "txt")).lower()
