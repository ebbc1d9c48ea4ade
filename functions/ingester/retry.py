"""Retries within one invocation: a backoff with jitter, before a deadline."""

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
RandomSource = Callable[[], float]
"""A function that returns a number from 0 up to, but not including, 1, such as `random.random`."""

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


def shortened_timeout(seconds: float, timeout: tuple[float, float]) -> tuple[float, float]:
    """Return `timeout` (seconds to connect, to read), shortened to `seconds` for both together."""
    connect = min(timeout[0], seconds / 2)
    return connect, min(timeout[1], seconds - connect)


def backoff(
    failures: int,
    first: float = FIRST_WAIT,
    longest: float = LONGEST_WAIT,
    random_fraction: RandomSource = random.random,
) -> float:
    """Return the seconds to wait after `failures` failures in a row: exponential, full jitter.

    `first` and `longest` are the upper limits, in seconds, of the first wait and of any wait.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return random_fraction() * min(longest, first * 2.0 ** (failures - 1))


def retrying(
    errors: type[IngesterError] | tuple[type[IngesterError], ...],
    *,
    attempts: int,
    seconds: float,
    sleep: Sleep,
    before: Callable[[tenacity.RetryCallState], Any] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    random_fraction: RandomSource = random.random,
) -> tenacity.Retrying:
    """Return a tenacity `Retrying`, for one call only, that retries after `errors`.

    Before a retry, the `Retrying` waits for the seconds in the error's `retry_after`, or else for
    an exponential backoff with jitter. After the last attempt, the `Retrying` raises the error
    unchanged.

    Args:
        errors: Types of the errors after which a retry may help.
        attempts: Maximum number of attempts.
        seconds: Time limit, from now. No wait begins that would end after this limit.
        sleep: Waits for a number of seconds.
        before: Function that is called before each wait.
        monotonic: Clock for the time limit, in seconds.
        random_fraction: Source of the jitter.
    """
    begin = monotonic()

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None)
        if asked is not None:
            return float(asked)
        return max(FIRST_WAIT / 5, backoff(state.attempt_number, random_fraction=random_fraction))

    def stop(state: tenacity.RetryCallState) -> bool:
        # tenacity's own stop_before_delay has a clock that can't be replaced.
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


MAX_DIGITS = 9
"""Maximum number of digits in a `Retry-After`. 400 digits would be infinite as a float."""


def retry_after(header: str, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks for; None if it is empty or malformed.

    The header holds a number, an HTTP date or an ISO date. A date before `now` gives 0. A number of
    more than nine digits counts as malformed.
    """
    text = header.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= MAX_DIGITS else None
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
