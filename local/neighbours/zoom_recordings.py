"""A cloud recording as Zoom holds it, and lectures made up of real files.

Field names and values are those of Zoom's REST answers and webhooks; times are UTC.
"""

import base64
import hashlib
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from local import media

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class RecordingFile:
    """One file of a recording.

    `path` holds the bytes, None for what is listed but has no content. `name` is what Zoom calls
    the file when it is downloaded. With `processing_asks` the file is `processing` until the API
    has been asked that many times; `bare` sends TIMELINE's form: no id, size or status. `padding`
    of its bytes are no video; each connection gets at most `bytes_per_second`, if that isn't 0.
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
        """Zoom's `file_extension`: that of the name, in capitals."""
        return self.name.rpartition(".")[2].upper()

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size if self.path else 0

    def sha256(self) -> str:
        """Of the content, as hex."""
        if self.path is None:
            return hashlib.sha256(b"").hexdigest()
        told = self.path.stat()
        return _sha256(self.path, told.st_mtime_ns, told.st_ino)

    def changed(self) -> Self:
        """Another version, of the same size and a minute younger, with other bytes for padding.

        This one stays for whoever is reading it. ValueError if there is no padding.
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
    """Kept for each version of a file: the CDN tells it with every range of a large one."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Recording:
    """A meeting's cloud recording: `duration` in minutes, `type` as in Zoom (2 scheduled, 8
    recurring).

    A field that is None is not sent.
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
    participant_audio_files: tuple[RecordingFile, ...] = ()

    @property
    def all_files(self) -> tuple[RecordingFile, ...]:
        """Those of the participants too."""
        return self.files + self.participant_audio_files

    @property
    def total_size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def file(self, file_id: str) -> RecordingFile:
        """The file of this id; raises KeyError if there is none."""
        for file in self.all_files:
            if file.file_id == file_id:
                return file
        raise KeyError(file_id)


@dataclass(frozen=True)
class Lecture:
    """What a lecture shall be like: `segments` parts with a pause between, each seen in every one
    of `views`, with chat, and with `extras` what Zoom adds unasked (M4A, TIMELINE, TRANSCRIPT).

    `broken` maps a view to what its first file holds instead of a video. `seconds` is a segment's
    length, `pause` the time between two. Without `uuid` one is drawn from the seed. Each MP4 gets
    `padding` bytes more, 8 at least, if that isn't 0, and is handed out at `bytes_per_second`.
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
    broken: Mapping[str, media.Broken] | None = None
    padding: int = 0
    bytes_per_second: int = 0
    type: int = 8


def build_lecture(folder: Path, lecture: Lecture) -> Recording:
    """Make the files of a lecture in `folder` and the recording that lists them."""
    # Made-up ids, alike for the same seed; they guard nothing.
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
        type=lecture.type,
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
            media.write_lecture(path, lecture.seconds, seed(view))
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
        words = media.write_transcript(room / f"{number}-words.vtt", seed("words"))
        line = room / f"{number}-timeline.json"
        line.write_text('{"timeline":[{"ts":"00:00:00.000","users":[]}]}', encoding="utf-8")
        timeline = listed("TIMELINE", "timeline", f"{stamp}_Recording.json", line)
        files += [
            listed("M4A", "audio_only", f"{stamp}_Recording.m4a", audio),
            replace(timeline, bare=True),
            listed("TRANSCRIPT", "audio_transcript", f"{stamp}_Recording.transcript.vtt", words),
        ]
    return files


def _short(view: str) -> str:
    """How Zoom marks the view in a file's name; nothing for the plain speaker view."""
    words = {"gallery": "gallery_", "active": "avo_", "screen_with_speaker": "as_", "shared": "gs_"}
    return next((mark for word, mark in words.items() if word in view), "")


def _uuid4(draw: random.Random) -> str:
    raw = draw.randbytes(16).hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"


def file_json(
    file: RecordingFile, meeting_uuid: str, url: str, *, processing: bool
) -> dict[str, Any]:
    """A file as REST answers and webhooks list it; a `processing` one has no size yet."""
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
    return value
