"""Is it a whole, playable MP4? Reads the container from S3 by ranges, without fetching the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import av
import av.error

from ingester.errors import TransferFailed

BLOCK_BYTES = 256 * 1024


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
    """Opens the container of `key`. TransferFailed if it is not a whole MP4 with a video in it.

    Opening reads the index (`moov`); the last packet is sought as well, so that a file that was
    cut off behind its index is noticed.
    """
    reader = io.BufferedReader(RangeReader(read_range, size), BLOCK_BYTES)
    try:
        with av.open(reader, mode="r", format="mp4") as container:
            videos = container.streams.video
            if not videos or not container.duration:
                raise TransferFailed(f"{key} holds no video of any length.")
            container.seek(container.duration, backward=True, any_frame=False)
            if next(container.demux(videos[0]), None) is None:
                raise TransferFailed(f"{key} ends before its last frame.")
            streams = tuple(stream.type for stream in container.streams)
            return Movie(container.duration / av.time_base, streams)
    except (av.error.FFmpegError, ValueError) as error:
        raise TransferFailed(f"{key} is not a whole MP4: {type(error).__name__}.") from error
