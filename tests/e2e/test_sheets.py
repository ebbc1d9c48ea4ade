"""From the sheet's menu to the schedule table and back to its toast, over the local stack."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cdk.names import SCHEDULE_UPDATE, Names
from local.driver import Driver
from local.state import State
from tests.e2e.deployed import cold_start
from tests.e2e.spreadsheet import HEADER, Spreadsheet, row

OTHER = "https://zoom.us/j/81000000002"
START = HEADER.index("Start")


@pytest.fixture
def sheet(state: State) -> Iterator[Spreadsheet]:
    driver = Driver(state)
    made = Spreadsheet(driver)
    made.fill([HEADER, row()], [HEADER, row(OTHER, day="F")])
    yield made
    driver.close()


@pytest.fixture
def updated(sheet: Spreadsheet) -> Spreadsheet:
    """A sheet that was brought into the table."""
    # Of the classes of the test before it is an alert that they were removed.
    assert sheet.press().text.startswith("Success: 2 meetings with 3 events")
    assert set(sheet.scheduled()) == {"81000000001", "81000000002"}
    return sheet


def test_menu_post_table_toast(updated: Spreadsheet) -> None:
    events = updated.scheduled()
    assert [(event["day"], event["source"]) for event in events["81000000001"]] == [
        ("M", "sheet:Fall"),
        ("W", "sheet:Fall"),
    ]
    assert events["81000000002"][0]["opencast_series_id"] == "20260112345"
    updated.fill([HEADER, row(day="MWF"), row(OTHER, start="'14:05")], [HEADER])
    shown = updated.press()
    assert shown.kind == "toast"
    assert shown.text == "Success: 2 meetings with 5 events (2 changed)."
    assert shown.asked[0]["muteHttpExceptions"] is True
    updated.fill([HEADER, row()])
    shown = updated.press()
    assert shown.kind == "alert"
    assert shown.text.splitlines() == [
        "Success: 1 meeting with 2 events (1 changed, 1 removed).",
        "Removed: 81000000002: HIST E-1010 (20260112345) M 14:05 Lecture, W 14:05 Lecture",
        "Removed: 81000000001: HIST E-1010 (20260112345) F 9:30 Lecture",
    ]
    updated.fill([HEADER, row(day="M")])
    shown = updated.press()
    assert (shown.kind, "Removed: 81000000001" in shown.text) == ("alert", True)
    updated.fill([HEADER, row()])
    assert updated.press().kind == "toast"
    assert set(updated.scheduled()) == {"81000000001"}


MISTAKES: list[tuple[str, list[Any], dict[str, Any], str]] = [
    ("renamed column", [[*HEADER[:5], "Series"], row()], {}, "Fall has no column OC Series. Row 1"),
    ("empty tab", [], {}, "Fall is empty"),
    ("a column twice", [[*HEADER, "Day"], row()], {}, "Fall row 1 names the column Day twice"),
    ("sorted header", [row(), HEADER, row()], {}, "Fall row 1 stands above the columns' names"),
]
SKIPPED: list[tuple[str, list[Any], dict[str, Any], str]] = [
    (
        "merged cells",
        [HEADER, row(), row("", start="'11:00")],
        {"merges": ["E2:E3"]},
        "Fall row 3: no meeting link (merged cells? Each row needs its own)",
    ),
    ("a time as a number", [HEADER, row(), row(start="0.5625")], {}, "Fall row 3: start '0.5625'"),
    (
        "a time as it is typed",
        [HEADER, row(), row(start="2:05 PM")],
        {},
        "Fall row 3: start '2:05 PM' is not a time",
    ),
    (
        "a date",
        [HEADER, row(), row(start="9/1/2026")],
        {},
        "Fall row 3: start '9/1/2026' is not a time",
    ),
    (
        "a number as the meeting",
        [HEADER, row(), row("81000000001")],
        {},
        "Fall row 3: the meeting link is not like https://zoom.us/j/1234567890",
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[0])
def test_a_mistake_that_spoils_the_sheet_is_an_alert(
    updated: Spreadsheet, mistake: tuple[str, list[Any], dict[str, Any], str]
) -> None:
    before = updated.scheduled()
    _, rows, more, says = mistake
    updated.fill(rows, **more)
    shown = updated.press()
    assert shown.kind == "alert"
    assert says in shown.text
    assert updated.scheduled() == before


@pytest.mark.parametrize("mistake", SKIPPED, ids=lambda mistake: mistake[0])
def test_a_mistake_in_a_row_stays_until_it_is_read(
    updated: Spreadsheet, mistake: tuple[str, list[Any], dict[str, Any], str]
) -> None:
    _, rows, more, says = mistake
    updated.fill(rows, **more)
    shown = updated.press()
    assert shown.kind == "alert"
    assert "1 row skipped." in shown.text
    assert says in shown.text
    assert "topsecret" not in shown.text


def test_thousands_of_rows(updated: Spreadsheet) -> None:
    links = [f"https://zoom.us/j/{82000000000 + number % 500}" for number in range(5000)]
    rows = [row(link, start=f"'{8 + n // 500}:15", day="M") for n, link in enumerate(links)]
    updated.fill([HEADER, *rows])
    shown = updated.press()
    first, _, rest = shown.text.partition("\n")
    assert first == "Success: 501 meetings with 5,001 events (500 new, 1 removed)."
    assert rest == "Removed: 81000000001: HIST E-1010 (20260112345) M 9:30 Lecture, W 9:30 Lecture"
    assert len(updated.scheduled()) == 501


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "status", "where": "values", "status": 403}, "is not shared with"),
        ({"kind": "status", "where": "values", "status": 429, "times": 4}, "Google is busy"),
        ({"kind": "status", "where": "token", "status": 503, "times": 4}, "Google answered 503"),
        ({"kind": "broken", "where": "values", "times": 4}, "Google"),
    ],
)
def test_google_fails(updated: Spreadsheet, fault: dict[str, Any], says: str) -> None:
    before = updated.scheduled()
    forget(updated)
    updated.driver.trouble_sheets(**fault)
    shown = updated.press()
    assert shown.kind == "alert"
    assert says in shown.text
    assert updated.scheduled() == before


def test_half_an_answer_is_asked_for_again(updated: Spreadsheet) -> None:
    updated.driver.trouble_sheets(kind="broken", where="values")
    updated.driver.trouble_sheets(kind="status", where="values", status=500)
    assert updated.press().text.startswith("Success: 2 meetings")


def test_a_token_that_google_takes_no_more_is_got_anew(updated: Spreadsheet) -> None:
    updated.driver.expire_google_tokens()
    assert updated.press().text.startswith("Success: 2 meetings")


def test_a_renamed_tab(updated: Spreadsheet) -> None:
    updated.driver.rename_tab("Spring", "Sprung")
    try:
        shown = updated.press()
        assert shown.kind == "alert"
        assert shown.text.startswith("The sheet has no tab Spring: was it renamed?")
    finally:
        updated.driver.rename_tab("Sprung", "Spring")


def test_two_presses_at_once(updated: Spreadsheet) -> None:
    updated.driver.trouble_sheets(kind="slow", where="values", seconds=8)
    updated.fill([HEADER, row(day="TR")])
    with ThreadPoolExecutor() as pool:
        told = [one.result() for one in [pool.submit(updated.press) for _ in range(2)]]
    texts = sorted(shown.text for shown in told)
    assert texts[0].startswith("Success: 2 meetings with 3 events")
    assert texts[1].startswith("The schedule is just being updated")
    assert [event["day"] for event in updated.scheduled()["81000000001"]] == ["T", "R"]


def test_the_token(updated: Spreadsheet) -> None:
    ssm = updated.driver.client("ssm")
    path = f"/zoom-ingester/{updated.driver.state.stack_name}/SCHEDULE_UPDATE_TOKEN"
    ssm.put_parameter(Name=path, Value="swordfish", Type="SecureString")
    try:
        forget(updated)
        shown = updated.press()
        assert shown.kind == "alert"
        assert "doesn't carry the right token" in shown.text
        updated.token = "swordfish"
        assert updated.press().kind == "toast"
    finally:
        ssm.delete_parameter(Name=path)
        forget(updated)


def test_an_address_that_leads_nowhere(updated: Spreadsheet) -> None:
    shown = updated.press("https://127.0.0.1:9/live/schedule_update")
    assert shown.kind == "alert"
    assert shown.text.startswith("The pipeline gave no answer: Address unavailable")


def forget(sheet: Spreadsheet) -> None:
    """No container remembers secrets and tokens of before."""
    names = Names(sheet.driver.state.stack_name)
    cold_start(sheet.driver, names.function(SCHEDULE_UPDATE))
