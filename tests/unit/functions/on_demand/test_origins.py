"""The pages that may send a request (CSRF), and the names of workflows in requests."""

from __future__ import annotations

import pytest

from tests.unit.functions.on_demand.harness import Harness
from tests.unit.zoom_account import UUID

OPENCAST = "https://admin.oc.example.edu"
OWN = {"Host": "API.example.edu"}


@pytest.fixture
def closed(harness: Harness) -> Harness:
    harness.set_up(ingest_allowed_origins=f"{OPENCAST}, http://oc.example.edu:8080")
    return harness


@pytest.mark.parametrize(
    "headers",
    [
        OWN,
        OWN | {"Origin": ""},
        OWN | {"Origin": OPENCAST},
        OWN | {"origin": OPENCAST.upper()},
        OWN | {"ORIGIN": "http://oc.example.edu:8080"},
        OWN | {"Origin": "https://api.example.edu"},
    ],
    ids=str,
)
def test_on_demand_request_of_an_allowed_page_or_a_program_is_accepted(
    closed: Harness, headers: dict[str, str]
) -> None:
    assert closed.ask(headers=headers) == (200, "Ingest accepted")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://admin.oc.example.edu",
        "https://admin.oc.example.edu:444",
        "https://admin.oc.example.edu.evil.example",
        "https://evil.example/https://admin.oc.example.edu",
        "http://api.example.edu",
        "https://",
        "x" * 10_000,
    ],
)
def test_on_demand_request_of_another_page_gets_403_when_allowed_origins_are_set(
    closed: Harness, origin: str
) -> None:
    status, message = closed.ask(headers=OWN | {"Origin": origin})
    assert (status, "INGEST_ALLOWED_ORIGINS" in message) == (403, True)
    assert len(message) < 300
    assert not closed.zoom.requests
    assert not closed.aws.rows()


def test_on_demand_request_of_any_page_is_accepted_when_no_allowed_origins_are_set(
    harness: Harness,
) -> None:
    # The default allows every origin, because the address of a site's Opencast isn't known.
    headers = OWN | {"Origin": "https://anywhere.example"}
    assert harness.ask(headers=headers) == (200, "Ingest accepted")


def test_on_demand_request_gets_403_when_neither_its_origin_nor_a_host_header_names_a_host(
    closed: Harness,
) -> None:
    assert closed.ask(headers={"Origin": "https://"})[0] == 403


@pytest.mark.parametrize("name", [".", "..", "a/b", "/", "../x", "a\\b", "a\x00b", "a\nb"])
def test_on_demand_request_gets_400_when_its_workflow_is_no_valid_name(
    harness: Harness, name: str
) -> None:
    status, message = harness.ask({"uuid": UUID, "oc_workflow": name})
    assert (status, message.startswith("oc_workflow is no workflow's name")) == (400, True)
    assert not harness.zoom.requests


@pytest.mark.parametrize("name", ["dce-wf", "...", ".hidden", "a..b", "Ünïcode wf", "1.0"])
def test_on_demand_request_is_accepted_when_its_workflow_is_a_valid_name(
    harness: Harness, name: str
) -> None:
    assert harness.ask({"uuid": UUID, "oc_workflow": name}) == (200, "Ingest accepted")
