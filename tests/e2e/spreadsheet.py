"""The Google Sheet with the schedule: its tabs in Google's stand-in, and its documented script."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from ingester.schedule.table import IMPORT_LOCK
from local.driver import Driver
from ops.target import ROOT
from tests.e2e.scene import Scene

HEADER = ("Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series")
SHIM = Path(__file__).with_name("apps_script.js")
SERIES = "https://oc.example.edu/engage/ui/index.html#/2026/01/12345"


def documented_script() -> str:
    """The script in docs/google-sheets.md, as its readers copy it."""
    (script,) = re.findall(
        r"^```javascript\n(.*?)^```$",
        (ROOT / "docs" / "google-sheets.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return str(script)


def row(
    link: str = "https://zoom.us/j/81000000001?pwd=topsecret",
    *,
    course: str = "HIST E-1010",
    day: str = "MW",
    start: str = "'9:30",
) -> list[Any]:
    """A good row as somebody types it."""
    return [course, "lecture", day, start, link, SERIES]


@dataclass(frozen=True)
class Shown:
    """What the sheet showed last (`toast` or `alert`), and what the script asked for."""

    kind: str
    text: str
    asked: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    title: str = ""


def pressed(properties: Mapping[str, str], ca_bundle: Path) -> Shown:
    """Opens a sheet with the documented script and these properties, and presses its menu."""
    done = subprocess.run(
        ["node", str(SHIM)],
        input=json.dumps({"script": documented_script(), "properties": properties}),
        env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(ca_bundle)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["menu"], seen["item"]) == ("ZIP", "Update ZIP schedule")
    last = seen["shown"][-1]
    return Shown(last["as"], last["text"], tuple(seen["asked"]), last["title"])


@dataclass
class Spreadsheet:
    """The sheet of a local stack; who presses its menu sees what `press` gives."""

    driver: Driver
    token: str = ""

    def fill(self, *tabs: Sequence[Sequence[Any]], **more: Any) -> None:
        """Types rows into the tabs Fall and Spring, headers included."""
        for tab, rows in zip(("Fall", "Spring"), tabs, strict=False):
            self.driver.fill_tab(tab, [list(cells) for cells in rows], **more)

    def post(self) -> tuple[int, str]:
        """What the script does, without its sheet: the answer's status and text."""
        headers = {"X-Schedule-Token": self.token} if self.token else {}
        answer = requests.post(
            f"{self.driver.state.api_url}/schedule_update",
            headers=headers,
            verify=str(self.driver.state.ca_bundle),
            timeout=35,
        )
        return answer.status_code, answer.text

    def press(self, url: str = "") -> Shown:
        """Opens the sheet and presses the menu's item, in the script as it is documented."""
        address = url or f"{self.driver.state.api_url}/schedule_update"
        properties = {"SCHEDULE_URL": address}
        if self.token:
            properties["SCHEDULE_TOKEN"] = self.token
        return pressed(properties, Path(self.driver.state.ca_bundle))

    def scheduled(self) -> dict[str, list[Mapping[str, Any]]]:
        """The events in the stack's table that came from the sheet, by meeting."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for item in self.driver.table("schedule").scan()["Items"]:
            for event in item.get("events", ()):
                if event.get("source", "").startswith("sheet:"):
                    found.setdefault(item["zoom_series_id"], []).append(event)
        return found


def sheet_updated(scene: Scene) -> None:
    """The sheet is brought into the schedule, and once more when it has changed."""
    sheet = Spreadsheet(scene.driver)
    # What an update that failed before has left would hold this one for a while.
    scene.driver.table("schedule").delete_item(Key={"zoom_series_id": IMPORT_LOCK})
    for _ in range(2):
        meeting = scene.new_meeting()
        sheet.fill([HEADER, row(f"https://zoom.us/j/{meeting}")], [HEADER])
        status, text = sheet.post()
        assert (status, text.partition(":")[0]) == (200, "Success"), text
        assert set(sheet.scheduled()) == {str(meeting)}
