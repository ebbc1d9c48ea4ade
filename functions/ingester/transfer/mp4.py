"""Check that an object is a complete MP4 with a video, by reading ranges of the object from S3.

libav opens the file in a child process with limits, because a sample table (in the moov box) of a
few kilobytes can make libav allocate gigabytes. The child has no credentials. So this process reads
the file for the child, and keeps the child from reading this process's memory and environment.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ingester.errors import UNREADABLE_JSON, TransferFailed, UnusableVideo
from ingester.transfer.mp4_boxes import BLOCK_BYTES, File, check_boxes

CHILD = Path(__file__).with_name("mp4_child.py")

MEMORY_BYTES = 256 * 1024 * 1024
"""Maximum memory of the child. A function of 512 MB has room for the child and the downloader."""

CPU_SECONDS = 20
CHILD_SECONDS = 30.0
"""Longest duration of the child, without the time of the reads from S3."""

READ_BYTES = 4 * 1024 * 1024
"""Maximum number of bytes of one read by libav, which may ask for a whole table at once."""

PR_SET_DUMPABLE = 4
"""Option of Linux's prctl that sets whether other processes may read a process's memory.

https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html
"""

LINE_BYTES = 64 * 1024
EXIT_SECONDS = 5.0


@dataclass(frozen=True)
class Movie:
    """An MP4's duration in seconds, and the types of its streams."""

    seconds: float
    streams: tuple[str, ...]


def inspect(
    name: str,
    read_range: Callable[[int, int], bytes],
    size: int,
    *,
    program: Path = CHILD,
    seconds: float = CHILD_SECONDS,
    library_path: str = "",
) -> Movie:
    """Check that a file is a complete MP4 with a video. Return the MP4's duration and streams.

    Args:
        name: Name of the file, for error messages.
        read_range: Reads bytes of the file, given their offset and number.
        size: Size of the file in bytes.
        program: Python program that the child runs.
        seconds: Longest duration of the child, without the time of `read_range`.
        library_path: The child's LD_LIBRARY_PATH, without which Lambda's Python doesn't start.

    Raises:
        TransferFailed: The file isn't a complete MP4 with a video.
        UnusableVideo: The check takes more memory, time or reads than any recording needs, the
            boxes are unusable (`check_boxes`), or libav crashes or sends nonsense.
        RuntimeError, OSError: The child doesn't start, or sends no line.
        Exception: `read_range` raised this error.
    """
    file = File(name, read_range, size)
    check_boxes(file)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _start(program, theirs, size, library_path)
        with process:
            try:
                return _serve(file, _Child(name, process, ours, seconds))
            finally:
                process.kill()


class Inspector:
    """Inspector of one MP4 at a time. Several children could exceed the function's memory."""

    def __init__(self, library_path: str) -> None:
        self._library_path = library_path
        self._lock = threading.Lock()

    def inspect(self, name: str, read_range: Callable[[int, int], bytes], size: int) -> Movie:
        """Wait until no other thread inspects an MP4, and call the function `inspect`.

        Raises:
            TransferFailed, UnusableVideo, RuntimeError, OSError, Exception: See the function
                `inspect`.
        """
        with self._lock:
            return inspect(name, read_range, size, library_path=self._library_path)


def _start(
    program: Path, connection: socket.socket, size: int, library_path: str
) -> subprocess.Popen[bytes]:
    """Hide this process, and start the child.

    The child gets this process's search path for packages, but not this process's environment.

    Raises:
        OSError: The system can't start the child, for example because no memory is left.
    """
    _hide_this_process()
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    if library_path:
        environment["LD_LIBRARY_PATH"] = library_path
    limits = (size, BLOCK_BYTES, READ_BYTES, MEMORY_BYTES, CPU_SECONDS)
    return subprocess.Popen(
        # The child must neither write files (-B) nor import code from other folders (-P, -S, -s).
        [sys.executable, "-BPSs", str(program), *map(str, limits)],
        stdin=connection.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )


def _hide_this_process() -> None:
    """On Linux, keep the same user's processes from reading this process's environment and memory.

    Otherwise the child could read the credentials under `/proc`. Linux resets the attribute
    "dumpable" when a program starts, so the child itself isn't hidden.
    https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


class _Answer(msgspec.Struct, frozen=True):
    """A line from the child: a request for a range if `length` is set, else the result."""

    offset: int = 0
    length: int = 0
    seconds: float = 0
    streams: tuple[str, ...] = ()
    failure: str = ""


class _Child:
    """The child that opens the video `name` within `seconds`, and our end of its socket."""

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        connection: socket.socket,
        seconds: float,
    ) -> None:
        self._name = name
        self._process = process
        self._connection = connection
        self._seconds_left = seconds
        self._has_begun = False

    def receive(self) -> _Answer:
        """Wait for the child's next line, and return the line as an object.

        Raises:
            UnusableVideo: The child died, took too long, or sent an invalid line.
            RuntimeError: The child ended or took too long before its first line, so the file isn't
                the cause.
        """
        line = b""
        while not line.endswith(b"\n"):
            with self._limited_time():
                received = self._connection.recv(LINE_BYTES)
                if not received:
                    raise EOFError
            line += received
            if len(line) > LINE_BYTES:
                raise UnusableVideo.of(self._name, "libav answers nonsense when it opens it")
        self._has_begun = True
        try:
            return msgspec.json.decode(line, type=_Answer)
        except UNREADABLE_JSON as error:
            raise UnusableVideo.of(self._name, "libav answers nonsense when it opens it") from error

    def send(self, content: bytes) -> None:
        """Send the bytes of a range to the child.

        Raises:
            UnusableVideo: The child died or took too long.
        """
        with self._limited_time():
            self._connection.sendall(content)

    @contextmanager
    def _limited_time(self) -> Iterator[None]:
        began = time.monotonic()
        self._connection.settimeout(max(0.001, self._seconds_left))
        try:
            yield
        except (TimeoutError, EOFError, ConnectionError) as error:
            raise self._failure(error) from error
        self._seconds_left -= time.monotonic() - began

    def _failure(self, error: Exception) -> Exception:
        """Kill a child that doesn't answer any more, and return the error."""
        is_late = isinstance(error, TimeoutError)
        if not is_late:
            # The child's socket closes shortly before the child ends with the exit code.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(EXIT_SECONDS)
        self._process.kill()
        code = self._process.wait()
        if not self._has_begun:
            told = self._process.stderr.read(LINE_BYTES) if self._process.stderr else b""
            return RuntimeError(f"The child ended with {code}: {told.decode(errors='replace')}")
        if is_late or code == -signal.SIGXCPU:
            return UnusableVideo.of(self._name, "libav takes longer to open it than any recording")
        return UnusableVideo.of(self._name, f"libav crashes when it opens it (exit code {code})")


def _serve(file: File, child: _Child) -> Movie:
    """Answer the child's requests for ranges until the child sends the result; return the movie.

    Raises:
        TransferFailed: The file isn't a complete MP4 with a video.
        UnusableVideo: The child died, took too long, needed too much memory, or sent an invalid
            line or request; or the file takes too many reads, or reads of too many bytes.
        RuntimeError: The child sent no first line.
        Exception: The file's `read_range` raised this error.
    """
    answer = child.receive()
    while answer.length:
        if not (
            0 < answer.length <= READ_BYTES and 0 <= answer.offset <= file.size - answer.length
        ):
            raise UnusableVideo.of(file.name, "libav answers nonsense when it opens it")
        child.send(file.read(answer.offset, answer.length))
        answer = child.receive()
    if answer.failure == "MemoryError":
        raise UnusableVideo.of(
            file.name, "libav needs more memory to open it than for any recording"
        )
    if answer.failure:
        raise TransferFailed(f"{file.name} is not a whole MP4: {answer.failure}.")
    if "video" not in answer.streams or answer.seconds <= 0:
        raise TransferFailed(f"{file.name} holds no video of any length.")
    return Movie(answer.seconds, answer.streams)
