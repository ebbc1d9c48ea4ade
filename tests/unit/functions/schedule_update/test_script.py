"""The sheet's script in docs/google-sheets.md: a toast disappears, but an alert stays."""

from __future__ import annotations

import pytest

from local.authority import Authority
from local.neighbours.https_server import Answer
from tests.e2e.spreadsheet import run_script
from tests.neighbours import web_server


@pytest.mark.parametrize(
    ("status", "text", "kind", "title"),
    [
        (200, "Success: 1 meeting with 1 event (1 new).", "toast", "ZIP schedule"),
        (200, "Success: 1 meeting with 1 event (1 new, 1 replaced).", "toast", "ZIP schedule"),
        (200, "Success: 1 meeting with 1 event (1 changed). 1 row skipped.", "alert", "every row"),
        (200, "Success: 1 meeting with 1 event (1 new). 1 row incomplete.", "alert", "every row"),
        (200, "Success: 2 meetings with 2 events (1 removed).", "alert", "were removed"),
        (
            200,
            "Success: 1 meeting with 1 event (1 changed).\nRemoved: 123: A (1) M 9:30 Lecture",
            "alert",
            "were removed",
        ),
        (
            200,
            "Success: 1 meeting with 1 event (1 new).\nAlso in csv:a.csv: 1 of these events. More",
            "alert",
            "another source has the same classes",
        ),
        (200, "<html>Sign in", "alert", "not updated"),
        (200, "", "alert", "not updated"),
        (503, "Google is busy", "alert", "not updated"),
    ],
)
def test_sheet_script_shows_a_toast_on_success_and_an_alert_when_a_person_has_to_act(
    tls: Authority, status: int, text: str, kind: str, title: str
) -> None:
    with web_server(tls) as web:
        web.pages = {"/": Answer(status, body=text.encode())}
        shown = run_script({"SCHEDULE_URL": f"{web.url}/"}, tls.ca_bundle)
    assert shown.kind == kind
    assert title in shown.title
    assert text in shown.text
    if title == "not updated" and status == 200:
        assert shown.text.startswith("SCHEDULE_URL leads elsewhere: ")
