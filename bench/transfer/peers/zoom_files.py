"""The files that the fake Zoom hands out: versions, signatures, and the range of an answer."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from bench.transfer.peers.content import Content, Filed, Generated
from bench.transfer.peers.zoom_settings import ZoomSettings

RECORDED = datetime(2026, 11, 2, 10, 0, 0, tzinfo=UTC)
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
NAME = re.compile(r"[\w-]+")


class Files:
    """What there is by name, in which version, and which signatures are good."""

    def __init__(self, settings: ZoomSettings) -> None:
        self._sizes = dict(settings.files)
        self._folder = Path(settings.folder) if settings.folder else None
        self._versions: list[int | None] = [None]
        self._signed = 0
        self._expired = 0
        self._lock = threading.Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._sizes or self._file(name) is not None

    def content(self, name: str) -> Content:
        """What a file holds now. KeyError if there is none of this name."""
        path = self._file(name)
        if path and name not in self._sizes:
            return Filed(path, len(self._versions))
        return self.versions(name)[-1]

    def versions(self, name: str) -> list[Generated]:
        """What a generated file held and holds, the oldest first. KeyError if there is none."""
        first = self._sizes[name]
        return [
            Generated(name, first if size is None else size, number)
            for number, size in enumerate(self._versions, 1)
        ]

    def change(self, size: int | None) -> None:
        """All files are another version, of `size` bytes if that is said."""
        with self._lock:
            self._versions.append(self._versions[-1] if size is None else size)

    def sign(self) -> int:
        """A fresh signature."""
        with self._lock:
            self._signed += 1
            return self._signed

    def expire(self) -> None:
        """No signature that was handed out is good any more."""
        with self._lock:
            self._expired = self._signed

    def is_good(self, signature: str) -> bool:
        """Whether it was handed out and hasn't expired."""
        return signature.isdecimal() and self._expired < int(signature) <= self._signed

    def _file(self, name: str) -> Path | None:
        if self._folder is None or not NAME.fullmatch(name):
            return None
        path = self._folder / f"{name}.mp4"
        return path if path.is_file() else None


@dataclass(frozen=True)
class Selection:
    """What of a file an answer holds: 200 all of it, 206 a range, 416 nothing."""

    status: int
    offset: int
    length: int
    headers: Mapping[str, str]
    told: int | None = None
    """The Content-Length, if it isn't `length`."""


def select(
    content: Content, name: str, asked: Mapping[str, str], settings: ZoomSettings
) -> Selection:
    """Reads Range and If-Range as RFC 9110 (14.2, 13.1.5) says, where ranges are switched on."""
    size = content.size
    etag = f'"{name}-{size}-{content.version}"'
    modified = format_datetime(RECORDED + timedelta(hours=content.version - 1), usegmt=True)
    headers = {"Content-Type": "video/mp4"}
    validators = set()
    if settings.etag:
        headers["ETag"] = etag
        validators.add(etag)
    if settings.last_modified:
        headers["Last-Modified"] = modified
        validators.add(modified)
    if settings.ranges:
        headers["Accept-Ranges"] = "bytes"
    found = RANGE.fullmatch(asked.get("range", "")) if settings.ranges else None
    condition = asked.get("if-range")
    if found is None or found.groups() == ("", "") or (condition and condition not in validators):
        return Selection(200, 0, size, headers)
    first, last = _bounds(found[1], found[2], size)
    if first > last:
        return Selection(416, 0, 0, {**headers, "Content-Range": f"bytes */{size}"})
    told = {**headers, "Content-Range": f"bytes {first}-{last}/{size}"}
    return Selection(206, first, last - first + 1, told)


def shifted(asked: Mapping[str, str], count: int) -> Mapping[str, str]:
    """A request's headers with a range so many bytes further on. Only for `first-last`."""
    found = RANGE.fullmatch(asked.get("range", ""))
    if found is None or not all(found.groups()):
        return asked
    return {**asked, "range": f"bytes={int(found[1]) + count}-{int(found[2]) + count}"}


def retold(chosen: Selection, headers: Mapping[str, str], size: int) -> Selection:
    """A selection that tells other headers; see `headers` of ZoomFault."""
    first, last = chosen.offset, chosen.offset + chosen.length - 1
    filled = {
        name: text.format(first=first, last=last, size=size) for name, text in headers.items()
    }
    told = filled.pop("Content-Length", None)
    kept = {name: text for name, text in {**chosen.headers, **filled}.items() if text}
    if told is None:
        return replace(chosen, headers=kept)
    return replace(chosen, headers=kept, told=int(told), length=min(chosen.length, int(told)))


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The first and the last byte that is asked for, in the wrong order if there are none."""
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last) if last else size - 1, size - 1)
