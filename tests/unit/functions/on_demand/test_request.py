"""The bodies that POST /ingest accepts and refuses."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.functions.on_demand.harness import LINK, Harness
from tests.unit.zoom_account import (
    UUID,
)


def test_on_demand_request_gets_400_when_its_body_is_no_json_object_with_a_uuid(
    harness: Harness,
) -> None:
    bodies = ["", "{", "[]", '"uuid"', "{}", '{"uuid": null}', '{"uuid": ""}', '{"uuid": "  "}']
    for body in (*bodies, "[" * 100_000):
        assert harness.ask(body)[0] == 400
    assert {harness.ask(body)[1] for body in bodies[4:]} == {"The body has no uuid."}
    assert not harness.zoom.requests


def test_on_demand_request_gets_400_when_its_body_is_no_text(harness: Harness) -> None:
    for body in ("eyJ1dWlkIjogIv8ifQ==", "%", "é"):
        assert harness.ask(body, isBase64Encoded=True)[0] == 400


def test_on_demand_request_gets_400_when_a_field_is_invalid(harness: Harness) -> None:
    wrongs: list[dict[str, Any]] = [
        {"uuid": ["x"]},
        {"uuid": True},
        {"uuid": {}},
        {"oc_series_id": []},
        {"oc_workflow": 1.5},
        {"allow_multiple_ingests": "perhaps"},
        {"ingest_all_mp4": 2},
        {"ingest_all_mp4": {}},
        {"oc_series_id": "Marine Biology"},
        {"oc_series_id": "https://oc.example.edu/series/1"},
        {"oc_series_id": "1" * 201},
        {"oc_workflow": "w" * 201},
        {"uuid": "u" * 2001},
    ]
    for wrong in wrongs:
        status, message = harness.ask({"uuid": UUID} | wrong)
        assert (status, next(iter(wrong)) in message) == (400, True), message
    assert not harness.zoom.requests
    assert not harness.aws.rows()


FLAGS = {"allow_multiple_ingests": False, "ingest_all_mp4": False}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"oc_series_id": None, "oc_workflow": "", "allow_multiple_ingests": None}, {}),
        ({"oc_series_id": 20210112345}, {"on_demand_series_id": "20210112345"}),
        ({"oc_series_id": "S", "oc_workflow": "wf"}, {"on_demand_series_id": "S"}),
        ({"oc_series_id": " \t", "oc_workflow": "  "}, {}),
        ({"oc_series_id": " S\n"}, {"on_demand_series_id": "S"}),
        (
            {"oc_series_id": "https://oc.example.edu/index.html#/2021/01/12345"},
            {"on_demand_series_id": "20210112345"},
        ),
        ({"allow_multiple_ingests": "true"}, {"allow_multiple_ingests": True}),
        ({"allow_multiple_ingests": 1, "ingest_all_mp4": "0"}, {"allow_multiple_ingests": True}),
        ({"ingest_all_mp4": True, "extra": {}}, {"ingest_all_mp4": True}),
        ({"ingest_all_mp4": "false", "oc_series_id": "S"}, {"on_demand_series_id": "S"}),
    ],
)
def test_on_demand_request_is_accepted_when_its_fields_have_the_types_that_callers_send(
    given: dict[str, Any], expected: dict[str, Any], harness: Harness
) -> None:
    assert harness.ask({"uuid": UUID} | given) == (200, "Ingest accepted")
    payload = harness.posted()["payload"]
    names = ("on_demand_series_id", "allow_multiple_ingests", "ingest_all_mp4")
    assert {name: payload[name] for name in names if name in payload} == FLAGS | expected
    assert payload.get("oc_workflow") == ((given.get("oc_workflow") or "").strip() or None)


@pytest.mark.parametrize(
    "uuid",
    [
        UUID,
        f" {UUID} ",
        f"{LINK}{quote(UUID, safe='')}",
        f"{LINK}{UUID}",
        f"https://zoom.us/rec?a=1&meeting_id={quote(UUID)}&b=2#x",
    ],
)
def test_on_demand_request_is_accepted_when_it_has_a_uuid_or_a_link_with_a_uuid(
    uuid: str, harness: Harness
) -> None:
    # The function reads an unencoded plus in a link as a space. No uuid contains a space.
    assert harness.ask({"uuid": uuid}) == (200, "Ingest accepted")
    assert harness.posted()["payload"]["object"]["uuid"] == UUID


@pytest.mark.parametrize("number", ["95846636714", 95846636714, "958 4663 6714", f"{LINK}86168921"])
def test_on_demand_request_gets_404_when_it_has_a_meeting_number(
    number: Any, harness: Harness
) -> None:
    # For a meeting number, Zoom would answer with the meeting's latest recording (see
    # `is_meeting_number`).
    said = (404, "This is a meeting number. Choose one of its recordings.")
    assert harness.ask({"uuid": number}) == said
    assert not harness.zoom.requests
    assert not harness.aws.rows()


@pytest.mark.parametrize("scheme", ["https://", ""])
def test_on_demand_request_gets_404_when_its_link_is_for_joining_the_meeting(
    harness: Harness, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    caplog.set_level(0)
    answer = harness.ask({"uuid": f"{scheme}zoom.us/j/85550001111?pwd=s3cret"})
    said = (
        "The Zoom link holds no meeting_id. It is the link to join meeting 85550001111: choose "
        "one of the meeting's recordings."
    )
    assert answer == (404, said)
    assert "s3cret" not in caplog.text
    assert not any("s3cret" in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    "link", ["zoom.us/rec/share/s3cret", "zoom.us/rec/play/x?pwd=s3cret", "x?pwd=s3cret"]
)
def test_on_demand_request_gets_404_and_no_secret_is_logged_when_a_link_lacks_https_and_meeting_id(
    harness: Harness, caplog: pytest.LogCaptureFixture, link: str
) -> None:
    caplog.set_level(0)
    said = "The Zoom link holds no meeting_id. Paste the link to the recording's page in Zoom."
    assert harness.ask({"uuid": link}) == (404, said)
    assert not harness.zoom.requests
    assert not any("s3cret" in str(vars(record)) for record in caplog.records)


def test_on_demand_request_gets_400_with_the_name_of_the_field_when_oc_series_id_is_invalid(
    harness: Harness,
) -> None:
    said = "The Opencast series (oc_series_id) is neither a series' id nor Opencast's link to one."
    assert harness.ask({"uuid": "u==", "oc_series_id": "no id"}) == (400, said)


def test_on_demand_request_gets_404_when_its_link_has_no_meeting_id(harness: Harness) -> None:
    for link in ("https://zoom.us/rec", LINK, "https://[x?meeting_id=y", "https://zoom.us/?id=1"):
        assert harness.ask({"uuid": link})[0] == 404
    assert not harness.zoom.requests
