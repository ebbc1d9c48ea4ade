"""Cloud recordings as Zoom stores them, and invented lectures with real files.

Names and values of fields are those of Zoom's API answers and webhook events. Times are in UTC.
"""

import base64
import hashlib
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import msgspec

from local import media

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class RecordingFile:
    """A file of a recording. `path` leads to the content, and is None for a file without content.

    `name` is the name of the downloaded file. The file has the status `processing` until the
    API has got `processing_asks` requests about the recording. A `bare` file is listed without id,
    size, status and play URL, as Zoom lists a TIMELINE or CC. The last `padding` bytes aren't
    video. Each connection gets at most `bytes_per_second`; 0 is no limit.
    """

    file_id: str
    file_type: str
    recording_type: str
    recording_start: str
    recording_end: str
    name: str
    path: Path | None
    processing_asks: int = 0
    bare: bool = False
    padding: int = 0
    bytes_per_second: int = 0

    @property
    def extension(self) -> str:
        """The name's extension in capitals, as in Zoom's `file_extension`."""
        return self.name.rpartition(".")[2].upper()

    @property
    def size(self) -> int:
        """The size of the content in bytes."""
        return self.path.stat().st_size if self.path else 0

    def sha256(self) -> str:
        """Return the SHA-256 of the content in hex."""
        if self.path is None:
            return hashlib.sha256(b"").hexdigest()
        version = self.path.stat()
        return _sha256(self.path, version.st_mtime_ns, version.st_ino)

    def changed(self) -> Self:
        """Write and return another version of the file.

        The new version has the same size, other padding and a later modification time. The content
        of the old version stays, so that a running download can continue.

        Raises:
            ValueError: The file has no content or no padding.
        """
        if self.path is None or not self.padding:
            raise ValueError(f"{self.name} can't be changed: make it with padding")
        movie = self.path.read_bytes()[: -self.padding]
        path = self.path.with_stem(f"{self.path.stem}-changed")
        path.write_bytes(media.padded(movie, self.padding, f"after {self.sha256()}"))
        modified = self.path.stat().st_mtime + 60
        os.utime(path, (modified, modified))
        return replace(self, path=path)


@lru_cache
def _sha256(path: Path, _modified: int, _inode: int) -> str:
    """Return the SHA-256 of a file's version. The cache helps because each range needs the hash."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Recording:
    """A meeting's cloud recording. Answers leave out fields that are None.

    `duration` is in minutes. `type` is Zoom's type of meeting (2 scheduled, 8 recurring).
    """

    uuid: str
    meeting_id: int
    host_id: str
    host_email: str
    topic: str
    start_time: str
    duration: int
    files: tuple[RecordingFile, ...]
    type: int = 8
    timezone: str | None = "America/New_York"
    passcode: str | None = "3HX*?8cE"

    @property
    def total_size(self) -> int:
        """The size of all files in bytes."""
        return sum(file.size for file in self.files)


class Lecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lecture to make.

    Attributes:
        seed: Text that, with the meeting, determines ids and content.
        uuid: The recording's uuid; with None, seed and meeting determine the uuid.
        segments, seconds: Number of segments, and the duration of each segment in seconds.
        pause: Seconds between two segments.
        views: The views, each with one MP4 a segment.
        chat: Whether each segment has a chat file.
        extras: Whether each segment has an M4A, a TIMELINE and a TRANSCRIPT.
        captions: Whether each segment has closed captions.
        summaries: Whether each segment has a summary and next steps.
        chapters: Seconds at which the chapters of each segment begin.
        words: Seconds at which a sound and a cue begin. Without `words`, one cue begins, at 1 s.
        processing_asks: Number of API requests about the recording until Zoom has processed the
            files.
        transcript_asks: The same number for the TRANSCRIPT, if this number is higher.
        broken: The defect of a view's first file, by view.
        padding: Additional bytes of each MP4: 0, or at least 8.
        bytes_per_second: Speed limit of each connection that downloads an MP4; 0 is no limit.
    """

    meeting_id: int
    start_time: datetime
    topic: str = "HIST E-1010 Mapping the Ocean: L'été"
    seed: str = "lecture"
    uuid: str | None = None
    segments: int = 2
    seconds: int = 130
    pause: int = 60
    views: tuple[str, ...] = ("active_speaker", "shared_screen")
    chat: bool = True
    extras: bool = True
    processing_asks: int = 0
    words: tuple[float, ...] = ()
    captions: bool = False
    transcript_asks: int = 0
    chapters: tuple[float, ...] = ()
    summaries: bool = False
    broken: Mapping[str, media.Broken] | None = None
    padding: int = 0
    bytes_per_second: int = 0


def build_lecture(folder: Path, lecture: Lecture) -> Recording:
    """Make a lecture's files in `folder`, and return the recording that lists them."""
    # The same seed has to give the same ids, on which no secret depends.
    draw = random.Random(f"{lecture.seed}/{lecture.meeting_id}")  # noqa: S311
    uuid = lecture.uuid or base64.b64encode(draw.randbytes(16)).decode()
    room = folder / hashlib.sha256(uuid.encode()).hexdigest()[:16]
    room.mkdir(parents=True, exist_ok=True)
    files: list[RecordingFile] = []
    length = timedelta(seconds=lecture.seconds)
    start = lecture.start_time.astimezone(UTC)
    for segment in range(lecture.segments):
        begin = start + segment * (length + timedelta(seconds=lecture.pause))
        files += _segment(room, lecture, segment, begin, begin + length)
    end = (
        start
        + lecture.segments * length
        + (lecture.segments - 1) * timedelta(seconds=lecture.pause)
    )
    return Recording(
        uuid=uuid,
        meeting_id=lecture.meeting_id,
        host_id=base64.urlsafe_b64encode(draw.randbytes(16)).decode().rstrip("="),
        host_email="ada@example.edu",
        topic=lecture.topic,
        start_time=start.strftime(TIME_FORMAT),
        duration=max(1, round((end - start) / timedelta(minutes=1))),
        files=tuple(files),
    )


def _segment(
    room: Path, lecture: Lecture, number: int, begin: datetime, end: datetime
) -> list[RecordingFile]:
    draw = random.Random(f"{lecture.seed}/{lecture.meeting_id}/{number}")  # noqa: S311 - as above
    stamp = begin.strftime("GMT%Y%m%d-%H%M%S")

    def listed(file_type: str, recording_type: str, name: str, path: Path | None) -> RecordingFile:
        return RecordingFile(
            file_id=_uuid4(draw),
            file_type=file_type,
            recording_type=recording_type,
            recording_start=begin.strftime(TIME_FORMAT),
            recording_end=end.strftime(TIME_FORMAT),
            name=name,
            path=path,
            processing_asks=lecture.processing_asks,
        )

    def seed(what: str) -> str:
        return f"{lecture.seed}/{lecture.meeting_id}/{number}/{what}"

    files = []
    for view in lecture.views:
        path = room / f"{number}-{view}.mp4"
        broken = (lecture.broken or {}).get(view) if number == 0 else None
        if broken:
            media.write_broken(path, broken, seed(view))
        else:
            media.write_lecture(path, lecture.seconds, seed(view), words=lecture.words)
        if lecture.padding:
            padded = media.padded(path.read_bytes(), lecture.padding, seed(view))
            path.write_bytes(padded)
        movie = listed("MP4", view, f"{stamp}_Recording_{_short(view)}1920x1080.mp4", path)
        files.append(
            replace(movie, padding=lecture.padding, bytes_per_second=lecture.bytes_per_second)
        )
    if lecture.chat:
        chat = media.write_chat(room / f"{number}-chat.txt", seed("chat"))
        files.append(listed("CHAT", "chat_file", f"{stamp}_RecordingnewChat.txt", chat))
    if lecture.extras:
        audio = media.write_audio(room / f"{number}-audio.m4a", lecture.seconds, seed("audio"))
        words = room / f"{number}-words.vtt"
        media.write_transcript(words, seed("words"), lecture.words or (1.0,))
        line = room / f"{number}-timeline.json"
        line.write_text('{"timeline":[{"ts":"00:00:00.000","users":[]}]}', encoding="utf-8")
        timeline = listed("TIMELINE", "timeline", f"{stamp}_Recording.json", line)
        said = listed("TRANSCRIPT", "audio_transcript", f"{stamp}_Recording.transcript.vtt", words)
        asks = max(lecture.processing_asks, lecture.transcript_asks)
        files += [
            listed("M4A", "audio_only", f"{stamp}_Recording.m4a", audio),
            replace(timeline, bare=True),
            replace(said, processing_asks=asks),
        ]
    return files + _texts(room, lecture, f"{number}", stamp, listed)


def _texts(
    room: Path,
    lecture: Lecture,
    number: str,
    stamp: str,
    listed: Callable[[str, str, str, Path], RecordingFile],
) -> list[RecordingFile]:
    """Make a segment's closed captions, chapters and summaries, and return their files."""
    seed = f"{lecture.seed}/{lecture.meeting_id}/{number}"
    files = []
    if lecture.captions:
        typed = room / f"{number}-typed.vtt"
        media.write_transcript(typed, f"{seed}/typed", lecture.words or (1.0,))
        written = listed("CC", "closed_caption", f"{stamp}_Recording.cc.vtt", typed)
        files.append(replace(written, bare=True))
    if lecture.chapters:
        path = room / f"{number}-chapters.json"
        media.write_chapters(path, f"{seed}/chapters", lecture.chapters, lecture.seconds)
        name = f"{stamp}_Recording.smart_chapters.json"
        files.append(listed("SUMMARY", "summary_smart_chapters", name, path))
    for kind in ("summary", "summary_next_steps") if lecture.summaries else ():
        path = media.write_summary(room / f"{number}-{kind}.json", f"{seed}/{kind}")
        files.append(listed("SUMMARY", kind, f"{stamp}_Recording.{kind}.json", path))
    return files


def _short(view: str) -> str:
    """Return the abbreviation of a view in Zoom's file names, or "" without an abbreviation."""
    words = {"gallery": "gallery_", "active": "avo_", "screen_with_speaker": "as_", "shared": "gs_"}
    return next((mark for word, mark in words.items() if word in view), "")


def _uuid4(draw: random.Random) -> str:
    raw = draw.randbytes(16).hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"


def meeting_json(recording: Recording) -> dict[str, Any]:
    """Return the fields that all of Zoom's answers and webhook events about a recording have."""
    value = {
        "id": recording.meeting_id,
        "uuid": recording.uuid,
        "host_id": recording.host_id,
        "topic": recording.topic,
        "type": recording.type,
        "start_time": recording.start_time,
        "timezone": recording.timezone,
        "duration": recording.duration,
    }
    return {name: given for name, given in value.items() if given is not None}


def file_json(
    file: RecordingFile, meeting_uuid: str, url: str, *, processing: bool
) -> dict[str, Any]:
    """Return a file as API answers and webhook events list it. The size is 0 if `processing`."""
    value: dict[str, Any] = {
        "id": file.file_id,
        "meeting_id": meeting_uuid,
        "recording_start": file.recording_start,
        "recording_end": file.recording_end,
        "file_type": file.file_type,
        "file_extension": file.extension,
        "file_size": 0 if processing else file.size,
        "play_url": url.replace("/rec/download/", "/rec/play/"),
        "download_url": url,
        "status": "processing" if processing else "completed",
        "recording_type": file.recording_type,
    }
    if file.bare:
        for name in ("id", "file_size", "status", "play_url"):
            del value[name]
        if file.file_type == "CC":
            del value["recording_type"]
    return value
