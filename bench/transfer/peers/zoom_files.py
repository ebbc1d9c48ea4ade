"""The files of the Zoom stand-in, with versions, signed URLs, and ranges of answers."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from bench.transfer.peers.content import Generated
from bench.transfer.peers.zoom_settings import ZoomSettings

RECORDED = datetime(2026, 11, 2, 10, 0, 0, tzinfo=UTC)
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Files:
    """The stand-in's files, versions and signatures of URLs. Any thread may call the methods."""

    def __init__(self, settings: ZoomSettings) -> None:
        self._signed = 0
        self._expired = 0
        self._lock = threading.Lock()
        self.replace(settings)

    def replace(self, settings: ZoomSettings) -> None:
        """Replace the files with version 1 of the files of `settings`. Signatures stay."""
        with self._lock:
            self._sizes = dict(settings.files)
            self._versions: list[int | None] = [None]

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def versions(self, name: str) -> list[Generated]:
        """Return all versions of a file, the oldest first.

        Raises:
            KeyError: No file has the name.
        """
        first = self._sizes[name]
        return [
            Generated(name, first if size is None else size, number)
            for number, size in enumerate(self._versions, 1)
        ]

    def change(self, size: int | None) -> None:
        """Give all files a new version of `size` bytes. With None, the sizes stay."""
        with self._lock:
            self._versions.append(self._versions[-1] if size is None else size)

    def sign(self) -> int:
        """Return a new signature for a URL. The signature is valid until `expire` is called."""
        with self._lock:
            self._signed += 1
            return self._signed

    def expire(self) -> None:
        """Make all signatures invalid."""
        with self._lock:
            self._expired = self._signed

    def is_valid(self, signature: str) -> bool:
        return signature.isdecimal() and self._expired < int(signature) <= self._signed


@dataclass(frozen=True)
class Selection:
    """The status of an answer, and the range of a file in the answer's body.

    With 416 the range is empty.
    """

    status: int
    offset: int
    length: int
    headers: Mapping[str, str]
    content_length: int | None = None
    """Content-Length if it differs from `length`."""


def select(
    content: Generated, name: str, request_headers: Mapping[str, str], settings: ZoomSettings
) -> Selection:
    """Return the range of a file that a request's Range and If-Range select.

    RFC 9110, sections 14.2 and 13.1.5, defines the two headers.
    """
    size = content.size
    modified = RECORDED + timedelta(hours=content.version - 1)
    validators = {}
    if settings.etag:
        validators["ETag"] = f'"{name}-{size}-{content.version}"'
    if settings.last_modified:
        validators["Last-Modified"] = format_datetime(modified, usegmt=True)
    headers = {"Content-Type": "video/mp4", **validators}
    if settings.ranges:
        headers["Accept-Ranges"] = "bytes"
    found = RANGE.fullmatch(request_headers.get("range", "")) if settings.ranges else None
    condition = request_headers.get("if-range")
    if found is None or (condition and condition not in validators.values()):
        return Selection(200, 0, size, headers)
    first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    if first > last:
        return Selection(416, 0, 0, {**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Selection(206, first, last - first + 1, headers)


def shift_range(request_headers: Mapping[str, str], count: int) -> Mapping[str, str]:
    """Return a request's headers, with `count` bytes added to both ends of the range.

    Without a range that has both ends, the headers stay as they are.
    """
    found = RANGE.fullmatch(request_headers.get("range", ""))
    if found is None or not found[2]:
        return request_headers
    shifted = f"bytes={int(found[1]) + count}-{int(found[2]) + count}"
    return {**request_headers, "range": shifted}


def replace_headers(selection: Selection, headers: Mapping[str, str], size: int) -> Selection:
    """Return a selection with `headers`, to which the rules of `ZoomFault.headers` apply.

    `size` is the file's size in bytes.
    """
    first, last = selection.offset, selection.offset + selection.length - 1
    filled = {
        name: text.format(first=first, last=last, size=size) for name, text in headers.items()
    }
    length = filled.pop("Content-Length", None)
    kept = {name: text for name, text in {**selection.headers, **filled}.items() if text}
    if length is None:
        return replace(selection, headers=kept)
    return replace(
        selection,
        headers=kept,
        content_length=int(length),
        length=min(selection.length, int(length)),
    )
