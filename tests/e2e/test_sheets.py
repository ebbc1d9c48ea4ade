"""The documented script of the Google Sheet, which updates the schedule on the local stack."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cdk.names import SCHEDULE_UPDATE, Names
from ingester.schedule.table import IMPORT_LOCK
from local.driver import Driver, wait_for
from tests.e2e.deployed import cold_start
from tests.e2e.spreadsheet import HEADER, SECONDS, Spreadsheet, row

OTHER = "https://zoom.us/j/81000000002"


@pytest.fixture
def sheet(driver: Driver) -> Spreadsheet:
    """Update the schedule from a sheet with two meetings, and return the sheet."""
    sheet = Spreadsheet(driver)
    sheet.fill([HEADER, row()], [HEADER, row(OTHER, day="F")])
    # The request is sent without the script, which takes longer to start.
    status, text = sheet.post()
    assert status == 200
    assert text.startswith("Success: 2 meetings with 3 events")
    assert set(sheet.scheduled()) == {"81000000001", "81000000002"}
    return sheet


def test_the_script_of_the_sheet_shows_additions_as_a_toast_and_removals_as_an_alert(
    sheet: Spreadsheet,
) -> None:
    classes = sheet.scheduled()
    assert [(scheduled["day"], scheduled["source"]) for scheduled in classes["81000000001"]] == [
        ("M", "sheet:Fall"),
        ("W", "sheet:Fall"),
    ]
    assert classes["81000000002"][0]["opencast_series_id"] == "20260112345"
    sheet.fill([HEADER, row(day="MWF"), row(OTHER, start="'14:05")], [HEADER])
    shown = sheet.update()
    assert shown.kind == "toast"
    assert shown.text == "Success: 2 meetings with 5 events (2 changed)."
    assert shown.requests[0]["muteHttpExceptions"] is True
    sheet.fill([HEADER, row()])
    shown = sheet.update()
    assert shown.kind == "alert"
    assert shown.text.splitlines() == [
        "Success: 1 meeting with 2 events (1 changed, 1 removed).",
        "Removed: 81000000002: HIST E-1010 (20260112345) M 14:05 Lecture, W 14:05 Lecture",
        "Removed: 81000000001: HIST E-1010 (20260112345) F 9:30 Lecture",
    ]
    sheet.fill([HEADER, row(day="M")])
    shown = sheet.update()
    assert (shown.kind, "Removed: 81000000001" in shown.text) == ("alert", True)
    sheet.fill([HEADER, row()])
    assert sheet.update().kind == "toast"
    assert set(sheet.scheduled()) == {"81000000001"}


def test_a_missing_column_in_the_sheet_is_shown_as_an_alert_and_changes_nothing(
    sheet: Spreadsheet,
) -> None:
    before = sheet.scheduled()
    sheet.fill([[*HEADER[:5], "Series"], row()])
    shown = sheet.update()
    assert shown.kind == "alert"
    assert "Fall has no column OC Series. Row 1" in shown.text
    assert sheet.scheduled() == before


@pytest.mark.parametrize(
    ("wrong", "options", "text"),
    [
        (
            row("", start="'11:00"),
            {"merges": ["E2:E3"]},
            "Fall row 3 (HIST E-1010): no meeting link (merged cells? Each row needs its own)",
        ),
        (row(start="0.5625"), {}, "Fall row 3 (HIST E-1010): start '0.5625'"),
        (row(start="9/1/2026"), {}, "Fall row 3 (HIST E-1010): start '9/1/2026' is not a time"),
    ],
    ids=["merged cells", "a time as a number", "a date"],
)
def test_a_mistake_in_a_row_of_the_sheet_is_shown_as_an_alert_that_names_the_row(
    sheet: Spreadsheet, wrong: list[Any], options: dict[str, Any], text: str
) -> None:
    sheet.fill([HEADER, row(), wrong], **options)
    shown = sheet.update()
    assert shown.kind == "alert"
    assert "1 row skipped." in shown.text
    assert text in shown.text
    assert "topsecret" not in shown.text


def test_a_sheet_with_5000_rows_updates_the_schedule(sheet: Spreadsheet) -> None:
    links = [f"https://zoom.us/j/{82000000000 + number % 500}" for number in range(5000)]
    rows = [row(link, start=f"'{8 + n // 500}:15", day="M") for n, link in enumerate(links)]
    sheet.fill([HEADER, *rows])
    shown = sheet.update()
    first, _, rest = shown.text.partition("\n")
    assert first == "Success: 501 meetings with 5,001 events (500 new, 1 removed)."
    assert rest == "Removed: 81000000001: HIST E-1010 (20260112345) M 9:30 Lecture, W 9:30 Lecture"
    assert len(sheet.scheduled()) == 501


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "status", "where": "values", "status": 403}, "is not shared with"),
        ({"kind": "status", "where": "values", "status": 429, "times": 4}, "Google is busy"),
        ({"kind": "status", "where": "token", "status": 503, "times": 4}, "Google answered 503"),
        ({"kind": "broken", "where": "values", "times": 4}, "Google"),
    ],
)
def test_a_failure_of_google_is_shown_as_an_alert_and_changes_nothing(
    sheet: Spreadsheet, fault: dict[str, Any], says: str
) -> None:
    before = sheet.scheduled()
    if fault["where"] == "token":
        restart(sheet)
    sheet.driver.inject_sheets_fault(**fault)
    shown = sheet.update()
    assert shown.kind == "alert"
    assert says in shown.text
    assert sheet.scheduled() == before


def test_a_schedule_update_retries_after_a_broken_answer_and_a_500_of_google(
    sheet: Spreadsheet,
) -> None:
    sheet.driver.inject_sheets_fault(kind="broken", where="values")
    sheet.driver.inject_sheets_fault(kind="status", where="values", status=500)
    assert sheet.update().text.startswith("Success: 2 meetings")


def test_a_schedule_update_replaces_an_expired_google_token(sheet: Spreadsheet) -> None:
    sheet.driver.expire_google_tokens()
    assert sheet.update().text.startswith("Success: 2 meetings")


def test_a_renamed_tab_of_the_sheet_is_shown_as_an_alert(sheet: Spreadsheet) -> None:
    sheet.driver.rename_tab("Spring", "Sprung")
    try:
        shown = sheet.update()
        assert shown.kind == "alert"
        assert shown.text.startswith("The sheet has no tab Spring: was it renamed?")
    finally:
        sheet.driver.rename_tab("Sprung", "Spring")


def test_a_second_schedule_update_is_refused_while_the_first_runs(sheet: Spreadsheet) -> None:
    sheet.driver.inject_sheets_fault(kind="slow", where="values", seconds=8)
    sheet.fill([HEADER, row(day="TR")])
    table = sheet.driver.table("schedule")

    def is_locked() -> bool:
        return "Item" in table.get_item(Key={"zoom_series_id": IMPORT_LOCK}, ConsistentRead=True)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(sheet.update)
        wait_for(is_locked, "The lock of the first update", SECONDS)
        assert sheet.update().text.startswith("The schedule is just being updated")
        assert first.result().text.startswith("Success: 2 meetings with 3 events")
    assert [scheduled["day"] for scheduled in sheet.scheduled()["81000000001"]] == ["T", "R"]


def test_a_schedule_update_is_refused_without_the_token_when_ssm_has_a_token(
    sheet: Spreadsheet,
) -> None:
    ssm = sheet.driver.client("ssm")
    path = Names(sheet.driver.state.stack_name).secret("SCHEDULE_UPDATE_TOKEN")
    ssm.put_parameter(Name=path, Value="swordfish", Type="SecureString")
    try:
        restart(sheet)
        shown = sheet.update()
        assert shown.kind == "alert"
        assert "doesn't carry the right token" in shown.text
        sheet.token = "swordfish"
        assert sheet.update().kind == "toast"
    finally:
        ssm.delete_parameter(Name=path)
        restart(sheet)


def test_an_api_that_cannot_be_reached_is_shown_as_an_alert_in_the_sheet(
    sheet: Spreadsheet,
) -> None:
    shown = sheet.update("https://127.0.0.1:9/live/schedule_update")
    assert shown.kind == "alert"
    assert shown.text.startswith("The pipeline gave no answer: Address unavailable")


def restart(sheet: Spreadsheet) -> None:
    """Start a new process of schedule-update, without secrets and tokens of the old process."""
    names = Names(sheet.driver.state.stack_name)
    cold_start(sheet.driver, names.function(SCHEDULE_UPDATE))
