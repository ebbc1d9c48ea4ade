"""Count the progress of one file's copy, over all connections, and calculate a throughput."""

from __future__ import annotations

import threading


class Progress:
    """Counts of one file's copy.

    Attributes:
        began: Time at which the copy first began, in seconds on the run's clock.
        fetched: Number of bytes from the source.
        retries: Number of retries.
    """

    def __init__(self) -> None:
        self.began = 0.0
        self.fetched = 0
        self.retries = 0
        self._lock = threading.Lock()

    def begin(self, now: float) -> None:
        """Set the time of the beginning to `now` (seconds). A restart doesn't change that time."""
        self.began = self.began or now

    def add_bytes(self, length: int) -> None:
        """Count bytes from the source."""
        with self._lock:
            self.fetched += length

    def add_retry(self) -> None:
        """Count a retry."""
        with self._lock:
            self.retries += 1


def rate(fetched: int, seconds: float) -> float:
    """Return the throughput in megabytes (1,000,000 bytes) a second, rounded to one decimal place.

    `fetched` is in bytes. The result is 0 if `seconds` is 0.
    """
    return round(fetched / seconds / 1e6, 1) if seconds else 0.0
