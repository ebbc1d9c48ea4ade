"""Tests of the Google stand-in's values, refusals, faults and control paths."""

from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from local.neighbours.faults import Fault
from local.neighbours.sheets_book import RangeProblem, Spreadsheet
from tests.local.sheets.client import DOCUMENT, Client

RANGES = st.lists(st.sampled_from([*"AZ19$:!' ", "Fall", "ZZZ", "1000", "''"]), max_size=7).map(
    "".join
)


def test_google_stand_in_returns_cells_as_formatted_text(client: Client) -> None:
    assert client.batch("Fall").json() == {
        "spreadsheetId": DOCUMENT,
        "valueRanges": [
            {
                "range": "Fall!A1:Z1000",
                "majorDimension": "ROWS",
                "values": [["Course", "Start"], ["BIO", "14:30"]],
            }
        ],
    }


def test_google_stand_in_returns_tabs_in_the_order_of_the_ranges(client: Client) -> None:
    client.sheets.put("Spring '27", [["x"]])
    answered = client.batch("'Spring ''27'", "Fall").json()["valueRanges"]
    assert [tab["range"] for tab in answered] == ["'Spring ''27'!A1:Z1000", "Fall!A1:Z1000"]
    assert answered[0]["values"] == [["x"]]


def test_google_stand_in_leaves_out_empty_cells_and_rows_at_the_end(client: Client) -> None:
    client.sheets.put("Fall", [["a", "", None], [], ["", "b", ""], ["", ""], [None]])
    assert client.values("Fall") == [["a"], [], ["", "b"]]


@pytest.mark.parametrize("rows", [[], [[]], [["", None]]])
def test_google_stand_in_returns_no_values_when_the_tab_is_empty(client: Client, rows: Any) -> None:
    client.sheets.put("Fall", rows)
    assert client.values("Fall") is None


def test_google_stand_in_returns_only_the_first_value_of_merged_cells(client: Client) -> None:
    rows = [["BIO", "M"], ["BIO", "W"], ["BIO", "F"]]
    client.control("POST", "tabs", json={"tab": "Fall", "rows": rows, "merges": ["A1:A3"]})
    assert client.values("Fall") == [["BIO", "M"], ["", "W"], ["", "F"]]


def test_google_stand_in_formats_typed_values_as_google_does(client: Client) -> None:
    typed = ["9:05", 4, "007", 20.5, True, "'14:30", "86168921331", "1/2/3"]
    client.control("POST", "tabs", json={"tab": "Fall", "rows": [typed]})
    shown = ["9:05", "4", "7", "20.5", "TRUE", "14:30", "86168921331", "1/2/3"]
    assert client.values("Fall") == [shown]


@pytest.mark.parametrize("text", ["Winter", "fall", "Winter!A1", "Fall!", "Fall!A1", "A1:B2", ""])
def test_google_stand_in_refuses_a_range_when_it_is_no_whole_tab(client: Client, text: str) -> None:
    answer = client.batch("Fall", text)
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "code": 400,
        "message": f"Unable to parse range: {text}",
        "status": "INVALID_ARGUMENT",
    }


def test_google_stand_in_finds_a_tab_named_like_a_cell_only_when_the_name_is_quoted(
    client: Client,
) -> None:
    client.sheets.put("F26", [["of the tab"]])
    assert client.batch("F26").status_code == 400
    assert client.values("'F26'") == [["of the tab"]]
    assert client.batch("'F26'").json()["valueRanges"][0]["range"] == "'F26'!A1:Z1000"


@given(RANGES)
def test_google_spreadsheet_returns_the_tab_for_a_range_or_refuses_the_range(
    text: str,
) -> None:
    spreadsheet = Spreadsheet("d")
    spreadsheet.put("Fall", [["a", "b"], [], ["c"]])
    try:
        area, rows = spreadsheet.read(text)
    except RangeProblem:
        return
    assert (area, rows) == ("Fall!A1:Z1000", [["a", "b"], [], ["c"]])


def test_google_stand_in_returns_the_whole_grid_as_range_when_the_tab_is_large(
    client: Client,
) -> None:
    client.sheets.put("Fall", [["x"] * 28] * 1001)
    assert client.batch("Fall").json()["valueRanges"][0]["range"] == "Fall!A1:AB1001"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"majorDimension": "rows"}, "majorDimension=ROWS"),
        ({"valueRenderOption": "RAW"}, "valueRenderOption=FORMATTED_VALUE"),
        ({"range": "Fall"}, 'Unknown name "range"'),
        ({"alt": "media"}, "alt=json"),
    ],
)
def test_google_stand_in_refuses_a_query_when_an_option_is_not_supported(
    client: Client, query: dict[str, str], message: str
) -> None:
    answer = client.batch("Fall", **query)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert message in answer.json()["error"]["message"]


def test_google_stand_in_accepts_an_encoded_colon_in_the_path_of_batch_get(client: Client) -> None:
    assert client.get(f"{DOCUMENT}/values%3AbatchGet", ranges="Fall").status_code == 200


def test_google_stand_in_answers_404_when_document_path_or_method_is_unknown(
    client: Client,
) -> None:
    answer = client.get("document-2/values:batchGet", ranges="Fall")
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert client.get(f"{DOCUMENT}/developerMetadata/1").status_code == 404
    url = f"{client.sheets.url}/v4/spreadsheets/{DOCUMENT}/values:batchGet"
    assert client.session.post(url, timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (403, "PERMISSION_DENIED"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
    ],
)
def test_google_stand_in_names_an_error_as_google_does_when_a_fault_sets_the_status(
    client: Client, status: int, name: str
) -> None:
    fault = {"kind": "status", "status": status, "where": "values", "times": 2}
    client.control("POST", "faults", json=fault)
    answers = [client.batch("Fall") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].json()["error"]["status"] == name
    assert "Retry-After" not in answers[0].headers


def test_answer_of_google_stand_in_ends_in_the_middle_when_a_fault_breaks_the_connection(
    client: Client,
) -> None:
    client.sheets.fail(Fault(kind="broken", where="values"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.batch("Fall")
    assert client.values("Fall")


def test_google_stand_in_finds_a_renamed_tab_only_under_its_new_title(client: Client) -> None:
    client.control("POST", "rename", json={"tab": "Fall", "to": "Autumn"})
    assert client.batch("Fall").status_code == 400
    assert client.values("Autumn")
    answer = client.control("POST", "rename", json={"tab": "Fall", "to": "x"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("tabs", {"tab": "Fall"}),
        ("tabs", {"tab": "Fall", "rows": [[{"shown": "a"}]]}),
        ("tabs", {"tab": "Fall", "rows": [["a"]], "merges": ["A"]}),
        ("faults", {"kind": "status", "where": "sheet"}),
    ],
)
def test_google_stand_in_refuses_a_wrong_control_body_with_a_sentence(
    client: Client, path: str, body: object
) -> None:
    answer = client.control("POST", path, json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]
