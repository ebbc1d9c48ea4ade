"""The limits of a copy that continues from one invocation to the next."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import UnsetType

from ingester import timestamps
from ingester.errors import CopyStuck, CopyTooLong
from ingester.pipeline.messages import Copying

MAX_IDLE = 3
LONGEST = timedelta(days=1)


def continued(copying: Copying | UnsetType, stored_bytes: int, now: datetime) -> Copying:
    """Return the progress of a copy that the next invocation continues, with `stored_bytes` in S3.

    Raises:
        CopyStuck: `MAX_IDLE` invocations in a row have added nothing.
        CopyTooLong: `LONGEST` has passed since the copy was first continued.
    """
    if isinstance(copying, UnsetType):
        return Copying(since=timestamps.write(now), stored_bytes=stored_bytes)
    if now - timestamps.parse(copying.since) >= LONGEST:
        raise CopyTooLong(
            f"The copy has gone on since {copying.since}, over many invocations, and isn't done."
        )
    has_grown = stored_bytes > copying.stored_bytes
    idle = 0 if has_grown else copying.idle + 1
    if idle >= MAX_IDLE:
        raise CopyStuck(
            f"{idle} invocations in a row have added nothing to what is copied, "
            f"{copying.stored_bytes / 1e6:.0f} MB: the files at Zoom seem to change all the time."
        )
    return Copying(
        since=copying.since, stored_bytes=max(stored_bytes, copying.stored_bytes), idle=idle
    )
