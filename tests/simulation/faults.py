"""What may go wrong in a simulated world, as data: so a failing world can be shrunk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a fault shows.

    The first group hits one outbound call: the `nth` one of the name `target` in the world ("*" is
    any name).
    """

    ERROR_BEFORE = "error before"
    ERROR_AFTER = "error after"
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    SLOW = "slow"
    SENT_TWICE = "sent twice"
    """The answer is lost and botocore sends the request again by itself."""

    OUTAGE = "outage"
    """The service `target` fails from `at`, for `seconds`."""
    DELIVERED_TWICE = "delivered twice"
    """The event source hands out the `nth` message of the queue `target` a second time."""
    WEBHOOK_LOST = "webhook lost"
    """Zoom never sends the notification of the key `target`."""
    PROXY = "proxy gives up"
    """A proxy answers the `nth` POST to Opencast with status `detail`, while Opencast goes on."""
    REFUSAL = "own refusal"
    """Opencast itself answers the `nth` POST with status `detail`."""
    ANSWER = "odd answer"
    """Zoom's API answers its `nth` request with `detail`."""


ON_CALLS = frozenset(
    {
        Kind.ERROR_BEFORE,
        Kind.ERROR_AFTER,
        Kind.CRASH_BEFORE,
        Kind.CRASH_AFTER,
        Kind.SLOW,
        Kind.SENT_TWICE,
    }
)


@dataclass(frozen=True)
class Fault:
    """One fault. `at` and `seconds` count from the world's beginning."""

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
