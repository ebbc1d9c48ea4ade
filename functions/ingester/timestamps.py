"""The timestamps of messages, tables and answers: UTC, whole seconds, `Z` at the end."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache

FORMAT = "%Y-%m-%dT%H:%M:%SZ"
LENGTH = 20
"""Number of characters of a timestamp."""


@lru_cache(maxsize=1024)
def parse(text: str) -> datetime:
    """Return the time of a timestamp as an aware datetime in UTC.

    Raises:
        ValueError: `text` is malformed.
    """
    if len(text) > LENGTH:
        # Python's own error would repeat the text, which may be long.
        raise ValueError(f"a text of {len(text)} characters is no timestamp")
    return datetime.strptime(text, FORMAT).replace(tzinfo=UTC)


def parse_recorded(text: str) -> datetime:
    """Return the time of a recording's timestamp as an aware datetime in UTC.

    Raises:
        ValueError: `text` is malformed, or its year isn't from 1970 to 2999. Python's calendar
            doesn't have all local times near its limits.
    """
    moment = parse(text)
    if not 1970 <= moment.year < 3000:
        raise ValueError(f"{text} is in no year that has recordings")
    return moment


def write(moment: datetime) -> str:
    """Return the timestamp of an aware datetime, in UTC and without fractions of a second."""
    return moment.astimezone(UTC).strftime(FORMAT)


def write_local(moment: datetime, zone: tzinfo) -> str:
    """Return the local time of an aware datetime in the form of a timestamp.

    The result ends in `Z` although it isn't UTC. The upload message's `created_local` has this
    form, which is kept for compatibility.
    """
    return moment.astimezone(zone).strftime(FORMAT)
