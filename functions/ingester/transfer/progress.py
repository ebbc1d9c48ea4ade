"""What has been done so far of one file, counted by all its connections at once."""

from __future__ import annotations

import threading


class Progress:
    """Bytes that came from the source (`fetched`), and how often something broke (`retries`)."""

    def __init__(self) -> None:
        self.began = 0.0
        self.fetched = 0
        self.retries = 0
        self._lock = threading.Lock()

    def begin(self, now: float) -> None:
        """Notes when it began, on the run's clock."""
        self.began = self.began or now

    def got(self, length: int) -> None:
        """Counts bytes of the source."""
        with self._lock:
            self.fetched += length

    def broke(self) -> None:
        """Counts a failure that is tried again."""
        with self._lock:
            self.retries += 1


def rate(fetched: int, seconds: float) -> float:
    """Megabytes a second, of 1,000,000 bytes each."""
    return round(fetched / seconds / 1e6, 1) if seconds else 0.0
