"""The fake clock of the stand-ins' tests, in seconds since 1970."""

from dataclasses import dataclass

NOW = 1_795_000_000.0


@dataclass
class Clock:
    """A fake clock that advances only when a test changes `now`, in seconds since 1970."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now
