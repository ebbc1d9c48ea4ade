"""How fast a peer is: caps, waits, and the clock that keeps them. 1 MB is 1,000,000 bytes."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MB = 1_000_000
CONNECTION_BURST = 256 * 1024
LINK_BURST = 1024 * 1024


@dataclass(frozen=True)
class LinkSettings:
    """The speed of a peer. 0 is no cap and no wait.

    `conn_mbps` caps each connection, `link_mbps` all of them together, in MB/s of bodies.
    `latency_ms` is waited before each answer, `accept_latency_ms` after each new connection, where
    it stands for the round trips of TCP and TLS.
    """

    conn_mbps: float = 0.0
    link_mbps: float = 0.0
    latency_ms: float = 0.0
    accept_latency_ms: float = 0.0

    @property
    def is_paced(self) -> bool:
        """Whether bytes are held back."""
        return self.conn_mbps > 0 or self.link_mbps > 0


class Pacer:
    """Holds bytes back so that no more than `mbps` pass in the long run; threads may share it.

    After a pause up to `burst` bytes may go at once. `wait` sleeps for a number of seconds of
    `clock`.
    """

    def __init__(
        self,
        mbps: float,
        burst: int,
        wait: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = mbps * MB
        self._burst = burst
        self._wait = wait
        self._clock = clock
        self._due = clock()
        self._lock = threading.Lock()

    def pass_on(self, count: int) -> None:
        """Returns when `count` bytes more may go."""
        if self._rate <= 0:
            return
        with self._lock:
            now = self._clock()
            self._due = max(self._due, now - self._burst / self._rate) + count / self._rate
            delay = self._due - now
        if delay > 0:
            self._wait(delay)
