"""Open an MP4 with libav, in a process of its own with limits. `mp4.py` starts this program.

The program's standard input is a socket to its parent. The program requests ranges of the file, and
finally sends the movie's duration and streams, or the error. Each message is a line of JSON. The
parent answers a request with the bytes of the range, and nothing else.

Arguments: the size of the file, the size of a small read, the maximum size of a large read and the
maximum memory, all in bytes; then the maximum CPU time in seconds.
"""

from __future__ import annotations

import io
import json
import resource
import socket
import sys
from typing import Any

import av
import av.error


class RangeFile(io.RawIOBase):
    """A seekable file of `size` bytes. The parent reads at most `read_bytes` in one read."""

    def __init__(self, parent: socket.socket, size: int, read_bytes: int) -> None:
        super().__init__()
        self._parent = parent
        self._size = size
        self._read_bytes = read_bytes
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
        length = min(len(buffer), self._read_bytes, self._size - self._position)
        if length <= 0:
            return 0
        send(self._parent, {"offset": self._position, "length": length})
        view, received = memoryview(buffer), 0
        while received < length:
            count = self._parent.recv_into(view[received:length])
            if not count:
                raise EOFError
            received += count
        self._position += length
        return length


def send(parent: socket.socket, message: dict[str, Any]) -> None:
    """Send a message to the parent as a line of JSON."""
    parent.sendall(json.dumps(message).encode() + b"\n")


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Limit this process's memory and CPU time, and forbid it to write files.

    RLIMIT_DATA counts all private memory that can be written. RLIMIT_AS would also count libav's
    code.
    https://man7.org/linux/man-pages/man2/getrlimit.2.html
    """
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # SIGXCPU at the first limit tells the parent the reason. The second limit causes a SIGKILL.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))


def probe(file: io.BufferedReader) -> dict[str, Any]:
    """Return the movie's `seconds` and `streams`, or the type of the error as `failure`."""
    try:
        with av.open(file, mode="r", format="mp4") as container:
            streams = [stream.type for stream in container.streams]
            return {"seconds": (container.duration or 0) / av.time_base, "streams": streams}
    except (av.error.FFmpegError, MemoryError, ValueError) as error:
        return {"failure": type(error).__name__}


def main() -> None:
    size, block_bytes, read_bytes, memory_bytes, cpu_seconds = map(int, sys.argv[1:])
    limit(memory_bytes, cpu_seconds)
    with socket.socket(fileno=0) as parent:
        file = RangeFile(parent, size, read_bytes)
        send(parent, probe(io.BufferedReader(file, block_bytes)))


if __name__ == "__main__":
    main()
