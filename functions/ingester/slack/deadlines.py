"""Until when `/zip` waits for others. Slack waits three seconds, and a cold start counts too."""

from __future__ import annotations

import msgspec

WORK_SECONDS = 1.5
"""Since the request arrived: what isn't there by then is finished in another invocation."""

COLD_SECONDS, COLD_WORK_SECONDS = 0.5, 2.0
"""What there is at least if a cold start has taken the time; then at most since it arrived."""

ANSWER_SECONDS = 2.6
"""Since the request arrived: by then something has been said, so that it reaches Slack in time."""

HAND_OVER_SECONDS = 1.0
"""For AWS to take the event of another invocation."""

LEAST_SECONDS = 0.3
"""What there is for that at least: the answer still comes, though Slack may show an error first."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Moments on a clock of seconds: the end of the work, and of all of it."""

    work: float
    answer: float

    def hand_over(self, now: float) -> float:
        """When another invocation has to be under way, from `now` on the same clock."""
        return min(now + HAND_OVER_SECONDS, self.answer)


def limits(spent: float, now: float) -> Limits:
    """The moments for a request that arrived `spent` seconds before `now`."""
    spent = max(0.0, spent)
    work = max(WORK_SECONDS - spent, min(COLD_SECONDS, COLD_WORK_SECONDS - spent), 0.0)
    return Limits(work=now + work, answer=now + max(ANSWER_SECONDS - spent, LEAST_SECONDS))
