"""A file's way from Zoom to S3: one checked stream into a multipart upload, tried again as a whole.

This is the seam of the transfer: who wants it faster replaces what is behind `copy_file`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ingester.errors import FileUnavailable, TransferFailed, ZoomUnreachable
from ingester.retry import Sleep, retrying
from ingester.transfer.source import Download

logger = logging.getLogger("ingester.transfer")

ATTEMPTS = 5
RETRY_SECONDS = 600.0
"""A new attempt must still have a chance within the function's 900."""


class Store(Protocol):
    """Where files go: `neighbours.staging.Staging`."""

    def store(self, key: str, chunks: Iterable[bytes], metadata: dict[str, str]) -> int: ...

    def read_range(self, key: str, offset: int, length: int) -> bytes: ...


class EmptyFile(FileUnavailable):
    """Zoom handed out a file of no bytes, and never said that there should be any."""


@dataclass(frozen=True)
class Target:
    """Where a file goes, and what S3 is to remember of it."""

    key: str
    metadata: dict[str, str]


@dataclass(frozen=True)
class Copied:
    """A file that is whole in S3. `size` in bytes."""

    key: str
    size: int


def copy_file(
    open_source: Callable[[], AbstractContextManager[Download]],
    target_of: Callable[[str], Target],
    store: Store,
    *,
    expected_size: int | None,
    sleep: Sleep,
) -> Copied:
    """Copies one file, never whole in memory or on disk; `target_of` is given its name.

    What is in S3 at the end has the size that the server told and, if it is known, the
    `expected_size` that Zoom's API told. A broken transfer is begun anew, with backoff; then
    TransferFailed or ZoomUnreachable. FileUnavailable when there is nothing to copy.
    """

    def once() -> Copied:
        with open_source() as download:
            target = target_of(download.name)
            size = store.store(target.key, _checked(download, expected_size), target.metadata)
        return Copied(target.key, size)

    attempt = retrying(
        (TransferFailed, ZoomUnreachable),
        attempts=ATTEMPTS,
        seconds=RETRY_SECONDS,
        sleep=sleep,
        before=lambda state: logger.warning(
            "Trying the file again: %s", state.outcome.exception() if state.outcome else ""
        ),
    )
    return attempt(once)


def _checked(download: Download, expected_size: int | None) -> Iterator[bytes]:
    """The download's bytes; raises at their end, so before the upload is completed, if they
    are not all there."""
    size = 0
    for chunk in download.chunks():
        size += len(chunk)
        yield chunk
    for told, by in ((download.size, "the download host"), (expected_size, "Zoom")):
        if told is not None and told != size:
            raise TransferFailed(f"{size} bytes came of {download.name}, {by} told {told}.")
    if size == 0:
        raise EmptyFile(f"Zoom handed out {download.name or 'a file'} with no bytes in it.")
