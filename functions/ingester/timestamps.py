"""Time stamps as they stand on every wire of this system: UTC, whole seconds, `Z` at the end."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@lru_cache(maxsize=1024)
def parse(text: str) -> datetime:
    """The moment that a wire time stamp names, aware, in UTC. ValueError if it isn't one."""
    return datetime.strptime(text, FORMAT).replace(tzinfo=UTC)


def write(moment: datetime) -> str:
    """An aware moment as a wire time stamp; fractions of a second are dropped."""
    return moment.astimezone(UTC).strftime(FORMAT)


def write_local(moment: datetime, zone: tzinfo) -> str:
    """Local wall-clock time in the wire's form.

    It ends in `Z` although it isn't UTC: the upload message's `created_local` has always been
    written so, and its readers know.
    """
    return moment.astimezone(zone).strftime(FORMAT)


def seconds_between(start: str, end: str) -> float:
    """Seconds from one wire time stamp to another; negative if they are the wrong way round."""
    return (parse(end) - parse(start)).total_seconds()
