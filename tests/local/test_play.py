"""Tests of the recordings and failures that a person makes on a local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from local import play
from local.driver import Answer, ZoomFile, ZoomRecording
from tests.cloud import Cloud


class RecordingDriver:
    """A fake Driver of a stack with only a schedule.

    `faults` are Zoom's, and `series` are Opencast's.
    """

    def __init__(self, schedule: Any) -> None:
        self.schedule = schedule
        self.faults: list[dict[str, Any]] = []
        self.series: set[str] = set()

    def table(self, name: str) -> Any:
        assert name == "schedule"
        return self.schedule

    def add_series(self, identifier: str, _title: str) -> None:
        self.series.add(identifier)

    def add_lecture(self, **lecture: Any) -> ZoomRecording:
        number = lecture["meeting_id"]
        files = tuple(
            ZoomFile(f"{number}-{kind}", kind, "", "", "", "", 1, "")
            for kind in ("MP4", "CHAT", "TIMELINE")
        )
        return ZoomRecording(f"{number}==", number, lecture["topic"], "", 2, "", files)

    def inject_zoom_fault(self, **fault: Any) -> None:
        self.faults.append(fault)

    def send(self, _event: str, _uuid: str) -> Answer:
        return Answer(200, "Success")


def record(driver: RecordingDriver, folder: Path, *, minutes: int, fail: str | None) -> int:
    """Make a recording, and return the number of its meeting."""
    wish = play.Wish(1, minutes, "Ocean", fail)
    zone = ZoneInfo("US/Eastern")
    recording, _ = play.record(driver, folder, zone, wish)  # type: ignore[arg-type]
    return recording.meeting_id


def test_local_recording_keeps_the_scheduled_classes_of_earlier_recordings(
    aws: Cloud, tmp_path: Path
) -> None:
    driver = RecordingDriver(aws.schedule)
    meetings = [record(driver, tmp_path, minutes=minutes, fail=None) for minutes in (60, 2)]
    rows = aws.schedule.scan()["Items"]
    assert sorted(int(row["zoom_series_id"]) for row in rows) == sorted(meetings)
    assert list(tmp_path.iterdir()) == []


def test_local_recording_gets_a_series_that_opencast_lacks_when_the_option_fail_is_series(
    aws: Cloud, tmp_path: Path
) -> None:
    driver = RecordingDriver(aws.schedule)
    record(driver, tmp_path, minutes=2, fail=None)
    record(driver, tmp_path, minutes=2, fail="series")
    used = {row["opencast_series_id"] for row in aws.schedule.scan()["Items"]}
    assert used - driver.series == {play.MISSING_SERIES}


def test_download_failure_affects_only_the_files_of_its_local_recording(
    aws: Cloud, tmp_path: Path
) -> None:
    driver = RecordingDriver(aws.schedule)
    record(driver, tmp_path, minutes=2, fail=None)
    assert driver.faults == []
    meeting = record(driver, tmp_path, minutes=2, fail="download")
    assert [fault["file_id"] for fault in driver.faults] == [f"{meeting}-MP4", f"{meeting}-CHAT"]
