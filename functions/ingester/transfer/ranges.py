"""Read a range of a source as one stream of bytes, with a new request where the stream breaks."""

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
"""Maximum number of bytes of a part that are read at once. Smaller chunks cost CPU, and larger
chunks gain nothing."""

FAILURES = 5
"""Maximum number of retried failures in a row. After one more failure, the part fails, and a retry
has to send the whole part with a new request to S3."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
"""Upper limits, in seconds, of the first backoff and of any pause before a range continues. S3
waits meanwhile, and closes a request that sends nothing for 20 seconds."""


@dataclass(frozen=True)
class Version:
    """The version of a file, which may change at the same URL (RFC 9110, sections 8.6 and 8.8).

    `size` is in bytes, and None if the source doesn't say the size. `etag` and `last_modified` are
    the headers of the same names, or "".
    """

    size: int | None
    etag: str = ""
    last_modified: str = ""


class Body(Protocol):
    """The answer of a source: bytes of a file's `version`, from offset `first` on.

    `is_range` is False if the source has no ranges, and answers with the whole file. `name` is the
    file's name at the source; "" if it is unknown.
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
        """Return at most `length` bytes, at least one except at the end.

        Raises:
            TransferFailed: The answer breaks off or stalls.
        """
        ...

    def close(self) -> None: ...


class Source(Protocol):
    """A file that can be opened any number of times."""

    def open(self, first: int, last: int) -> Body:
        """Request the bytes `first` to `last`, inclusive.

        Raises:
            EmptyFile, FileUnavailable: The file is empty, or can't be downloaded.
            ZoomUnreachable, ZoomRefused, TransferFailed: A retry may help.
            SourceChanged: The file has no byte `first`.
        """
        ...


class RangeReader:
    """A reader of ranges of one version of a source.

    Args:
        source: The source.
        version: Version to read. No other version is ever read.
        sleep: Waits the given number of seconds.
        on_bytes: Called with the length of each chunk; may raise to end the reading.
        on_failure: Called with each failure after which the range continues.
    """

    def __init__(
        self,
        source: Source,
        version: Version,
        *,
        sleep: Sleep,
        on_bytes: Callable[[int], None],
        on_failure: Callable[[RetryableFailure], None],
    ) -> None:
        self._source = source
        self._version = version
        self._sleep = sleep
        self._on_bytes = on_bytes
        self._on_failure = on_failure

    def open(self, first: int, last: int) -> Body:
        """Request the bytes `first` to `last`, inclusive.

        Raises:
            SourceChanged: The source has another version now.
            IngesterError: See `Source.open`.
        """
        body = self._source.open(first, last)
        if body.is_range and body.first == first and body.version == self._version:
            return body
        body.close()
        raise SourceChanged(f"{body.name or 'The file'} changed at Zoom while it was copied.")

    def chunks(self, body: Body, first: int, last: int) -> Generator[bytes, None, None]:
        """Yield the bytes `first` to `last` chunk by chunk.

        After a failure, only the missing bytes are requested.

        Args:
            body: The range, opened by `open`. This method closes the body.
            first: Offset of the first byte.
            last: Offset of the last byte.

        Raises:
            TransferFailed, ZoomUnreachable: There were too many failures in a row, or Zoom asks for
                a pause that is too long.
            SourceChanged: The source has another version now.
            IngesterError: See `Source.open`.
        """
        failures = 0
        while first <= last:
            try:
                with closing(body):
                    # Keep this loop short, because it runs about 4,000 times for a gigabyte.
                    while first <= last:
                        chunk = body.read(min(CHUNK_BYTES, last - first + 1))
                        if not chunk:
                            raise TransferFailed(f"The download of {body.name} ended early.")
                        first += len(chunk)
                        failures = 0
                        self._on_bytes(len(chunk))
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
        """Wait before the next request, and return the number of failures in a row.

        Raises:
            RetryableFailure: `error`, if there were too many failures or the pause is too long.
        """
        pause = getattr(error, "retry_after", None)
        if pause is None:
            pause = backoff(failures + 1, FIRST_PAUSE, LONGEST_PAUSE)
        if failures == FAILURES or pause > LONGEST_PAUSE:
            raise error
        self._on_failure(error)
        logger.info("%s The part goes on in %.1f s.", error, pause)
        self._sleep(pause)
        return failures + 1
