"""What a warm Lambda container keeps between invocations."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ingester import log

logger = logging.getLogger("ingester.container")

Kept = TypeVar("Kept")

SECONDS = 300.0
"""How long a rotated secret may stay unnoticed by a warm container."""

SUSPICION_SECONDS = 10.0
"""How often `renewed` builds anew at most: many forged requests read no more secrets than one."""


READINGS = 10
READING_SECONDS = 60.0
"""`read_anew` builds at most so often in so many seconds: the same for a flood of forgeries."""


class Container(Generic[Kept]):
    """Builds what a function needs at the first call and again when it has grown old.

    Settings are checked and secrets read when it is built, so a rotated secret is taken up
    without a deployment, and nothing happens when a module is imported.
    """

    def __init__(
        self,
        build: Callable[[], Kept],
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
        carry: Callable[[Kept, Kept], Kept] = lambda _old, new: new,
    ) -> None:
        """`carry` gives, of the old and the new, the new with what still holds of the old."""
        self._build = build
        self._carry = carry
        self._seconds = seconds
        self._clock = clock
        self._kept: tuple[float, Kept] | None = None
        self._suspected: float | None = None
        self._readings: deque[float] = deque(maxlen=READINGS)

    def __call__(self) -> Kept:
        now = self._clock()
        if self._kept is None:
            self._kept = (now, self._build())
        elif now - self._kept[0] >= self._seconds:
            self._kept = (now, self._built_anew(self._kept[1]))
        return self._kept[1]

    def renewed(self, seconds: float = SUSPICION_SECONDS) -> Kept:
        """What there is, built anew before its time unless that was done so short a time ago.

        For who has reason to think that a secret was rotated.
        """
        kept, now = self(), self._clock()
        if self._suspected is not None and now - self._suspected < seconds:
            return kept
        self._suspected = now
        self._kept = (now, self._built_anew(kept))
        return self._kept[1]

    def read_anew(self) -> Kept | None:
        """Build anew at this moment; None if AWS fails, or if that was done too often lately.

        For a decision that must not be taken by secrets that were read before.
        """
        old, now = self(), self._clock()
        if len(self._readings) == READINGS and now - self._readings[0] < READING_SECONDS:
            return None
        self._readings.append(now)
        new = self._built()
        if new is None:
            return None
        self._kept = (now, self._carry(old, new))
        return self._kept[1]

    def _built_anew(self, old: Kept) -> Kept:
        """Built anew; the old one while AWS can't say the secrets, which seldom change."""
        new = self._built()
        return old if new is None else self._carry(old, new)

    def _built(self) -> Kept | None:
        try:
            return self._build()
        except (BotoCoreError, ClientError):
            logger.exception(
                "Settings and secrets could not be read anew",
                extra=log.goes_on("It works with the old ones, and tries again."),
            )
            return None
