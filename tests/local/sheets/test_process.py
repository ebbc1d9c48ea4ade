"""The Google stand-in as a process, and the schedule that it begins with."""

import json
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import requests

from ingester.schedule.sheet.parser import parse
from local.demo import LECTURE, REQUESTED, REQUESTED_SERIES, SCHEDULED_SERIES
from local.neighbours.sheets import default_book
from ops.schedule.google_key import read_key

ZONE = ZoneInfo("US/Eastern")
NIGHT = datetime(2026, 11, 25, 4, 10, tzinfo=UTC)


@pytest.mark.parametrize("now", [NIGHT, NIGHT + timedelta(hours=5)])
def test_the_first_schedule_fits_the_demo(now: datetime) -> None:
    book = default_book("d", ["Fall", "Spring", "Summer"], ZONE, now)
    sheets = [
        parse(tab.title, tab.title, [[c.shown if c else "" for c in row] for row in tab.cells])
        for tab in book.tabs[:2]
    ]
    skipped = [skip for sheet in sheets for skip in sheet.skipped]
    # Whoever tries it in the morning gives a lecture at night, which is hinted at.
    assert [skip.reason for skip in skipped if "is at night" not in skip.reason] == []
    assert not [skip for skip in skipped if skip.whole]
    classes = [pair for sheet in sheets for pair in sheet.pairs]
    began = (now - timedelta(hours=3)).astimezone(ZONE)
    ((meeting, lecture),) = [
        pair for pair in classes if pair[1].opencast_series_id == SCHEDULED_SERIES
    ]
    assert (meeting, lecture.day) == (str(LECTURE), "MTWRFSU"[began.weekday()])
    assert lecture.time == f"{began:%H:%M}"
    guests = {zoom for zoom, event in classes if event.opencast_series_id == REQUESTED_SERIES}
    assert guests == {str(REQUESTED)}
    assert book.tabs[2].cells == []


def test_as_a_process(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    command = [sys.executable, "-m", "local.neighbours.sheets", "--tls-dir", str(tmp_path)]
    command += ["--credentials", str(key), "--tab", "Fall", "--tab", "Spring"]
    environ = os.environ | {"GSHEETS_DOC_ID": "from-environment"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            url = json.loads(process.stdout.readline())["url"]
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
            assert json.loads(key.read_text())["token_uri"] == f"{url}/token"
            assert read_key(key).email.endswith("gserviceaccount.com")
            with requests.Session() as session:
                session.verify = str(tmp_path / "ca.crt")
                session.trust_env = False
                tabs = session.get(f"{url}/_control/tabs", timeout=5).json()
                assert list(tabs) == ["Fall", "Spring"]
                assert tabs["Fall"][0][0] == "Course Code"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
