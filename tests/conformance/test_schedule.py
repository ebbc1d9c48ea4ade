"""Which event of the schedule the first system found for a start."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ingester.rules import timestamps
from ingester.rules.schedule import ScheduledMeeting, match
from tests.conformance.vectors import cases


def near_midnight(case: dict[str, Any]) -> bool:
    """Section 6: "The difference is taken on the clock around midnight [fixed]"."""
    start = timestamps.parse(case["start_time"]).astimezone(ZoneInfo(case["time_zone"]))
    minute = start.hour * 60 + start.minute
    return min(minute, 24 * 60 - minute) < case["buffer_minutes"]


def just_outside(case: dict[str, Any]) -> bool:
    """Section 6: "in whole minutes [fixed] (seconds dropped)": 30:59 after is 30, not under 30."""
    return timestamps.parse(case["start_time"]).second != 0


@pytest.mark.parametrize("case", cases("schedule_match"))
def test_match(case: dict[str, Any]) -> None:
    meeting = msgspec.convert({"zoom_series_id": "1", "events": case["events"]}, ScheduledMeeting)
    found = match(
        meeting,
        timestamps.parse(case["start_time"]),
        ZoneInfo(case["time_zone"]),
        case["buffer_minutes"],
    )
    answer = msgspec.to_builtins(found) if found else None
    if answer != case["match"]:
        assert case["match"] is None, answer
        assert near_midnight(case) or just_outside(case)
