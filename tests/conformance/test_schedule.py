"""Tests that a recording matches the scheduled class that the first system found, if any."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ingester import timestamps
from ingester.schedule.model import ScheduledMeeting, match
from tests.conformance.vectors import cases, may_match_now


@pytest.mark.parametrize("case", cases("schedule_match"))
def test_a_recording_start_matches_the_scheduled_class_that_the_first_system_found_if_any(
    case: dict[str, Any],
) -> None:
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
        start = timestamps.parse(case["start_time"])
        assert may_match_now(start, ZoneInfo(case["time_zone"]), case["buffer_minutes"])
