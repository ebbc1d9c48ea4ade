"""Tests of the demo's output and the times of scheduled classes, without a local stack."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from local import demo
from local.driver import ZoomRecording

RECORDING = ZoomRecording("u==", 81122334455, "A private chat", "", 2, "", ())


def test_the_seconds_of_a_demo_recording_stop_when_its_ingest_has_ended() -> None:
    began = time.monotonic() - 41.2
    finished = demo.Journey("(c) unclaimed", RECORDING, began, [("IGNORED", 25.0)])
    assert finished.seconds == 25.0
    under_way = demo.Journey("(a) class", RECORDING, began, [("SENT_TO_DOWNLOADER", 25.0)])
    assert under_way.seconds >= 41.2


@pytest.mark.parametrize("zone", ["US/Eastern", "UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("hour", range(24))
def test_no_scheduled_class_of_the_demo_begins_before_six_in_the_morning(
    zone: str, hour: int
) -> None:
    now = datetime(2026, 11, 29, hour, 59, 30, tzinfo=UTC)
    start = demo.class_start(now, ZoneInfo(zone))
    times = [moment.astimezone(ZoneInfo(zone)) for moment in (start, start + demo.LATER)]
    assert all(moment.hour >= 6 for moment in times)
    assert timedelta(hours=3) <= now - start <= timedelta(hours=12)


def test_a_long_check_of_the_demo_continues_below_its_first_word_on_a_narrow_terminal() -> None:
    console = Console(file=io.StringIO(), width=80)
    what = (
        "(a) has captions, with the cues of both segments at their times in the joined video",
        "(d) is fine",
    )
    checks = [demo.Check(what[0], holds=True), demo.Check(what[1], holds=False, found="[]")]
    assert not demo.report(checks, console)
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "",
        "Checked",
        " ✓ (a) has captions, with the cues of both segments at their times in the joined",
        "   video",
        " ✗ (d) is fine",
        "   found: []",
    ]
