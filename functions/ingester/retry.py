"""Trying again within one invocation: jittered backoff that stays inside a budget of seconds."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import tenacity

from ingester.errors import IngesterError

Sleep = Callable[[float], None]

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


def within(seconds: float, timeout: tuple[float, float]) -> tuple[float, float]:
    """`timeout` (seconds to connect, to read), cut so that both together stay within `seconds`."""
    connect = min(timeout[0], seconds / 2)
    return connect, min(timeout[1], seconds - connect)


class _Wait(tenacity.wait.wait_base):
    """What the other side asked for (`retry_after`), else exponential with full jitter."""

    def __init__(self) -> None:
        self._backoff = tenacity.wait_random_exponential(
            multiplier=FIRST_WAIT, max=LONGEST_WAIT, min=FIRST_WAIT / 5
        )

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = getattr(error, "retry_after", None)
        return float(asked) if asked is not None else self._backoff(retry_state)


def backoff(failures: int, first: float = FIRST_WAIT, longest: float = LONGEST_WAIT) -> float:
    """Seconds to wait after the `failures`-th failure in a row: exponential, with full jitter."""
    return random.uniform(0, min(longest, first * 2.0 ** (failures - 1)))  # noqa: S311  # no secret


def retrying(
    errors: type[IngesterError] | tuple[type[IngesterError], ...],
    *,
    attempts: int,
    seconds: float,
    sleep: Sleep,
    before: Callable[[tenacity.RetryCallState], Any] | None = None,
) -> tenacity.Retrying:
    """A tenacity `Retrying` for `errors`; the last of them is raised as it is.

    It ends after `attempts`, or before a wait that would lead beyond `seconds` from the start.
    `before` is called before each wait.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(errors),
        stop=tenacity.stop_after_attempt(attempts) | tenacity.stop_before_delay(seconds),
        wait=_Wait(),
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
