"""Decide the length of the downloads' pause after Zoom has asked for fewer requests (429)."""

from __future__ import annotations

import math
import zlib
from datetime import datetime, timedelta

import msgspec

from ingester import timestamps

FIRST_SECONDS = 60
LONGEST_SECONDS = 600

CALM_PERIOD = timedelta(minutes=30)
"""Time since the last pause's end after which a new pause is short again."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A pause of all downloads.

    Attributes:
        until: End of the pause, as a UTC timestamp.
        seconds: Length of the pause.
    """

    until: str
    seconds: int

    def __post_init__(self) -> None:
        timestamps.parse(self.until)


def pause_after(earlier: Pause | None, now: datetime, asked: float | None) -> Pause:
    """Return the pause after a 429: the current pause, or a new one.

    Several downloads may get a 429 at the same time, and share one pause. A new pause is twice as
    long as the last one, or FIRST_SECONDS if no pause ended within CALM_PERIOD. A new pause has at
    least the seconds that Zoom asks for, but at most LONGEST_SECONDS.

    Args:
        earlier: The last pause; None if there was none.
        now: Current time.
        asked: Seconds for which Zoom asks to wait; None if Zoom doesn't say.
    """
    seconds = FIRST_SECONDS
    if earlier is not None:
        end = timestamps.parse(earlier.until)
        if now < end:
            return earlier
        if now - end < CALM_PERIOD:
            seconds = 2 * earlier.seconds
    seconds = min(max(seconds, math.ceil(asked or 0)), LONGEST_SECONDS)
    return Pause(until=timestamps.write(now + timedelta(seconds=seconds)), seconds=seconds)


def seconds_to_wait(pause: Pause | None, now: datetime, uuid: str) -> int:
    """Return the seconds that a recording waits for the end of a pause; 0 if no pause runs.

    Each recording waits up to half the pause's length more, by a hash of its uuid, so that not all
    recordings come back at the same time.
    """
    if pause is None:
        return 0
    left = (timestamps.parse(pause.until) - now).total_seconds()
    if left <= 0:
        return 0
    return math.ceil(left) + zlib.crc32(uuid.encode()) % (pause.seconds // 2 + 1)
