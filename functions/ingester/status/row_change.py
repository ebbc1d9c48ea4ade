"""One change of a status row's state, in the expressions of DynamoDB's UpdateItem.

A row keeps the way that it came: each change puts a step behind its list, in the same update. The
list is bounded, since a recording may be tried for days: the first steps and the last ones stay,
and how many went from between them is counted. An expression can't ask how long a list is, so
there are two, each on a condition about the length: one appends, one moves the last steps up by
one. All that is on the right of SET is read before anything is written (UpdateItem's reference).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ingester.log import redact
from ingester.recording.files import Subject

REASON_LIMIT = 1000
STEP_REASON_LIMIT = 300
FIRST_STEPS = 10
MOST_STEPS = 40
"""With the steps' reasons some 50 KB at most, of the 400 KB that an item may have."""


class RowChange(msgspec.Struct, frozen=True):
    """What an update sets (attribute → placeholder), removes and adds, and the `step` that it is:
    its `state`, the time (`at`) and, if there is one, the `reason`.
    """

    sets: dict[str, str]
    removes: list[str]
    adds: dict[str, Any]
    names: dict[str, str]
    values: dict[str, Any]
    step: dict[str, str]

    def with_reason(self, reason: str) -> RowChange:
        """The same change with another reason, "" for none any more."""
        text = redact(reason)[:REASON_LIMIT]
        return msgspec.structs.replace(
            self,
            sets={**self.sets, "reason": ":reason"},
            values={**self.values, ":reason": text},
            step={**self.step, **({"reason": text[:STEP_REASON_LIMIT]} if text else {})},
        )

    def updates(self, condition: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """UpdateItem's arguments: for a row whose list of steps has room, and for a full one.

        `condition` is what has to be true in either case.
        """
        appending = self._arguments(
            {"steps": "list_append(if_not_exists(steps, :no_steps), :steps)"},
            {},
            {":no_steps": [], ":steps": [self.step]},
            f"({condition}) AND (attribute_not_exists(steps) OR size(steps) < :most_steps)",
        )
        moved = {
            f"steps[{index}]": f"steps[{index + 1}]" for index in range(FIRST_STEPS, MOST_STEPS - 1)
        }
        moving_up = self._arguments(
            {**moved, f"steps[{MOST_STEPS - 1}]": ":step"},
            {"steps_left_out": 1},
            {":step": self.step},
            f"({condition}) AND size(steps) >= :most_steps",
        )
        return appending, moving_up

    def _arguments(
        self,
        sets: dict[str, str],
        adds: dict[str, Any],
        values: dict[str, Any],
        condition: str,
    ) -> dict[str, Any]:
        sets, adds = {**self.sets, **sets}, {**self.adds, **adds}
        parts = ["SET " + ", ".join(f"{name} = {value}" for name, value in sets.items())]
        if self.removes:
            parts.append("REMOVE " + ", ".join(self.removes))
        if adds:
            parts.append("ADD " + ", ".join(f"{name} :add_{name}" for name in adds))
        return {
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": self.names,
            "ExpressionAttributeValues": {
                **self.values,
                **values,
                **{f":add_{name}": value for name, value in adds.items()},
                ":most_steps": MOST_STEPS,
            },
        }


def subject_attributes(subject: Subject) -> dict[str, Any]:
    """What a row's first write says of the recording."""
    return {
        "meeting_id": subject.meeting_id,
        "recording_id": subject.recording_id,
        "topic": subject.topic,
        "recording_start_time": subject.start_time,
        "origin": str(subject.origin),
    }
