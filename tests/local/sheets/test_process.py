"""Tests of the Google stand-in's program and default schedule."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ingester.schedule.sheet.parser import parse
from local.demo import LECTURE, REQUESTED, REQUESTED_SERIES, SCHEDULED_SERIES
from local.neighbours.sheets import default_spreadsheet
from ops.schedule.google_key import read_key
from tests.local.programs import program

ZONE = ZoneInfo("US/Eastern")
NIGHT = datetime(2026, 11, 25, 4, 10, tzinfo=UTC)


@pytest.mark.parametrize("now", [NIGHT, NIGHT + timedelta(hours=5)])
def test_default_schedule_of_google_stand_in_has_the_scheduled_classes_of_the_demo(
    now: datetime,
) -> None:
    spreadsheet = default_spreadsheet("d", ["Fall", "Spring", "Summer"], ZONE, now)
    sheets = [parse(title, title, rows) for title, rows in list(spreadsheet.tabs.items())[:2]]
    skipped = [skip for sheet in sheets for skip in sheet.problems]
    # The lecture began three hours ago, which may be at night. The parser reports such a lecture.
    assert [skip.reason for skip in skipped if "is at night" not in skip.reason] == []
    assert not [skip for skip in skipped if skip.all_skipped]
    classes = [pair for sheet in sheets for pair in sheet.pairs]
    began = (now - timedelta(hours=3)).astimezone(ZONE)
    ((meeting, lecture),) = [
        pair for pair in classes if pair[1].opencast_series_id == SCHEDULED_SERIES
    ]
    assert (meeting, lecture.day) == (str(LECTURE), "MTWRFSU"[began.weekday()])
    assert lecture.time == f"{began:%H:%M}"
    guests = {
        zoom for zoom, scheduled in classes if scheduled.opencast_series_id == REQUESTED_SERIES
    }
    assert guests == {str(REQUESTED)}
    assert spreadsheet.tabs["Summer"] == []


def test_google_stand_in_writes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    options = ["--tls-dir", str(tmp_path), "--credentials", str(key), "--tab", "Fall"]
    with program("local.neighbours.sheets", options, {}) as url:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert json.loads(key.read_text())["token_uri"] == f"{url}/token"
        assert read_key(key).email.endswith("gserviceaccount.com")
