"""Copy files of one recording from Zoom to the staging bucket, and check the videos."""

from __future__ import annotations

import logging
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from urllib.parse import quote

from msgspec import UNSET

from ingester.errors import (
    EmptyFile,
    FileGone,
    IngesterError,
    NotAFile,
    PermanentFailure,
    UnusableVideo,
)
from ingester.pipeline.messages import JSON_KINDS, DownloadMessage, RecordingFile, StagedFile
from ingester.recording.files import (
    extension_of,
    safe_extension,
    segment_numbers,
    staging_key,
    view_names,
)
from ingester.recording.upload_message import FileOfView, Staged
from ingester.transfer.engine import Engine
from ingester.transfer.plan import Copied, Copy, Target
from ingester.transfer.ranges import Source
from ingester.zoom.download_token import Access, AccessInUse

logger = logging.getLogger("ingester.transfer")

PRINTABLE = string.punctuation.replace("%", "")
"""The characters that `quote` leaves as they are, in addition to letters and digits."""

VIDEO_EXTENSIONS = frozenset({"mp4", "m4v", "m4a", "mov"})
TEXT_EXTENSIONS = frozenset({"txt", "vtt"})

MAX_METADATA = 500
"""Maximum number of characters of a value in an object's metadata, which may have 2 KB in all:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""


class Movie(Protocol):
    """A video with the one property that the staging needs: the duration in seconds."""

    @property
    def seconds(self) -> float: ...


ReadRange = Callable[[str, int, int], bytes]
"""A function that reads a range of a staged file, given the file's key, and the range's offset and
length in bytes (`recording.staging_bucket.Staging`)."""

Inspect = Callable[[str, Callable[[int, int], bytes], int], Movie]
"""A function that inspects a video (`transfer.mp4.inspect`). The arguments are a name for errors, a
function that reads bytes by offset and length, and the size in bytes."""


class OpenFile(Protocol):
    """A function that returns a file as a source, given the file's id, download_url and access.

    `is_json` says whether the file is JSON. A `partial` of `zoom.download.ZoomFile` has this
    signature.
    """

    def __call__(
        self, file_id: str, download_url: str, access: AccessInUse, /, *, is_json: bool = False
    ) -> Source: ...


@dataclass(frozen=True)
class _SourceFile:
    """A file at Zoom, with its view and the number of its segment."""

    file: RecordingFile
    view: str
    segment: int

    @property
    def label(self) -> str:
        return f"{self.view} of segment {self.segment}"


@dataclass(frozen=True)
class RecordingTransfer:
    """Copier of recordings to the staging bucket.

    Attributes:
        engine: Engine that copies the files.
        open_file: Returns a file at Zoom as a source.
        read_range: Reads a range of a staged file.
        inspect: Checks a staged video.
        refresh: Gets a new download token and new URLs from Zoom's API.
    """

    engine: Engine
    open_file: OpenFile
    read_range: ReadRange
    inspect: Inspect
    refresh: Callable[[], Access]

    def run(self, message: DownloadMessage) -> Staged:
        """Stage every file that Zoom provides and that is usable.

        Returns:
            The staged files in the message's order, and the missing and unusable files. An empty
            chat is left out.

        Raises:
            FileGone: No MP4 is staged, and not all MP4s are unusable; or Zoom's API doesn't know
                the recording any more.
            UnusableVideo: All MP4s are unusable.
            FileUnavailable: Zoom refuses a file even with a fresh token (FileRefused), or doesn't
                provide it for another reason.
            RetryableFailure: A retry may help.
            OutOfTime: The next invocation has to continue.
            RuntimeError, OSError: The check of a video doesn't start.
        """
        access = AccessInUse(Access(message.download_token), self.refresh)
        sources = _source_files(message.recording_files)
        results = self.engine.copy([self._copy_of(message, source, access) for source in sources])
        staged: list[FileOfView] = []
        missing: list[str] = []
        unusable: list[UnusableVideo] = []
        for source, result in zip(sources, results, strict=True):
            if isinstance(result, Copied):
                staged.append(FileOfView(source.view, _staged_file(source, result)))
            else:
                logger.warning("Skipped %s of segment %d: %s", source.view, source.segment, result)
                if isinstance(result, UnusableVideo):
                    unusable.append(result)
                elif not isinstance(result, EmptyFile):
                    missing.append(source.label)
        if not any(item.file.ffprobe_seconds for item in staged):
            if len(unusable) == sum(source.file.is_mp4 for source in sources) > 0:
                raise unusable[0]
            raise FileGone("Zoom gave us no video of this recording.")
        return Staged(tuple(staged), tuple(missing), tuple(map(str, unusable)))

    def run_captions(
        self,
        message: DownloadMessage,
        files: Sequence[RecordingFile],
        segments: Mapping[str, int],
        most_bytes: int,
    ) -> list[Copied | IngesterError]:
        """Stage files of captions, chapters or summaries.

        Args:
            message: Message that names the recording.
            files: The files, each of a segment that is in `segments`.
            segments: The number of each segment, by the segment's start.
            most_bytes: Largest size of a file in bytes.

        Returns:
            The staged file or the error, for each file. The error of a file with more than
            `most_bytes` is FileTooLarge.

        Raises:
            RetryableFailure: A retry may help.
            OutOfTime: The time ran out after progress.
        """
        access = AccessInUse(Access(message.download_token), self.refresh)
        sources = [
            _SourceFile(file, file.captions_kind, segments[file.recording_start]) for file in files
        ]
        specs = [self._copy_of(message, source, access, most_bytes) for source in sources]
        return self.engine.copy(specs)

    def _copy_of(
        self,
        message: DownloadMessage,
        source: _SourceFile,
        access: AccessInUse,
        most_bytes: int | None = None,
    ) -> Copy:
        """Return the copy of one file into the staging bucket.

        Tolerated errors are a page instead of a file, an unusable video, an empty chat, and any
        permanent failure of captions. Other errors end the download. `most_bytes` limits the size
        of captions.
        """
        file = source.file

        def target_of(source_name: str) -> Target:
            extension = _extension(file, source_name)
            return Target(
                staging_key(
                    message.zoom_series_id,
                    message.start_time,
                    source.segment,
                    source.view,
                    file.recording_id,
                    extension,
                ),
                _metadata(message.uuid, file.recording_id, extension),
            )

        def inspect(key: str, size: int) -> Movie:
            return self.inspect(source.label, partial(self.read_range, key), size)

        tolerated_errors: tuple[type[PermanentFailure], ...] = (NotAFile, UnusableVideo)
        if file.is_chat:
            tolerated_errors = (NotAFile, EmptyFile)
        if file.captions_kind:
            tolerated_errors = (PermanentFailure,)
        return Copy(
            label=source.label,
            source=self.open_file(
                file.recording_id,
                file.download_url,
                access,
                is_json=file.captions_kind in JSON_KINDS,
            ),
            target_of=target_of,
            # A message of an earlier version has the size 0 if Zoom didn't know the size.
            expected_size=file.known_size or None,
            most_bytes=most_bytes,
            inspect=inspect if file.is_mp4 else None,
            tolerated_errors=tolerated_errors,
        )


def _source_files(files: Sequence[RecordingFile]) -> list[_SourceFile]:
    segments = segment_numbers(files)
    return [
        _SourceFile(file, view, segments[file.recording_start])
        for file, view in zip(files, view_names(files), strict=True)
    ]


def _staged_file(source: _SourceFile, copied: Copied) -> StagedFile:
    file = source.file
    return StagedFile(
        filename=copied.key,
        segment_num=source.segment,
        recording_start=file.recording_start,
        recording_end=file.recording_end,
        ffprobe_bytes=copied.size if file.is_mp4 else 0,
        ffprobe_seconds=copied.inspected.seconds if file.is_mp4 else 0,
        file_id=file.recording_id,
    )


def _metadata(uuid: str, file_id: str, extension: str) -> dict[str, str]:
    """Return an object's metadata, with percent-encoding, because S3 takes only ASCII characters.

    Each value is cut to `MAX_METADATA`.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    """
    values = {"uuid": uuid, "file_id": file_id, "file_type": extension}
    return {name: quote(value, safe=PRINTABLE)[:MAX_METADATA] for name, value in values.items()}


def _extension(file: RecordingFile, source_name: str) -> str:
    """Return a file's extension, by the name from the download host, or else by `file_extension`.

    Only the usual extensions of a recording's files are accepted; the default is `mp4` or `txt`.
    Opencast may serve a staged file by its extension, and a download host must not be able to make
    the file a page with a script. So a JSON file always gets `json`.
    """
    if file.captions_kind in JSON_KINDS:
        return "json"
    told = "" if file.file_extension is UNSET else safe_extension(file.file_extension)
    for extension in (extension_of(source_name), told):
        if extension in (VIDEO_EXTENSIONS if file.is_mp4 else TEXT_EXTENSIONS):
            return extension
    return "mp4" if file.is_mp4 else "txt"
