"""Adapt the number of concurrent connections to the throughput.

The limit doubles while the throughput grows with the limit. When the throughput stops growing, the
limit returns to the last good value. From time to time, a trial raises the limit by a quarter.
When the source or S3 throttles, the limit is halved at the next tick. Each connection costs memory
and, on two cores or fewer, CPU. So too many connections make a copy slower.
"""

from __future__ import annotations

MIN_GAIN = 0.25
"""Minimum gain in throughput after more connections were allowed, as a share of the gain if the new
connections were as fast as the others. A smaller gain may be chance."""

TICKS_BETWEEN_TRIALS = 12
TICKS_AFTER_THROTTLING = 40


class ConcurrencyLimit:
    """Limit of concurrent connections.

    Args:
        initial: The first limit.
        maximum: The highest limit.

    Attributes:
        connections: The current limit, from 1 to `maximum`.
    """

    def __init__(self, initial: int, maximum: int) -> None:
        self.connections = min(initial, maximum)
        self._maximum = maximum
        self._is_doubling = True
        self._last_good = self.connections
        self._rate = 0.0
        self._ticks_to_hold = 0

    def adapt(self, rate: float, in_use: int) -> None:
        """Adapt the limit after a tick (`engine.TICK_SECONDS`).

        Raise the limit if the last raise paid off (`MIN_GAIN`). Otherwise return to the last good
        limit for `TICKS_BETWEEN_TRIALS`, and raise the limit again after these ticks.

        Args:
            rate: Bytes a second during the tick.
            in_use: Number of connections that were in use during the tick. If fewer than the limit
                were in use, the limit stays, because the rate says nothing about more connections.
        """
        if in_use < self.connections:
            return
        if self._ticks_to_hold:
            self._rate = rate
            self._ticks_to_hold -= 1
            if not self._ticks_to_hold:
                self._grow()
        elif rate >= self._rate * (1 + MIN_GAIN * (self.connections / self._last_good - 1)):
            self._rate = rate
            self._last_good = self.connections
            self._grow()
        else:
            self.connections = self._last_good
            self._hold(TICKS_BETWEEN_TRIALS)

    def back_off(self) -> None:
        """Halve the limit, because the source or S3 throttles.

        The limit may rise again after `TICKS_AFTER_THROTTLING`.
        """
        self.connections = self._last_good = max(1, self.connections // 2)
        self._hold(TICKS_AFTER_THROTTLING)

    def _hold(self, ticks: int) -> None:
        self._is_doubling = False
        self._ticks_to_hold = ticks

    def _grow(self) -> None:
        more = self.connections if self._is_doubling else max(1, self.connections // 4)
        self.connections = min(self._maximum, self.connections + more)
        if self.connections == self._last_good:
            self._hold(TICKS_BETWEEN_TRIALS)
