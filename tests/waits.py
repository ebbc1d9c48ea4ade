"""Fakes of sleep and of a monotonic clock, which tests inspect afterwards."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tests.cloud import Clock


@dataclass
class Sleeper:
    """A fake sleep that returns at once, records the seconds, and moves `clock` if given."""

    clock: Clock | None = None
    slept: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.clock:
            self.clock.forward(seconds=seconds)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Fake `threading.Event.wait`: record the sleep, and return whether `stop` is set."""
        self(seconds)
        return stop.is_set()


@dataclass
class Stopwatch:
    """A fake monotonic clock that a test or `sleep` moves. `now` is in seconds."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    longer: float = 0.0
    """Seconds that a sleep takes longer than requested."""

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + self.longer
