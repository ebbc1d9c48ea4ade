"""A fake source in memory, with failures that a test chooses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.transfer.peers.content import Generated
from ingester.errors import TransferFailed
from ingester.transfer.ranges import Version

VERSION = Version(None, '"v1"', "Mon, 02 Nov 2026 10:00:00 GMT")


@dataclass(frozen=True)
class Break:
    """A break of a body after `after` bytes, with an error, or silently like a regular end."""

    after: int
    error: type[Exception] = TransferFailed
    is_silent: bool = False


@dataclass
class MemoryBody:
    """A fake of `ranges.Body`."""

    content: Generated
    version: Version
    first: int
    end: int
    is_range: bool = True
    name: str = "talk.mp4"
    breaks: Break | None = None
    is_closed: bool = False
    longest_read: int = 0
    _read: int = 0

    def read(self, length: int) -> bytes:
        assert not self.is_closed
        self.longest_read = max(self.longest_read, length)
        at = self.first + self._read
        length = min(length, self.end - at)
        if self.breaks:
            length = min(length, self.breaks.after - self._read)
            if not length and not self.breaks.is_silent:
                raise self.breaks.error("The line broke.")
        self._read += length
        return self.content.read(at, length)

    def close(self) -> None:
        self.is_closed = True


@dataclass
class MemoryFile:
    """A fake of `ranges.Source`.

    Attributes:
        content: The bytes.
        version: Version of the file.
        is_sized: Whether the source states its size.
        has_ranges: Whether the source answers with the requested range instead of the whole file.
        script: The failures of the first openings, in order: an error at the opening, a break of
            the body, or None for no failure.
        before: Function to call with each requested range, in the thread of the request.
        requested: The first and last byte of each requested range.
        bodies: The opened bodies.
    """

    content: Generated
    version: Version = VERSION
    is_sized: bool = True
    has_ranges: bool = True
    script: Iterable[Break | Exception | None] = ()
    before: Callable[[int, int], object] = lambda *_: None
    requested: list[tuple[int, int]] = field(default_factory=list)
    bodies: list[MemoryBody] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.then(*self.script)

    def then(self, *script: Break | Exception | None) -> None:
        """Replace the failures of the next openings by `script`."""
        self._script = deque(script)

    def open(self, first: int, last: int) -> MemoryBody:
        self.requested.append((first, last))
        self.before(first, last)
        failure = self._script.popleft() if self._script else None
        if isinstance(failure, Exception):
            raise failure
        size = self.content.size
        version = self.version
        body = MemoryBody(
            self.content,
            Version(size if self.is_sized else None, version.etag, version.last_modified),
            first if self.has_ranges else 0,
            min(last + 1, size) if self.has_ranges else size,
            is_range=self.has_ranges,
            breaks=failure,
        )
        self.bodies.append(body)
        return body
