"""One change of a status row's state, in the expressions of DynamoDB's UpdateItem.

Each change appends a step to the row's list, in the same update. The list is bounded, because a
recording may be retried for days: the first and the last steps stay, and the ones dropped between
them are counted. An expression can't branch on a list's length. So there are two updates, each on
a condition about the length: one appends a step, one shifts the last steps to make room.
UpdateItem evaluates the right sides of SET before it writes (its reference).
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
"""With their reasons 50 KB at most. DynamoDB limits an item to 400 KB."""


class RowChange(msgspec.Struct, frozen=True):
    """One update of a row.

    Attributes:
        sets: Attribute → expression of its new value.
        removes: Attributes to remove.
        adds: Attribute → number or set to add to it.
        names: Placeholders of attribute names.
        values: Placeholders of values.
        step: The step to append: `state`, `at` and, if there is one, `reason`.
    """

    sets: dict[str, str]
    removes: list[str]
    adds: dict[str, Any]
    names: dict[str, str]
    values: dict[str, Any]
    step: dict[str, str]

    def with_reason(self, reason: str) -> RowChange:
        """Return the same change with another reason; "" removes the old one."""
        text = redact(reason)[:REASON_LIMIT]
        return msgspec.structs.replace(
            self,
            sets={**self.sets, "reason": ":reason"},
            values={**self.values, ":reason": text},
            step={**self.step, **({"reason": text[:STEP_REASON_LIMIT]} if text else {})},
        )

    def updates(self, condition: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return UpdateItem's arguments for a row whose steps have room, and for a full one.

        `condition` has to hold in either case.
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
    """Return the attributes that describe the recording, for a row's first write."""
    return {
        "meeting_id": subject.meeting_id,
        "recording_id": subject.recording_id,
        "topic": subject.topic,
        "recording_start_time": subject.start_time,
        "origin": str(subject.origin),
    }
