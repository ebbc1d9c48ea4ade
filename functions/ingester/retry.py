"""Trying again within one invocation: jittered backoff that stays inside a budget of seconds."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import tenacity

from ingester.errors import IngesterError

Sleep = Callable[[float], None]
Chance = Callable[[], float]
"""A number from 0 up to, but not including, 1: `random.random`."""

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


def within(seconds: float, timeout: tuple[float, float]) -> tuple[float, float]:
    """`timeout` (seconds to connect, to read), cut so that both together stay within `seconds`."""
    connect = min(timeout[0], seconds / 2)
    return connect, min(timeout[1], seconds - connect)


def backoff(
    failures: int,
    first: float = FIRST_WAIT,
    longest: float = LONGEST_WAIT,
    by_chance: Chance = random.random,
) -> float:
    """Seconds to wait after the `failures`-th failure in a row: exponential, with full jitter."""
    return by_chance() * min(longest, first * 2.0 ** (failures - 1))


def retrying(
    errors: type[IngesterError] | tuple[type[IngesterError], ...],
    *,
    attempts: int,
    seconds: float,
    sleep: Sleep,
    before: Callable[[tenacity.RetryCallState], Any] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    by_chance: Chance = random.random,
) -> tenacity.Retrying:
    """A tenacity `Retrying` for `errors`, to be called once; the last of them is raised as it is.

    It waits as long as the other side asked for (`retry_after` of the error), else exponentially
    with jitter. It ends after `attempts`, or before a wait that would lead beyond `seconds` from
    now. `before` is called before each wait. `monotonic` counts the seconds.
    """
    begin = monotonic()

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None)
        if asked is not None:
            return float(asked)
        return max(FIRST_WAIT / 5, backoff(state.attempt_number, by_chance=by_chance))

    def stop(state: tenacity.RetryCallState) -> bool:
        # tenacity's own stop_before_delay reads a clock that can't be handed in.
        is_late = monotonic() - begin + state.upcoming_sleep >= seconds
        return state.attempt_number >= attempts or is_late

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(errors),
        stop=stop,
        wait=wait,
        sleep=sleep,
        before_sleep=before,
        reraise=True,
    )


def retry_after(header: str, now: datetime) -> float | None:
    """Seconds from `now` that a `Retry-After` asks for: a number, an HTTP date, or an ISO date.

    None if there is none, or nothing that can be read.
    """
    text = header.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
