"""Retry policy: time limits of attempts, backoff of failed messages, and the words for attempts."""

from __future__ import annotations

from datetime import datetime, timedelta

from ingester import timestamps

FIRST_SECONDS = 60
LONGEST_SECONDS = 3600

MARGIN_SECONDS = 60.0
SHORTEST_READ_SECONDS = 5.0

ZOOM_REPEATS = "Zoom does so three times within an hour and a half."
"""Outlook of a webhook event that got no answer or 5xx. Zoom repeats such a webhook event after 5,
20 and 60 more minutes (docs/zoom.md)."""

NEXT_TRY = "next try at"
"""Words in a row's reason before the time of the next attempt."""

GIVEN_UP = "Not retried automatically. The message is kept 14 days."
"""Outlook in the log record of a message that isn't retried any more."""


def backoff_seconds(attempt: int, longest: int = LONGEST_SECONDS) -> int:
    """Return the backoff in seconds after attempt number `attempt`, counted from 1.

    The backoff doubles with each attempt, up to `longest` seconds.
    """
    return min(longest, FIRST_SECONDS << min(attempt - 1, 20))


def read_seconds(remaining_milliseconds: int) -> float:
    """Return the timeout of a POST in seconds: a minute less than the invocation has left.

    The timeout is at least `SHORTEST_READ_SECONDS`.
    """
    return max(SHORTEST_READ_SECONDS, remaining_milliseconds / 1000 - MARGIN_SECONDS)


def next_attempt(now: datetime, seconds: int) -> str:
    """Return the time of an attempt `seconds` after `now`, as a status row shows the time."""
    return timestamps.write(now + timedelta(seconds=seconds))


def outlook(attempt: int, limit: int, due: str) -> str:
    """Return the words for a failed attempt and the next one; `due` is "" if no attempt follows."""
    if due:
        return f"attempt {attempt} of {limit}, {NEXT_TRY} {due}"
    return f"attempt {attempt} of {limit}, no more retries: an operator is needed"
