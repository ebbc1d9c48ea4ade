"""A range of a source as one stream of bytes that goes on where it broke off."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from ingester.errors import (
    RetryableFailure,
    SourceChanged,
    TransferFailed,
    ZoomUnreachable,
)
from ingester.retry import Sleep, backoff

logger = logging.getLogger("ingester.transfer")

CHUNK_BYTES = 256 * 1024
"""What is in memory at once of a part. Smaller costs CPU, larger brings nothing."""
FAILURES = 5
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
"""Seconds between two tries of a part that S3 waits for: S3 closes a request that sends nothing for
20. So often in a row, or longer, and the part is begun anew later."""


@dataclass(frozen=True)
class Version:
    """What tells a file from another under the same address (RFC 9110, sections 8.6 and 8.8).

    `size` in bytes, None if it isn't told.
    """

    size: int | None
    etag: str = ""
    last_modified: str = ""


class Body(Protocol):
    """An answer of a source: bytes from offset `first` on, of a file of `version`.

    `is_range` is False where a source answers with the whole file, whatever was asked for.
    """

    @property
    def version(self) -> Version: ...

    @property
    def first(self) -> int: ...

    @property
    def is_range(self) -> bool: ...

    @property
    def name(self) -> str: ...

    def read(self, length: int) -> bytes:
        """At most `length` bytes, none at the end. TransferFailed if it breaks off or stalls."""
        ...

    def close(self) -> None: ...


class Source(Protocol):
    """A file that can be opened again and again."""

    def open(self, first: int, last: int) -> Body:
        """Asks for the bytes `first` to `last`.

        EmptyFile or another FileUnavailable, ZoomUnreachable, TransferFailed, or SourceChanged if
        the file has no byte `first`.
        """
        ...


class RangeReader:
    """Reads ranges of one version of a source.

    `got` is told the length of each chunk and may raise to end it; `broke` is told each break.
    """

    def __init__(
        self,
        source: Source,
        version: Version,
        *,
        sleep: Sleep,
        got: Callable[[int], None],
        broke: Callable[[RetryableFailure], None],
    ) -> None:
        self._source = source
        self._version = version
        self._sleep = sleep
        self._got = got
        self._broke = broke

    def open(self, first: int, last: int) -> Body:
        """Begins a range. SourceChanged if the source is another version by now."""
        body = self._source.open(first, last)
        if body.is_range and body.first == first and body.version == self._version:
            return body
        body.close()
        raise SourceChanged(f"{body.name or 'The file'} changed at Zoom while it was copied.")

    def chunks(self, body: Body, first: int, last: int) -> Generator[bytes, None, None]:
        """The bytes `first` to `last`, of which `body` is the open beginning; it is closed here.

        After a break only what is missing is asked for. TransferFailed or ZoomUnreachable when
        that doesn't help.
        """
        failures = 0
        while first <= last:
            try:
                with closing(body):
                    # The hot loop: every step in it is taken some thousand times a gigabyte.
                    while first <= last:
                        chunk = body.read(min(CHUNK_BYTES, last - first + 1))
                        if not chunk:
                            raise TransferFailed(f"The download of {body.name} ended early.")
                        first += len(chunk)
                        failures = 0
                        self._got(len(chunk))
                        yield chunk
            except (TransferFailed, ZoomUnreachable) as error:
                failures = self._pause(error, failures)
                body = self._reopen(first, last, failures)

    def _reopen(self, first: int, last: int, failures: int) -> Body:
        while True:
            try:
                return self.open(first, last)
            except (TransferFailed, ZoomUnreachable) as error:
                failures = self._pause(error, failures)

    def _pause(self, error: RetryableFailure, failures: int) -> int:
        """Waits before the next try; raises `error` if there is to be none."""
        self._broke(error)
        asked = getattr(error, "retry_after", None)
        pause = backoff(failures + 1, FIRST_PAUSE, LONGEST_PAUSE) if asked is None else asked
        if failures == FAILURES or pause > LONGEST_PAUSE:
            raise error
        logger.info("%s The part goes on in %.1f s.", error, pause)
        self._sleep(pause)
        return failures + 1
