"""How long a try may take, when a failed message is tried again, and the sentence that says so."""

from __future__ import annotations

from datetime import datetime, timedelta

from ingester import timestamps

FIRST_SECONDS = 60
LONGEST_SECONDS = 3600

MARGIN_SECONDS = 60.0
SHORTEST_READ_SECONDS = 5.0

ZOOM_REPEATS = "Zoom does so three times within an hour and a half."
"""What it does with a notification that got no answer or 5xx: after 5, 20 and 60 minutes more."""

BURIED = "Nothing by itself: its message waits among the dead letters."
"""What happens next when there are no more tries."""


def backoff_seconds(attempt: int, longest: int = LONGEST_SECONDS) -> int:
    """Seconds from attempt `attempt` (the first is 1) to the next: doubled each time."""
    return min(longest, FIRST_SECONDS << min(attempt - 1, 20))


def read_seconds(remaining_milliseconds: int) -> float:
    """How long an ingest's answer is waited for: until a minute before the invocation's end."""
    return max(SHORTEST_READ_SECONDS, remaining_milliseconds / 1000 - MARGIN_SECONDS)


def next_try(now: datetime, seconds: int) -> str:
    """The moment of the next try, as it stands in a row."""
    return timestamps.write(now + timedelta(seconds=seconds))


def outlook(attempt: int, limit: int, due: str) -> str:
    """What happens next, behind a failure's reason. No `due`: nothing without a person."""
    if due:
        return f"attempt {attempt} of {limit}, next try at {due}"
    return f"attempt {attempt} of {limit}, no more tries: an operator is needed"
