"""The speed of a stand-in, with bandwidth limits, delays, and a pacer for the limits.

1 MB is 1,000,000 bytes.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MB = 1_000_000
CONNECTION_BURST = 256 * 1024
LINK_BURST = 1024 * 1024


@dataclass(frozen=True)
class LinkSettings:
    """The speed of a stand-in. 0 means no limit or no delay.

    Attributes:
        conn_mbps: Limit of each connection, in MB/s of bodies.
        link_mbps: Limit of all connections together, in MB/s of bodies.
        latency_ms: Delay before an answer. Some of S3's refusals come without the delay.
        accept_latency_ms: Delay after each new connection, for the round trips of TCP and TLS.
    """

    conn_mbps: float = 0.0
    link_mbps: float = 0.0
    latency_ms: float = 0.0
    accept_latency_ms: float = 0.0

    @property
    def is_paced(self) -> bool:
        """True if there is a bandwidth limit."""
        return self.conn_mbps > 0 or self.link_mbps > 0


class Pacer:
    """A limit of `mbps` MB/s that threads share; 0 is no limit.

    After a time without bytes, up to `burst` bytes pass without delay. `wait` waits for a number of
    seconds.
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
        """Wait until `count` more bytes may pass."""
        if self._rate <= 0:
            return
        with self._lock:
            now = self._clock()
            self._due = max(self._due, now - self._burst / self._rate) + count / self._rate
            delay = self._due - now
        if delay > 0:
            self._wait(delay)
