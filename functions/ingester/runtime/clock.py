"""The real clock. Use cases get it handed in, so that a test or a simulation sets their time."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
