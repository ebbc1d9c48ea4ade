"""In place of sleeping and of counting seconds: what tests hand in, and look at afterwards."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tests.cloud import Clock


@dataclass
class Sleeper:
    """A sleep that only remembers, and moves the clock if it has one."""

    clock: Clock | None = None
    slept: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.clock:
            self.clock.forward(seconds=seconds)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """In place of `threading.Event.wait`."""
        self(seconds)
        return stop.is_set()


@dataclass
class Stopwatch:
    """Seconds that pass when a test says so, or in `sleep`."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    longer: float = 0.0
    """What a sleep takes beyond what was asked."""

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + self.longer
