"""Stage a recording's captions, chapters and summaries.

Captions and chapters become one WebVTT file of each kind for the joined video. Summaries stay as
Zoom made them, one file of each kind for each segment.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from ingester import timestamps
from ingester.captions.chapters import MAX_CHAPTERS, joined_chapters, read_chapters
from ingester.captions.cues import (
    MAX_BYTES,
    MAX_CUES,
    MAX_TEXT,
    Cue,
    joined,
    read_cues,
    text_size,
    to_webvtt,
    too_large,
)
from ingester.errors import FileTooLarge, IngesterError, UnusableCaptions
from ingester.pipeline.messages import (
    CAPTIONS,
    CHAPTERS,
    NEXT_STEPS,
    CaptionTrack,
    DownloadMessage,
    RecordingFile,
)
from ingester.recording.files import JOINED, name_of, staging_key
from ingester.recording.staging_bucket import Staging
from ingester.recording.timeline import Stretch, Timeline
from ingester.transfer.plan import Copied
from ingester.zoom.stage_recording import RecordingTransfer

logger = logging.getLogger("ingester.captions")

TRANSCRIPT = CAPTIONS["TRANSCRIPT"]

KINDS_EXPECTED_OF_EACH_SEGMENT = frozenset({TRANSCRIPT, CHAPTERS})
"""Kinds of captions of which each segment is expected to have one file."""

_NAMES = {CHAPTERS: "chapter file", NEXT_STEPS: "next-steps file"}
"""Names of files for people, by kind. A file of another kind is named by the kind itself."""

_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
"""Bytes that may precede JSON: a byte order mark and whitespace."""


@dataclass(frozen=True)
class StagedCaptions:
    """Result of staging a recording's captions.

    Attributes:
        tracks: The captions that are ready, at most one track of each kind; or the summaries.
        waiting: Reasons for waiting, for people: names of files that Zoom hasn't finished or
            doesn't provide, or one sentence that says why no file could be staged.
        reasons: Sentences that say why files or kinds can't be used.
    """

    tracks: tuple[CaptionTrack, ...] = ()
    waiting: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaptionStaging:
    """The staging of one recording's captions, chapters or summaries.

    Attributes:
        transfer: Copies Zoom's files.
        staging: The staging bucket, which holds Zoom's files and the joined files.
        message: The download message that names the recording.
        timeline: The segments of the video.
    """

    transfer: RecordingTransfer
    staging: Staging
    message: DownloadMessage
    timeline: Timeline

    def run(
        self,
        files: Sequence[RecordingFile],
        *,
        expected: Sequence[str] = (),
        is_each_expected: bool = True,
        is_last: bool = False,
    ) -> StagedCaptions:
        """Stage captions of segments that are in the video, and join the files of each kind.

        An event gets captions of a kind only once. So a kind is ready when all files of that kind
        are there.

        Args:
            files: The files of captions that Zoom lists.
            expected: Kinds that Zoom is expected to make, even if Zoom lists no file of them yet.
            is_each_expected: Whether to expect a transcript, or chapters, of each segment. Zoom
                makes one file after the other, and maybe none for a segment in which nobody speaks.
            is_last: Whether to use the files that are there, because this is the last attempt.

        Raises:
            RetryableFailure, OutOfTime: See `RecordingTransfer.run_captions`.
            BotoCoreError, ClientError: S3 failed.
        """
        starts = {stretch.start for stretch in self.timeline}
        fitting = [file for file in files if file.recording_start in starts]
        contents = self._contents(fitting)
        results = []
        for kind in dict.fromkeys([*(file.captions_kind for file in fitting), *expected]):
            ids = {
                file.recording_start: file.recording_id
                for file in fitting
                if file.captions_kind == kind
            }
            found = {
                start: contents[file_id] for start, file_id in ids.items() if file_id in contents
            }
            needs_each = is_each_expected and kind in KINDS_EXPECTED_OF_EACH_SEGMENT
            wanted = starts if needs_each else set(ids)
            missing = tuple(_name_of(kind, start) for start in sorted(wanted - set(found)))
            if missing and not is_last:
                results.append(StagedCaptions(waiting=missing))
                continue
            tracks, reasons = self._track(kind, ids, found)
            results.append(StagedCaptions(tracks, missing, reasons))
        return StagedCaptions(
            tuple(track for result in results for track in result.tracks),
            tuple(name for result in results for name in result.waiting),
            tuple(reason for result in results for reason in result.reasons),
        )

    def run_summaries(self, files: Sequence[RecordingFile]) -> StagedCaptions:
        """Stage the summaries that Zoom has finished, one of each kind for each video segment.

        Raises:
            RetryableFailure, OutOfTime: See `RecordingTransfer.run_captions`.
            BotoCoreError, ClientError: S3 failed.
        """
        segments = self._segments
        fitting = {
            (file.recording_start, file.captions_kind): file
            for file in files
            if file.is_completed and file.recording_start in segments
        }
        tracks: list[CaptionTrack] = []
        reasons: list[str] = []
        for file, result in self._copy([fitting[place] for place in sorted(fitting)]):
            kind = file.captions_kind
            if isinstance(result, Copied) and self._is_json(result.key):
                ids = (file.recording_id,)
                tracks.append(CaptionTrack(kind=kind, filename=result.key, file_ids=ids))
            else:
                problem = "it isn't JSON" if isinstance(result, Copied) else str(result)
                name = _name_of(kind, file.recording_start)
                reasons.append(f"The {name} is left out: {problem.removesuffix('.')}.")
        return StagedCaptions(tuple(tracks), reasons=tuple(reasons))

    def _is_json(self, key: str) -> bool:
        """Return whether a staged file begins like a JSON object or list, as no HTML page does."""
        return self.staging.read_range(key, 0, 1000).lstrip(_BEFORE_JSON)[:1] in (b"{", b"[")

    @property
    def _segments(self) -> dict[str, int]:
        """Numbers of the segments, from 0, by start."""
        return {stretch.start: number for number, stretch in enumerate(self.timeline)}

    def _contents(self, files: Sequence[RecordingFile]) -> dict[str, list[Cue] | UnusableCaptions]:
        """Stage the files that Zoom has finished, and read the files' cues.

        Returns:
            By file id, the cues of each file that is there, or the error of an unusable file.
        """
        contents: dict[str, list[Cue] | UnusableCaptions] = {}
        text_left = MAX_TEXT
        for file, result in self._copy(files):
            if isinstance(result, UnusableCaptions):
                contents[file.recording_id] = result
            elif isinstance(result, IngesterError):
                logger.info("The %s isn't there yet: %s", file.captions_kind, result)
            else:
                cues = self._cues(file, result, text_left)
                contents[file.recording_id] = cues
                text_left -= text_size(cues) if isinstance(cues, list) else 0
        return contents

    def _copy(
        self, files: Sequence[RecordingFile]
    ) -> list[tuple[RecordingFile, Copied | IngesterError]]:
        """Copy the files that Zoom has finished. Return each file with its copy or error.

        A file that is too large has the error UnusableCaptions.
        """
        finished = [file for file in files if file.is_completed]
        small = [file for file in finished if not _is_too_large(file)]
        results = (
            self.transfer.run_captions(self.message, small, self._segments, MAX_BYTES)
            if small
            else []
        )
        return [
            *((file, too_large()) for file in finished if _is_too_large(file)),
            *(
                (file, too_large() if isinstance(result, FileTooLarge) else result)
                for file, result in zip(small, results, strict=True)
            ),
        ]

    def _cues(
        self, file: RecordingFile, copied: Copied, most_text: int
    ) -> list[Cue] | UnusableCaptions:
        content = self.staging.read_range(copied.key, 0, MAX_BYTES + 1)
        stretch = self.timeline[self._segments[file.recording_start]]
        try:
            if file.captions_kind == CHAPTERS:
                return read_chapters(content, stretch.length, _longest(file, stretch))
            cues = read_cues(content, most_text)
        except UnusableCaptions as error:
            return error
        if all(cue.begins >= stretch.length for cue in cues):
            return UnusableCaptions("its captions begin after the end of their segment")
        return cues

    def _track(
        self,
        kind: str,
        ids: Mapping[str, str],
        found: Mapping[str, list[Cue] | UnusableCaptions],
    ) -> tuple[tuple[CaptionTrack, ...], tuple[str, ...]]:
        """Join the captions of one kind, and stage the joined file.

        Return the track, if any, and the reasons why files or the whole kind are left out.

        Args:
            kind: The kind.
            ids: Ids of the kind's files, by the start of their segments.
            found: By the same starts, the cues of each file that is there, or the error of an
                unusable file.
        """
        cues = {start: read for start, read in found.items() if isinstance(read, list)}
        reasons = tuple(
            f"The {_name_of(kind, start)} is left out: {read}."
            for start, read in found.items()
            if not isinstance(read, list)
        )
        if kind == CHAPTERS and sum(map(len, cues.values())) > MAX_CHAPTERS:
            return (), (*reasons, f"The recording has more than {MAX_CHAPTERS} chapters.")
        if sum(map(len, cues.values())) > MAX_CUES:
            return (), (*reasons, f"The {kind} has more than {MAX_CUES:,} captions.")
        join = joined_chapters if kind == CHAPTERS else joined
        all_cues = join(cues, self.timeline)
        if not all_cues:
            return (), reasons
        file_ids = tuple(ids[start] for start in sorted(found))
        return (self._write(kind, file_ids, all_cues),), reasons

    def _write(self, kind: str, ids: tuple[str, ...], cues: Sequence[Cue]) -> CaptionTrack:
        content = to_webvtt(cues)
        # The key depends on the content, so no staged object is overwritten with other captions.
        digest = hashlib.sha256(content).hexdigest()[:32]
        number, start = self.message.zoom_series_id, self.message.start_time
        key = staging_key(number, start, 0, f"{JOINED}{kind}", digest, "vtt")
        self.staging.write(key, content)
        return CaptionTrack(kind=kind, filename=key, file_ids=ids)


def _is_too_large(file: RecordingFile) -> bool:
    """Return whether Zoom states a size above `MAX_BYTES`. Some files have no stated size."""
    return file.file_size is not UNSET and file.file_size > MAX_BYTES


def _name_of(kind: str, start: str) -> str:
    return name_of(_NAMES.get(kind, kind), start)


def _longest(file: RecordingFile, stretch: Stretch) -> int:
    """Return the latest time that a file of chapters may contain, in milliseconds.

    Zoom's times may include pauses, which the video lacks.
    """
    span = timestamps.parse(file.recording_end) - timestamps.parse(file.recording_start)
    return max(stretch.length, round(span.total_seconds() * 1000))
