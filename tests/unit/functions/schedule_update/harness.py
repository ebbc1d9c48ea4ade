"""The user of a sheet, with Google's stand-in over HTTPS and the schedule's table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import schedule_update
from ingester.schedule.google_sheets import Sheets
from tests.cloud import Clock, Cloud, plain
from tests.function_harness import schedule_update_dependencies
from tests.google_web import DOCUMENT, HEADER, Google, tabs
from tests.waits import Stopwatch

HANDBOOK = (Path(__file__).parents[4] / "docs" / "google-sheets.md").read_text("utf-8")
SAID = HANDBOOK.split("## What the sheet says")[1]
SENTENCES = [
    re.compile(".+?".join(map(re.escape, text.split("…"))))
    for text in re.findall(r"^\| `([^`]+)` \|", SAID, re.MULTILINE)
]
"""The patterns of the answers that docs/google-sheets.md lists."""


@dataclass
class SheetUser:
    """The user of a sheet, who edits it and runs the update from its menu."""

    aws: Cloud
    google: Google
    clock: Clock
    deps: schedule_update.Dependencies
    rebuild: Callable[[], schedule_update.Dependencies] | None = None

    def update(self, **headers: str) -> tuple[int, str]:
        event = {"headers": {name.replace("_", "-"): value for name, value in headers.items()}}
        answer = schedule_update.respond(event, self.deps, self.rebuild)
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert (answer.status == 200) == answer.body.startswith("Success")
        assert "topsecret" not in answer.body
        if answer.status != 200 or "row" in answer.body:
            assert any(sentence.search(answer.body) for sentence in SENTENCES), (
                "not in the handbook"
            )
        return answer.status, answer.body

    def sheet(self, *rows: Sequence[str], header: Sequence[str] = HEADER) -> None:
        self.google.answers(tabs([header, *rows]))

    def stored(self) -> dict[str, list[dict[str, Any]]]:
        """Return the scheduled classes of each row of the table, by the row's key."""
        rows = [plain(item) for item in self.aws.schedule.scan()["Items"]]
        return {row["zoom_series_id"]: row.get("events", []) for row in rows}


def sheets_of(google_server: Google, clock: Clock, key: str | None = None) -> Sheets:
    watch = Stopwatch()
    return Sheets(
        google_server.key if key is None else key,
        base_url=google_server.web.url,
        session=google_server.session,
        sleep=watch.sleep,
        clock=clock,
        monotonic=watch,
    )


def with_tabs(user: SheetUser, names: str) -> None:
    chosen = schedule_update_dependencies(
        user.aws, user.clock, user.deps.sheets, gsheets_doc_id=DOCUMENT, gsheets_sheet_names=names
    )
    user.deps = chosen
