"""Check that an object is a complete MP4 with a video, by reading ranges of it from S3.

libav opens the file in a child process with limits, because a sample table (in the moov box) of a
few kilobytes can make it allocate gigabytes. The child has no credentials: this process reads for
it, and hides its own memory and environment from it.
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

from ingester.errors import TransferFailed, UnusableVideo
from ingester.transfer.mp4_boxes import BLOCK_BYTES, File, check_boxes

CHILD = Path(__file__).with_name("mp4_child.py")

MEMORY_BYTES = 256 * 1024 * 1024
"""Maximum memory of the child. A function of 512 MB has room for it next to the downloader."""

CPU_SECONDS = 20
CHILD_SECONDS = 30.0
"""Maximum seconds that the child takes, without the time of the reads from S3."""

READ_BYTES = 4 * 1024 * 1024
"""Maximum number of bytes of a read by libav, which reads a table at once."""

PR_SET_DUMPABLE = 4
"""A code of Linux's prctl. https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html"""

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
    """Open an MP4 and read its duration and streams.

    Args:
        name: Its name, for error messages.
        read_range: Reads so many bytes from an offset on.
        size: Its size in bytes.
        program: What the child runs.
        seconds: Maximum time that the child takes, without the time of `read_range`.
        library_path: The child's LD_LIBRARY_PATH. Lambda's Python doesn't start without it.

    Raises:
        TransferFailed: It isn't a complete MP4 with a video.
        UnusableVideo: Checking it takes more memory or time than any recording, or crashes libav.
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
    """Inspects one MP4 at a time: together the children could exceed the function's memory."""

    def __init__(self, library_path: str) -> None:
        self._library_path = library_path
        self._lock = threading.Lock()

    def inspect(self, name: str, read_range: Callable[[int, int], bytes], size: int) -> Movie:
        """Open an MP4, once no other thread does. See `inspect`."""
        with self._lock:
            return inspect(name, read_range, size, library_path=self._library_path)


def _start(
    program: Path, connection: socket.socket, size: int, library_path: str
) -> subprocess.Popen[bytes]:
    """Start the child. It finds its packages where we do, and gets nothing of our environment.

    Raises:
        OSError: The system has no memory or no processes left.
    """
    _hide_this_process()
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    if library_path:
        environment["LD_LIBRARY_PATH"] = library_path
    limits = (size, BLOCK_BYTES, READ_BYTES, MEMORY_BYTES, CPU_SECONDS)
    return subprocess.Popen(
        # The child must neither write files (-B) nor import code from other folders (-P, -s).
        [sys.executable, "-BPSs", str(program), *map(str, limits)],
        stdin=connection.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )


def _hide_this_process() -> None:
    """Keep processes of the same user from reading this one's environment and memory.

    Without it the child could read the credentials under `/proc`. Starting a program resets it, so
    it doesn't hide the child from us.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


class _Answer(msgspec.Struct, frozen=True):
    """A line of the child's: a request for a range if it has a length, else the result."""

    offset: int = 0
    length: int = 0
    seconds: float = 0
    streams: tuple[str, ...] = ()
    failure: str = ""


class _Child:
    """The child that opens the video `name`, and our end of its socket."""

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
        """Wait for the child's next line.

        Raises:
            UnusableVideo: The child died, took too long, or sent something else.
            RuntimeError: It didn't even begin, which isn't the file's fault.
        """
        line = b""
        while not line.endswith(b"\n"):
            with self._within_its_time():
                received = self._connection.recv(LINE_BYTES)
                if not received:
                    raise EOFError
            line += received
            if len(line) > LINE_BYTES:
                raise UnusableVideo.of(self._name, "libav answers nonsense when it opens it")
        self._has_begun = True
        try:
            return msgspec.json.decode(line, type=_Answer)
        except msgspec.DecodeError as error:
            raise UnusableVideo.of(self._name, "libav answers nonsense when it opens it") from error

    def send(self, content: bytes) -> None:
        """Send the bytes of a range. Raises as `receive` does."""
        with self._within_its_time():
            self._connection.sendall(content)

    @contextmanager
    def _within_its_time(self) -> Iterator[None]:
        began = time.monotonic()
        self._connection.settimeout(max(0.001, self._seconds_left))
        try:
            yield
        except (TimeoutError, EOFError, ConnectionError) as error:
            raise self._failure(error) from error
        self._seconds_left -= time.monotonic() - began

    def _failure(self, error: Exception) -> Exception:
        """Return why the child doesn't answer any more."""
        is_late = isinstance(error, TimeoutError)
        if not is_late:
            # Its socket closes shortly before it ends.
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
    """Read for the child until it answers the movie."""
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
