"""Harness of the Google Sheet: its tabs in the stand-in for Google, and the documented script."""

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
from tests.e2e.stack import Stack

HEADER = ("Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series")
SHIM = Path(__file__).with_name("apps_script.js")
SECONDS = 300.0
"""Longest time in seconds of a request or a run of the script, also on a busy machine."""

SERIES = "https://oc.example.edu/engage/ui/index.html#/2026/01/12345"


def documented_script() -> str:
    """Return the script that docs/google-sheets.md tells people to copy."""
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
    """Return a valid row as a person types the row into the sheet."""
    return [course, "lecture", day, start, link, SERIES]


@dataclass(frozen=True)
class Shown:
    """The last message in the sheet (`kind`: toast or alert), and the script's HTTP requests."""

    kind: str
    text: str
    requests: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    title: str = ""


def run_script(properties: Mapping[str, str], ca_bundle: Path) -> Shown:
    """Run the documented script through the sheet's menu, and return the last message."""
    done = subprocess.run(
        ["node", str(SHIM)],
        input=json.dumps({"script": documented_script(), "properties": properties}),
        env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(ca_bundle)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["menu"], seen["item"]) == ("ZIP", "Update ZIP schedule")
    last = seen["shown"][-1]
    return Shown(last["as"], last["text"], tuple(seen["asked"]), last["title"])


@dataclass
class Spreadsheet:
    """The sheet of a local stack. `token` is the script's token for the API."""

    driver: Driver
    token: str = ""

    def fill(self, *tabs: Sequence[Sequence[Any]], **more: Any) -> None:
        """Replace all rows of the tab Fall and, if a second list is given, of the tab Spring."""
        for tab, rows in zip(("Fall", "Spring"), tabs, strict=False):
            self.driver.fill_tab(tab, [list(cells) for cells in rows], **more)

    def post(self) -> tuple[int, str]:
        """Send the script's request without the script, and return the answer's status and text."""
        headers = {"X-Schedule-Token": self.token} if self.token else {}
        answer = requests.post(
            f"{self.driver.state.api_url}/schedule_update",
            headers=headers,
            verify=str(self.driver.state.ca_bundle),
            timeout=SECONDS,
        )
        return answer.status_code, answer.text

    def update(self, url: str = "") -> Shown:
        """Run the documented script through the sheet's menu, and return the last message.

        The script calls `url`, by default the stack's API.
        """
        address = url or f"{self.driver.state.api_url}/schedule_update"
        properties = {"SCHEDULE_URL": address}
        if self.token:
            properties["SCHEDULE_TOKEN"] = self.token
        return run_script(properties, Path(self.driver.state.ca_bundle))

    def scheduled(self) -> dict[str, list[Mapping[str, Any]]]:
        """Return the scheduled classes that come from the sheet, by meeting."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for item in self.driver.table("schedule").scan()["Items"]:
            for event in item.get("events", ()):
                if event.get("source", "").startswith("sheet:"):
                    found.setdefault(item["zoom_series_id"], []).append(event)
        return found


def sheet_updated(stack: Stack) -> None:
    """Check that the schedule follows the sheet, also after a change of the sheet."""
    sheet = Spreadsheet(stack.driver)
    # An earlier update that failed may have left its lock.
    stack.driver.table("schedule").delete_item(Key={"zoom_series_id": IMPORT_LOCK})
    for _ in range(2):
        meeting = stack.new_meeting()
        sheet.fill([HEADER, row(f"https://zoom.us/j/{meeting}")], [HEADER])
        status, text = sheet.post()
        assert (status, text.partition(":")[0]) == (200, "Success"), text
        assert set(sheet.scheduled()) == {str(meeting)}
