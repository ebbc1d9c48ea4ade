"""Faults of a simulated world as data, so that a failing world can be shrunk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kind of a fault.

    The first group hits one outbound call: the world's `nth` call with the name `target` ("*" is
    any name).
    """

    ERROR_BEFORE = "error before"
    ERROR_AFTER = "error after"
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    SLOW = "slow"
    SENT_TWICE = "sent twice"
    """The answer is lost, and botocore repeats the request by itself."""

    OUTAGE = "outage"
    """The service `target` fails from `at`, for `seconds`."""
    DELIVERED_TWICE = "delivered twice"
    """The queue `target` delivers its `nth` message twice."""
    WEBHOOK_LOST = "webhook lost"
    """Zoom never sends the webhook event with the key `target`."""
    PROXY = "proxy gives up"
    """A proxy answers the `nth` POST to Opencast with status `detail`, while Opencast goes on."""
    REFUSAL = "own refusal"
    """Opencast itself answers the `nth` POST with status `detail`."""
    ANSWER = "odd answer"
    """Zoom's API answers its `nth` request with `detail`."""


ON_CALLS = frozenset(
    (
        Kind.ERROR_BEFORE,
        Kind.ERROR_AFTER,
        Kind.CRASH_BEFORE,
        Kind.CRASH_AFTER,
        Kind.SLOW,
        Kind.SENT_TWICE,
    )
)


@dataclass(frozen=True)
class Fault:
    """A fault. `at` is in seconds since the world's beginning."""

    kind: Kind
    target: str
    nth: int = 0
    at: float = 0.0
    seconds: float = 0.0
    detail: str = ""

    def __str__(self) -> str:
        when = f" from {self.at:.0f} s for {self.seconds:.0f} s" if self.seconds else ""
        which = f" number {self.nth}" if self.nth else ""
        return f"{self.kind}: {self.target}{which}{when} {self.detail}".rstrip()
