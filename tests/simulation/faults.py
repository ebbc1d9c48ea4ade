"""Faults of a simulated world as data, so that a failing world can be shrunk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The effect of a fault.

    The members up to SENT_TWICE hit one outbound call: the world's `nth` call with the name
    `target`. With "*" the fault hits the `nth` of all calls that functions make.
    """

    ERROR_BEFORE = "error before"
    ERROR_AFTER = "error after"
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    SLOW = "slow"
    SENT_TWICE = "sent twice"
    """A lost answer, after which botocore sends the request again."""

    OUTAGE = "outage"
    """A failure of the service `target` from `at`, for `seconds`."""
    DELIVERED_TWICE = "delivered twice"
    """A repeat of the `nth` delivery of a message from the download queue."""
    WEBHOOK_LOST = "webhook lost"
    """The loss of the webhook event with the key `target`, which Zoom never sends."""
    PROXY = "proxy gives up"
    """A proxy's answer with status `detail` to the `nth` POST, which Opencast still processes."""
    REFUSAL = "own refusal"
    """Opencast's own answer with status `detail` to the `nth` POST."""
    ANSWER = "odd answer"
    """The answer `detail` to the `nth` request to Zoom's API or OAuth."""


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
    """A fault. `at` is in seconds since the world's beginning. `nth` counts from 1."""

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
