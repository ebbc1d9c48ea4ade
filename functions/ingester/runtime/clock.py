"""The real clock. Use cases get it as an argument, so tests and simulations can set their time."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
