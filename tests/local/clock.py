"""The clock of the stand-ins' tests, in seconds since 1970, as the stand-ins count."""

from dataclasses import dataclass

NOW = 1_795_000_000.0


@dataclass
class Clock:
    """A clock that a test turns."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now
