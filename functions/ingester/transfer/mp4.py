"""Check that an object is a complete MP4 with a video, by reading ranges of it from S3.

An MP4 is a sequence of boxes, each of which begins with its length (ISO/IEC 14496-12, section 4.2).
libav opens a file that was cut off after its index (`moov`) without an error, so the boxes are
checked first.
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
"""Bytes of a box's length (4), its type (4) and, if the length is 1, its real length (8)."""

_FIRST_BYTES_OF_TEXT = frozenset({b"<", b"{", b"["})
"""First bytes of HTML, XML and JSON. As a length they would mean 1 GB or more, which the first
box of an MP4 never has."""


@dataclass(frozen=True)
class Movie:
    """An MP4's duration in seconds, and the types of its streams."""

    seconds: float
    streams: tuple[str, ...]


class RangeFile(io.RawIOBase):
    """A seekable file of `size` bytes that is read by `read_range(offset, length)`."""

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
    """Open an MP4 and read its duration and streams.

    Args:
        key: Its S3 key, for error messages.
        read_range: Reads so many bytes from an offset on.
        size: Its size in bytes.

    Raises:
        TransferFailed: It isn't a complete MP4 with a video.
    """
    _check_boxes(key, read_range, size)
    reader = io.BufferedReader(RangeFile(read_range, size), BLOCK_BYTES)
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
    """Check the sequence of boxes.

    Raises:
        TransferFailed: A box reaches beyond the end, or the index or the frames are missing.
    """
    offset, box_types = 0, set()
    while offset < size:
        header = read_range(offset, min(HEADER_BYTES, size - offset))
        if not offset and header.lstrip()[:1] in _FIRST_BYTES_OF_TEXT:
            raise TransferFailed(
                f"{key} is a page or an error message under a video's name, and no MP4."
            )
        box_type, length = header[4:8], int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:
            length = size - offset
        if length < 8 or offset + length > size:
            raise TransferFailed(f"{key} is not a whole MP4: it breaks off, or is none at all.")
        box_types.add(box_type)
        if box_type == b"moof":
            # The index comes before the fragments, which may be thousands; libav checks the rest.
            break
        offset += length
    if b"moov" not in box_types or not box_types & {b"mdat", b"moof"}:
        raise TransferFailed(f"{key} is not a whole MP4: its index or its frames are missing.")
