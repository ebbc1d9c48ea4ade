"""Recordings and failures that a person makes on a running local stack."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ingester.opencast.mediapackage import media_package_id
from local.demo import SCHEDULED_SERIES, import_schedule
from local.driver import Answer, Driver, ZoomRecording

MOST_MINUTES = 60
FIRST_MEETING = 85_550_000_000
MEETINGS = 10_000_000
"""Number of meeting numbers to choose from."""

STAND_INS = ("zoom", "opencast", "slack", "sheets")

FAILURES: Mapping[str, str] = {
    "download": "Zoom's hosts refuse the first request for each of its files; the copy continues "
    "after some seconds",
    "upload": "Opencast answers 503 to the first request about it; the upload is retried after a "
    "minute",
    "video": "its video breaks off; the download is retried for some six hours, and fails for good",
}
"""Failures of a recording by name, with a description of failure and effect."""


@dataclass(frozen=True)
class Wish:
    """A recording to make. `fail` is a key of FAILURES, or None for no failure."""

    segments: int
    minutes: int
    topic: str
    fail: str | None


def record(
    driver: Driver, folder: Path, zone: ZoneInfo, wish: Wish
) -> tuple[ZoomRecording, Answer]:
    """Record a scheduled class, send the webhook event, and return recording and answer.

    Each recording has a meeting and a class of its own, so that no earlier class is moved. The
    class's CSV file is in `folder` meanwhile. `zone` is the time zone of the stack's schedule.
    """
    meeting = FIRST_MEETING + secrets.randbelow(MEETINGS)
    length = timedelta(minutes=wish.minutes)
    start = datetime.now(UTC).replace(microsecond=0) - length
    driver.add_series(SCHEDULED_SERIES, "HIST E-1010 Mapping the Ocean")
    path = folder / f"local-record-{meeting}.csv"
    import_schedule(driver, path, {meeting: start.astimezone(zone)})
    path.unlink()
    seed = secrets.token_hex(8)
    lecture: dict[str, Any] = {
        "meeting_id": meeting,
        "start_time": start,
        "topic": wish.topic,
        "seed": seed,
        "segments": wish.segments,
        "seconds": max(1, round(length.total_seconds() / wish.segments)),
        "pause": 0,
    }
    if wish.fail == "video":
        lecture["broken"] = {"active_speaker": "truncated"}
    recording = driver.add_lecture(**lecture)
    if wish.fail == "download":
        for file in recording.wanted():
            driver.trouble_zoom(kind="status", status=503, where="cdn", file_id=file.id)
    if wish.fail == "upload":
        event = f"/api/events/{media_package_id(recording.uuid)}"
        driver.trouble_opencast(kind="status", status=503, path=event)
    return recording, driver.send("recording.completed", recording.uuid)


def fail(driver: Driver, stand_in: str, status: int, seconds: int) -> None:
    """Make a stand-in answer with the error `status` for some seconds."""
    fault: dict[str, Any] = {"kind": "status", "status": status, "lasting": seconds}
    match stand_in:
        case "zoom":
            driver.trouble_zoom(where="any", **fault)
        case "opencast":
            driver.trouble_opencast(**fault)
        case "slack":
            driver.trouble_slack(**fault)
        case _:
            driver.trouble_sheets(**fault)
