"""How many connections are worth their while.

It starts low and doubles as long as the bytes a second grow with it. When they don't, it goes back,
and asks now and then whether some more would pay by now. Where the other side says that it is too
much (429, 503), half of them go at once. Every connection costs memory and, on two cores or a part
of one, CPU: more than the link needs make it slower.
"""

from __future__ import annotations

WORTH = 0.25
"""The least that more connections must bring, as a share of what they would bring if each were as
fast as the others. Less may be chance."""
TICKS_BETWEEN_TRIALS = 12
TICKS_AFTER_THROTTLING = 40


class Pace:
    """`connections` is how many may be open now: from 1 to `most`."""

    def __init__(self, first: int, most: int) -> None:
        self.connections = min(first, most)
        self._most = most
        self._doubling = True
        self._proven = self.connections
        self._rate = 0.0
        self._quiet = 0

    def measured(self, rate: float, in_use: int) -> None:
        """Takes the bytes a second of the last tick, in which `in_use` connections were open."""
        if in_use < self.connections:
            # There was not enough to do: the rate says nothing about what more would bring.
            return
        if self._quiet:
            self._rate = rate
            self._quiet -= 1
            if not self._quiet:
                self._grow()
        elif rate >= self._rate * (1 + WORTH * (self.connections / self._proven - 1)):
            self._rate = rate
            self._proven = self.connections
            self._grow()
        else:
            self.connections = self._proven
            self._rest(TICKS_BETWEEN_TRIALS)

    def throttled(self) -> None:
        """The other side asked for less."""
        self.connections = self._proven = max(1, self.connections // 2)
        self._rest(TICKS_AFTER_THROTTLING)

    def _rest(self, ticks: int) -> None:
        self._doubling = False
        self._quiet = ticks

    def _grow(self) -> None:
        more = self.connections if self._doubling else max(1, self.connections // 4)
        self.connections = min(self._most, self.connections + more)
        if self.connections == self._proven:
            self._rest(TICKS_BETWEEN_TRIALS)
