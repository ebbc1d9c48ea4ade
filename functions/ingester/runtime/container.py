"""The dependencies that a warm Lambda container keeps between invocations.

The dependencies are rebuilt after five minutes, and sooner if a secret may have been rotated.
Forged requests cause only a limited number of rebuilds.
"""

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
"""Lifetime of the dependencies, and so the longest time until a rotated secret takes effect unless
AWS fails."""

LONGEST_SECONDS = 900.0
"""Longest time for which a revoked secret works while AWS fails. After that time, requests fail."""

UNSIGNED_SECONDS = 10.0
"""Longest time for which unsigned requests are still accepted after a secret has been set."""

SUSPICION_SECONDS = 10.0
"""Minimum seconds between two rebuilds by `rebuild_sparingly`, however many requests are forged."""

READINGS = 10
READING_SECONDS = 60.0
"""Period in which `rebuild_or_none` rebuilds at most `READINGS` times, so that forged requests
can't cause more rebuilds."""


class Container(Generic[Kept]):
    """A function's dependencies, built at the first call and again when they are old.

    Each build checks the settings and reads the secrets. So a rotated secret takes effect without a
    deployment. No settings are needed when a module is imported.
    """

    def __init__(
        self,
        build: Callable[[], Kept],
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
        carry_over: Callable[[Kept, Kept], Kept] = lambda _old, new: new,
    ) -> None:
        """Prepare the container. The first call builds the dependencies.

        Args:
            build: Builds the dependencies.
            seconds: Lifetime of the dependencies.
            clock: Returns a monotonic time in seconds.
            carry_over: Takes the old and the new dependencies, and returns the new ones with the
                values of the old ones that are still valid, such as caches.
        """
        self._build = build
        self._carry_over = carry_over
        self._seconds = seconds
        self._clock = clock
        self._kept: tuple[float, Kept] | None = None
        self._built_at = 0.0
        self._suspected: float | None = None
        self._readings: deque[float] = deque(maxlen=READINGS)

    def __call__(self) -> Kept:
        """Return the dependencies, which are built now if there are none or they are too old.

        Raises:
            BotoCoreError, ClientError: AWS fails, and the last build that succeeded is older than
                LONGEST_SECONDS, or there was none.
            SettingsError: A setting or a secret is missing or wrong.
        """
        now = self._clock()
        if self._kept is None or now - self._built_at >= LONGEST_SECONDS:
            built = self._build()
            self._kept = (now, self._carry_over(self._kept[1], built) if self._kept else built)
            self._built_at = now
        elif now - self._kept[0] >= self._seconds:
            self._kept = (now, self._rebuild_or_keep(self._kept[1]))
        return self._kept[1]

    def rebuild_sparingly(self, seconds: float = SUSPICION_SECONDS) -> Kept:
        """Rebuild now, but at most once every `seconds`, and return the dependencies.

        If AWS fails, return the old dependencies. Call this method when a secret may have been
        rotated.

        Raises:
            BotoCoreError, ClientError: AWS fails, and there are no dependencies, or they are older
                than LONGEST_SECONDS.
            SettingsError: A setting or a secret is missing or wrong.
        """
        kept, now = self(), self._clock()
        if self._suspected is not None and now - self._suspected < seconds:
            return kept
        self._suspected = now
        self._kept = (now, self._rebuild_or_keep(kept))
        return self._kept[1]

    def rebuild_or_none(self) -> Kept | None:
        """Rebuild and return the dependencies.

        The result is None if AWS fails, or after READINGS attempts within READING_SECONDS. Call
        this method for a decision that must not depend on secrets that were read earlier.

        Raises:
            BotoCoreError, ClientError: AWS fails, and there are no dependencies, or they are older
                than LONGEST_SECONDS.
            SettingsError: A setting or a secret is missing or wrong.
        """
        old, now = self(), self._clock()
        if len(self._readings) == READINGS and now - self._readings[0] < READING_SECONDS:
            return None
        self._readings.append(now)
        return self._rebuild(old)

    def built_recently(self) -> Kept | None:
        """Return dependencies that are at most UNSIGNED_SECONDS old; None if AWS fails.

        Call this method before an unsigned request is accepted: a secret may have been set just
        now.

        Raises:
            BotoCoreError, ClientError, SettingsError: As for `rebuild_or_none`.
        """
        kept, now = self(), self._clock()
        if now - self._built_at < UNSIGNED_SECONDS:
            return kept
        return self._rebuild(kept)

    def _rebuild_or_keep(self, old: Kept) -> Kept:
        """Rebuild the dependencies and return the new ones, or `old` while AWS fails."""
        new = self._rebuild(old)
        return old if new is None else new

    def _rebuild(self, old: Kept) -> Kept | None:
        """Rebuild, keep and return the dependencies; return None while AWS fails."""
        try:
            built = self._build()
        except (BotoCoreError, ClientError):
            logger.exception(
                "Settings and secrets could not be read anew",
                extra=log.nonfatal("It works with the old ones for a quarter of an hour at most."),
            )
            return None
        self._built_at = self._clock()
        self._kept = (self._built_at, self._carry_over(old, built))
        return self._kept[1]
