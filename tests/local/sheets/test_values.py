"""What is read of a spreadsheet."""

from typing import Any

import pytest
import requests

from local.neighbours.host import Fault
from tests.local.sheets.client import DOCUMENT, Client


def test_a_tab_as_people_see_it(client: Client) -> None:
    answer = client.batch("Fall")
    assert answer.json() == {
        "spreadsheetId": DOCUMENT,
        "valueRanges": [
            {
                "range": "Fall!A1:Z1000",
                "majorDimension": "ROWS",
                "values": [["Course", "Start"], ["BIO", "14:30"]],
            }
        ],
    }


def test_several_ranges_in_the_order_asked_for(client: Client) -> None:
    client.sheets.put("Spring '27", [["x"]])
    told = client.batch("'Spring ''27'", "Fall!A2:B2").json()["valueRanges"]
    assert [each["range"] for each in told] == ["'Spring ''27'!A1:Z1000", "Fall!A2:B2"]
    assert [each["values"] for each in told] == [[["x"]], [["BIO", "14:30"]]]


def test_no_ranges_no_values(client: Client) -> None:
    assert client.batch().json() == {"spreadsheetId": DOCUMENT}


def test_what_is_empty_at_the_end_is_left_out(client: Client) -> None:
    client.sheets.put("Fall", [["a", "", None], [], ["", "b", ""], ["", ""], [None]])
    assert client.values("Fall") == [["a"], [], ["", "b"]]
    assert client.values("Fall", majorDimension="COLUMNS") == [["a"], ["", "", "b"]]


@pytest.mark.parametrize("rows", [[], [[]], [["", None]]])
def test_an_empty_tab_has_no_values_at_all(client: Client, rows: Any) -> None:
    client.sheets.put("Fall", rows)
    assert client.values("Fall") is None


def test_of_merged_cells_only_the_first_has_a_value(client: Client) -> None:
    rows = [["BIO", "M"], ["BIO", "W"], ["BIO", "F"]]
    client.control("POST", "tabs", json={"tab": "Fall", "rows": rows, "merges": ["A1:A3"]})
    assert client.values("Fall") == [["BIO", "M"], ["", "W"], ["", "F"]]


TYPED = ["9:05", "12/30/1899", 4, "7", 20.5, True, "'14:30", "86168921331", "1/2/3"]


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (
            {},
            ["9:05", "12/30/1899", "4", "7", "20.5", "TRUE", "14:30", "86168921331", "1/2/3"],
        ),
        (
            {"valueRenderOption": "UNFORMATTED_VALUE"},
            [(9 * 60 + 5) / 1440, 0, 4, 7, 20.5, True, "14:30", 86168921331, "1/2/3"],
        ),
        (
            {
                "valueRenderOption": "UNFORMATTED_VALUE",
                "dateTimeRenderOption": "FORMATTED_STRING",
            },
            ["9:05", "12/30/1899", 4, 7, 20.5, True, "14:30", 86168921331, "1/2/3"],
        ),
        (
            {"dateTimeRenderOption": "SERIAL_NUMBER"},
            ["9:05", "12/30/1899", "4", "7", "20.5", "TRUE", "14:30", "86168921331", "1/2/3"],
        ),
        (
            {"valueRenderOption": "FORMULA"},
            [(9 * 60 + 5) / 1440, 0, 4, 7, 20.5, True, "14:30", 86168921331, "1/2/3"],
        ),
    ],
)
def test_numbers_and_moments(client: Client, query: dict[str, str], values: list[Any]) -> None:
    client.control("POST", "tabs", json={"tab": "Fall", "rows": [TYPED]})
    assert client.values("Fall", **query) == [values]


def test_a_whole_cell(client: Client) -> None:
    cell = {"value": 0.5, "shown": "noon", "moment": True}
    client.control("POST", "tabs", json={"tab": "Fall", "rows": [[cell]]})
    assert client.values("Fall") == [["noon"]]
    assert client.values("Fall", valueRenderOption="UNFORMATTED_VALUE") == [[0.5]]
    assert client.control("GET", "tabs").json() == {"Fall": [["noon"]]}


@pytest.mark.parametrize(
    ("text", "told", "values"),
    [
        ("Fall!A1", "Fall!A1", [["a1"]]),
        ("Fall!B2:C3", "Fall!B2:C3", [["b2", "c2"], ["b3", "c3"]]),
        ("Fall!$B$2:$C$3", "Fall!B2:C3", [["b2", "c2"], ["b3", "c3"]]),
        ("Fall!B:C", "Fall!B1:C1000", [["b1", "c1"], ["b2", "c2"], ["b3", "c3"]]),
        ("Fall!2:3", "Fall!A2:Z3", [["a2", "b2", "c2"], ["a3", "b3", "c3"]]),
        ("Fall!A2:B", "Fall!A2:B1000", [["a2", "b2"], ["a3", "b3"]]),
        ("'Fall'!c3:Z9999", "Fall!C3:Z1000", [["c3"]]),
        ("A1:B1", "Fall!A1:B1", [["a1", "b1"]]),
        ("Fall!C3:B2", "Fall!B2:C3", [["b2", "c2"], ["b3", "c3"]]),
        ("D4", "Fall!D4", None),
    ],
)
def test_ranges(client: Client, text: str, told: str, values: Any) -> None:
    client.sheets.put("Fall", [[f"{column}{row}" for column in "abc"] for row in (1, 2, 3)])
    answer = client.batch(text).json()["valueRanges"][0]
    assert (answer["range"], answer.get("values")) == (told, values)


@pytest.mark.parametrize(
    "text",
    ["Winter", "fall", "Winter!A1", "Fall!", "Fall!A0", "Fall!A", "Fall!A:2", "Fall!A1:B2:C3", ""],
)
def test_ranges_that_are_none(client: Client, text: str) -> None:
    answer = client.batch("Fall", text)
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "code": 400,
        "message": f"Unable to parse range: {text}",
        "status": "INVALID_ARGUMENT",
    }


def test_a_tab_that_is_called_like_a_cell_has_to_be_quoted(client: Client) -> None:
    client.sheets.put("F26", [["of the tab"]])
    assert client.values("F26") is None
    assert client.values("'F26'") == [["of the tab"]]
    assert client.batch("'F26'").json()["valueRanges"][0]["range"] == "'F26'!A1:Z1000"


def test_beyond_the_grid(client: Client) -> None:
    answer = client.batch("Fall!A1001")
    assert answer.status_code == 400
    assert "exceeds grid limits. Max rows: 1000" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"majorDimension": "rows"}, "Invalid value at 'major_dimension'"),
        ({"valueRenderOption": "RAW"}, "Invalid value at 'value_render_option'"),
        ({"dateTimeRenderOption": "ISO"}, "Invalid value at 'date_time_render_option'"),
        ({"range": "Fall"}, 'Unknown name "range"'),
        ({"fields": "valueRanges("}, "Invalid field selection"),
        ({"alt": "media"}, "JSON only"),
    ],
)
def test_queries_that_are_refused(client: Client, query: dict[str, str], message: str) -> None:
    answer = client.batch("Fall", **query)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "fields", ["valueRanges.values", "valueRanges(values)", "valueRanges/values"]
)
def test_a_part_of_the_answer(client: Client, fields: str) -> None:
    told = client.batch("Fall!A1", fields=fields).json()
    assert told == {"valueRanges": [{"values": [["Course"]]}]}


def test_one_range_by_its_own_path(client: Client) -> None:
    assert client.get(f"{DOCUMENT}/values/Fall!A1").json()["values"] == [["Course"]]
    assert client.get(f"{DOCUMENT}/values/Fall%21A1").json()["values"] == [["Course"]]
    assert client.get(f"{DOCUMENT}/values%3AbatchGet", ranges="Fall").status_code == 200


def test_which_tabs_there_are(client: Client) -> None:
    client.sheets.put("Spring", [])
    told = client.get(DOCUMENT, fields="sheets.properties(title,index),properties.title").json()
    titles = [sheet["properties"]["title"] for sheet in told["sheets"]]
    assert titles == ["Fall", "Spring"]
    assert told["properties"] == {"title": "Class schedule"}
    whole = client.get(DOCUMENT).json()
    assert whole["sheets"][0]["properties"]["gridProperties"] == {
        "rowCount": 1000,
        "columnCount": 26,
    }
    assert client.get(DOCUMENT, includeGridData="true").status_code == 400


def test_another_document_or_method(client: Client) -> None:
    answer = client.get("document-2/values:batchGet", ranges="Fall")
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert client.get(f"{DOCUMENT}/developerMetadata/1").status_code == 404
    url = f"{client.sheets.url}/v4/spreadsheets/{DOCUMENT}"
    assert client.session.post(url, timeout=10).status_code == 404


def test_a_spreadsheet_that_is_not_shared(client: Client) -> None:
    client.control("POST", "sharing", json={"shared": False})
    answer = client.batch("Fall")
    assert answer.status_code == 403
    assert answer.json()["error"] == {
        "code": 403,
        "message": "The caller does not have permission",
        "status": "PERMISSION_DENIED",
    }
    client.sheets.share(shared=True)
    assert client.batch("Fall").status_code == 200


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (403, "PERMISSION_DENIED"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
    ],
)
def test_it_fails_when_told(client: Client, status: int, name: str) -> None:
    fault = {"kind": "status", "status": status, "where": "values", "times": 2}
    client.control("POST", "faults", json=fault)
    answers = [client.batch("Fall") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].json()["error"]["status"] == name
    assert "Retry-After" not in answers[0].headers


def test_half_a_sheet(client: Client) -> None:
    client.sheets.fail(Fault(kind="broken", where="values"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.batch("Fall")
    assert client.values("Fall")


def test_a_tab_gets_another_name(client: Client) -> None:
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
        ("sharing", {"shared": "no"}),
        ("faults", {"kind": "status", "where": "sheet"}),
    ],
)
def test_a_mistake_gets_a_sentence(client: Client, path: str, body: object) -> None:
    answer = client.control("POST", path, json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]
