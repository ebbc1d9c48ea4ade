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
MOST_SEGMENTS = 20
FAIL_SECONDS = 60
"""Default number of seconds for which `invoke local.fail` makes a stand-in fail."""

MISSING_SERIES = "20269999999"
"""A series that Opencast's stand-in doesn't have."""

FIRST_MEETING = 85_550_000_000
MEETINGS = 10_000_000
"""Size of the range of meeting numbers, from FIRST_MEETING on, from which `record` chooses."""

STAND_INS = ("zoom", "opencast", "slack", "sheets")


@dataclass(frozen=True)
class Failure:
    """A failure of a recording.

    Attributes:
        outcome: The end of the failure, in a few words for the help.
        description: A sentence that says what goes wrong.
        advice: A sentence with one or more commands that show what happens. The sentence may
            contain `{uuid}`.
    """

    outcome: str
    description: str
    advice: str


HEALS = "The recording heals automatically: `invoke logs.recording {uuid}` shows how."
NEEDS_A_PERSON = (
    "The recording fails for good: `invoke recordings --failed` says what to do, and "
    "`cat .local/mail/*.txt` shows the mail about it after some seconds."
)
FAILURES: Mapping[str, Failure] = {
    "download": Failure(
        "heals after some seconds",
        "Zoom's hosts refuse the first request for each of its files, and the copy continues after "
        "some seconds.",
        HEALS,
    ),
    "upload": Failure(
        "heals after a minute",
        "Opencast answers 503 to the first request about it, and the upload is retried after a "
        "minute.",
        HEALS,
    ),
    "series": Failure(
        "fails for good within seconds, with a mail",
        "Opencast doesn't have the series of its class.",
        NEEDS_A_PERSON,
    ),
    "video": Failure(
        "fails for good after some six hours",
        "Its video breaks off, and the download is retried for some six hours.",
        "`invoke logs.recording {uuid}` shows the attempts.",
    ),
}
"""Failures of a recording by name."""


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
    """Add a scheduled class, its recording and the failure `wish.fail`. Send the webhook event.

    The recording ends now. The meeting's number is random, because a repeated number would change
    an earlier recording's scheduled class. The schedule's CSV file is written to `folder` and
    deleted. `zone` is the time zone of the stack's schedule. Return the recording and the answer to
    the webhook event.

    Raises:
        DriverError: A stand-in answers with an error.
        OpsError, ScheduleUnreadable: See `import_schedule`.
    """
    meeting = FIRST_MEETING + secrets.randbelow(MEETINGS)
    length = timedelta(minutes=wish.minutes)
    start = datetime.now(UTC).replace(microsecond=0) - length
    driver.add_series(SCHEDULED_SERIES, "HIST E-1010 Mapping the Ocean")
    path = folder / f"local-record-{meeting}.csv"
    series = MISSING_SERIES if wish.fail == "series" else SCHEDULED_SERIES
    import_schedule(driver, path, {meeting: start.astimezone(zone)}, series)
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
        for file in recording.expected_files():
            driver.inject_zoom_fault(kind="status", status=503, where="cdn", file_id=file.id)
    if wish.fail == "upload":
        event = f"/api/events/{media_package_id(recording.uuid)}"
        driver.inject_opencast_fault(kind="status", status=503, path=event)
    return recording, driver.send("recording.completed", recording.uuid)


def fail(driver: Driver, stand_in: str, status: int, seconds: int) -> None:
    """Make a stand-in answer every request with the error `status` for `seconds` seconds.

    `stand_in` is one of `STAND_INS`.

    Raises:
        DriverError: The stand-in refuses the fault.
    """
    fault: dict[str, Any] = {"kind": "status", "status": status, "lasting": seconds}
    match stand_in:
        case "zoom":
            driver.inject_zoom_fault(where="any", **fault)
        case "opencast":
            driver.inject_opencast_fault(**fault)
        case "slack":
            driver.inject_slack_fault(**fault)
        case _:
            driver.inject_sheets_fault(**fault)
