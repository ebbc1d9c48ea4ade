"""Is it a whole, playable MP4? Reads the container from S3 by ranges, without fetching the file.

An MP4 is a row of boxes, each with its length in front (ISO/IEC 14496-12, section 4.2). libav
opens a file that was cut off behind its index (`moov`) without a word, so the row is checked first.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import av
import av.error

from ingester.errors import TransferFailed

BLOCK_BYTES = 256 * 1024
HEADER_BYTES = 16
"""Length (4), type (4) and, where the length is 1, the real length (8)."""

_TEXTS = frozenset({b"<", b"{", b"["})
"""What HTML, XML and JSON begin with, and no length of a box: it would be 900 MB."""


@dataclass(frozen=True)
class Movie:
    """What an MP4's container says. `seconds` is its duration."""

    seconds: float
    streams: tuple[str, ...]


class RangeReader(io.RawIOBase):
    """A seekable file over `read_range(offset, length)`, which reads `size` bytes by ranges."""

    def __init__(self, read_range: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._read_range = read_range
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer has no length
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        content = self._read_range(self._position, length)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def inspect(key: str, read_range: Callable[[int, int], bytes], size: int) -> Movie:
    """Opens the container of `key`. TransferFailed if it is not a whole MP4 with a video in it."""
    _check_boxes(key, read_range, size)
    reader = io.BufferedReader(RangeReader(read_range, size), BLOCK_BYTES)
    try:
        with av.open(reader, mode="r", format="mp4") as container:
            videos = container.streams.video
            if not videos or not container.duration:
                raise TransferFailed(f"{key} holds no video of any length.")
            streams = tuple(stream.type for stream in container.streams)
            return Movie(container.duration / av.time_base, streams)
    except (av.error.FFmpegError, ValueError) as error:
        raise TransferFailed(f"{key} is not a whole MP4: {type(error).__name__}.") from error


def _check_boxes(key: str, read_range: Callable[[int, int], bytes], size: int) -> None:
    """TransferFailed if a box reaches beyond the end, or index or frames are missing."""
    offset, kinds = 0, set()
    while offset < size:
        header = read_range(offset, min(HEADER_BYTES, size - offset))
        if not offset and header.lstrip()[:1] in _TEXTS:
            raise TransferFailed(
                f"{key} is a page or an error message under a video's name, and no MP4."
            )
        kind, length = header[4:8], int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:
            length = size - offset
        if length < 8 or offset + length > size:
            raise TransferFailed(f"{key} is not a whole MP4: it breaks off, or is none at all.")
        kinds.add(kind)
        if kind == b"moof":
            # Fragments can be thousands: the index is in front of them, libav reads the rest.
            break
        offset += length
    if b"moov" not in kinds or not kinds & {b"mdat", b"moof"}:
        raise TransferFailed(f"{key} is not a whole MP4: its index or its frames are missing.")
