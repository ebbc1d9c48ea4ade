"""Targets: Google's answers, the service account's key, and the cells of the sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import schedule_update
from ingester.errors import NothingToImport, ScheduleUnreadable, UnusableSheet
from ingester.schedule.importer import GOOGLE_SHEET_SOURCES, Sheet, import_sheets
from ingester.schedule.model import SHEET_SOURCE
from ingester.schedule.report import log_entries, sheet_answer
from tests.fuzz import functions, payloads, planted
from tests.fuzz.fakes import Aws
from tests.fuzz.functions import text_of
from tests.fuzz.mutations import Mutator, encoded, filled
from tests.fuzz.target import Target, require
from tests.fuzz.zoom import proxy_event
from tests.google_web import service_key

STATUSES = {200, 401, 409, 422, 500, 502, 503, 504}
TOKEN = {"access_token": planted.GOOGLE_TOKEN, "expires_in": 3599, "token_type": "Bearer"}
REFUSED = {
    "error": {
        "code": 403,
        "message": "The caller does not have permission",
        "status": "PERMISSION_DENIED",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "X"}],
    }
}


@cache
def key() -> str:
    """Return a service account's key as JSON, which contains a private key."""
    return service_key("https://oauth2.googleapis.com/token")


def values(rows: Any = None) -> dict[str, Any]:
    """Return Google's answer to `values:batchGet` with one tab, by default `payloads.SHEET`."""
    found = {"range": "Fall!A1:Z1000", "majorDimension": "ROWS", "values": rows or payloads.SHEET}
    return {"spreadsheetId": "doc", "valueRanges": [found]}


def make_answers(mutator: Mutator) -> Any:
    made: dict[str, Any] = {
        "/token": {"content": TOKEN},
        "values:batchGet": {"content": values()},
    }
    if mutator.chance(0.3):
        made["values:batchGet"] = {
            "status": mutator.one_of((400, 401, 403, 404)),
            "content": REFUSED,
        }
    if mutator.chance(0.2):
        made["/token"] = {"status": 400, "content": {"error": "invalid_grant"}}
    name = mutator.one_of(list(made))
    content = made[name]["content"]
    changed = mutator.raw(encoded(content)) if mutator.chance(0.2) else mutator.value(content)
    made[name] = {**made[name], "content": changed}
    return {"answers": made, "key": ""}


def make_key(mutator: Mutator) -> Any:
    document: Any = mutator.value(json.loads(key()))
    if mutator.chance(0.2):
        document = mutator.raw(encoded(document))
    good = {"/token": {"content": TOKEN}, "values:batchGet": {"content": values()}}
    return {"answers": good, "key": encoded(document).decode("utf-8", "replace")[:50_000]}


def check_update(given: Any, aws: Aws | None = None) -> Iterator[str]:
    """Check that an update gets a documented status and a text without the private key.

    Yield the texts that must contain no secret.
    """
    aws = aws or Aws()
    deps = functions.schedule_update_of(aws, given["key"] or key(), given["answers"])
    event = proxy_event(b"", {"X-Schedule-Token": planted.SCHEDULE_TOKEN})
    answered = schedule_update.respond(event, deps)
    require(answered.status in STATUSES, f"/schedule_update answers {answered.status}")
    require(len(answered.body) >= 10, "An answer without a sentence")
    private = json.loads(key())["private_key"].split("\n")[1]
    require(private not in answered.body, "The private key is in the answer")
    yield text_of(answered)
    yield from aws.seen()


def make_sheet(mutator: Mutator) -> Any:
    rows: Any = mutator.value(payloads.SHEET, most=8)
    known = mutator.value([payloads.schedule_row()]) if mutator.chance(0.3) else []
    return {"rows": rows, "known": known}


def check_sheet(given: Any) -> Iterator[str]:
    """Check that a sheet is imported, or refused as a whole with a message.

    Yield the texts that must contain no secret.
    """
    aws = Aws()
    aws.schedule.put(given["known"])
    rows = given["rows"] if isinstance(given["rows"], list) else []
    cells = [
        [filled(cell if isinstance(cell, str) else str(cell)) for cell in row]
        for row in rows
        if isinstance(row, list)
    ]
    table = functions.schedule_update_of(aws, "", {}).schedule
    try:
        sheet = Sheet("Fall", f"{SHEET_SOURCE}Fall", cells)
        report = import_sheets(table, [sheet], GOOGLE_SHEET_SOURCES)
    except (UnusableSheet, NothingToImport, ScheduleUnreadable) as error:
        yield str(error)
    else:
        yield sheet_answer(report)
        yield from (f"{entry.message} {entry.rows}" for entry in log_entries(report))
    yield from aws.seen()


TARGETS = (
    Target("google-answers", 3, make_answers, check_update),
    Target("google-key", 1, make_key, check_update),
    Target("sheet-cells", 8, make_sheet, check_sheet),
)
