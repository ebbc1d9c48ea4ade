"""Deadlines of a request by Slack.

Slack waits three seconds for the answer, even after a cold start:
https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

import msgspec

WORK_SECONDS = 1.5
"""Seconds from the request's arrival to the end of the work. Longer work is left to another
invocation."""

COLD_SECONDS, COLD_WORK_SECONDS = 0.5, 2.0
"""Minimum duration of the work after a cold start, and the longest time from the request's arrival
to the end of that minimum, both in seconds."""

ANSWER_SECONDS = 2.6
"""Seconds from the request's arrival to the answer, which has to reach Slack within 3 seconds."""

INVOKE_SECONDS = 1.0
"""Longest wait in seconds until Lambda accepts the event of another invocation."""

MIN_ANSWER_SECONDS = 0.3
"""Minimum seconds to send the answer. Slack shows a late answer too, maybe after an error."""


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """Deadlines on a monotonic clock, in seconds: for the work and for the answer."""

    work: float
    answer: float

    def for_invoke(self, now: float) -> float:
        """Return the deadline for Lambda to accept another invocation's event.

        `now` is a time on the deadlines' monotonic clock, in seconds.
        """
        return min(now + INVOKE_SECONDS, self.answer)


def deadlines_of(spent: float, now: float) -> Deadlines:
    """Return the deadlines of a request that arrived `spent` seconds before `now`.

    `now` is a time on the deadlines' monotonic clock, in seconds.
    """
    spent = max(0.0, spent)
    work = max(WORK_SECONDS - spent, min(COLD_SECONDS, COLD_WORK_SECONDS - spent), 0.0)
    return Deadlines(work=now + work, answer=now + max(ANSWER_SECONDS - spent, MIN_ANSWER_SECONDS))
