"""What a warm Lambda container keeps between invocations."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

logger = logging.getLogger("ingester.container")

Kept = TypeVar("Kept")

SECONDS = 300.0
"""How long a rotated secret may stay unnoticed by a warm container."""

YOUNGEST_SECONDS = 10.0
"""What is younger isn't built anew by `renewed`: a flood of forged requests reads no more secrets
than one request in this time."""


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
    ) -> None:
        self._build = build
        self._seconds = seconds
        self._clock = clock
        self._kept: tuple[float, Kept] | None = None

    def __call__(self) -> Kept:
        now = self._clock()
        if self._kept is None:
            self._kept = (now, self._build())
        elif now - self._kept[0] >= self._seconds:
            self._kept = (now, self._built_anew(self._kept[1]))
        return self._kept[1]

    def renewed(self, youngest: float = YOUNGEST_SECONDS) -> Kept:
        """What there is, built anew before its time unless it is younger than that (seconds).

        For who has reason to think that a secret was rotated.
        """
        kept = self()
        now = self._clock()
        if self._kept is None or now - self._kept[0] < youngest:
            return kept
        self._kept = (now, self._built_anew(kept))
        return self._kept[1]

    def _built_anew(self, old: Kept) -> Kept:
        """Built anew; the old one while AWS can't say the secrets, which seldom change."""
        try:
            return self._build()
        except (BotoCoreError, ClientError):
            logger.exception("Settings and secrets could not be read anew: going on with the old")
            return old
