"""Tests of workflows in the Opencast stand-in, with operations, incidents and publications."""

from typing import Any

import pytest

from local.neighbours.opencast import OpencastStandIn
from local.neighbours.opencast_store import OPERATIONS
from tests.local.clock import Clock
from tests.local.file_server import FileServer
from tests.local.opencast.client import Client, lecture, parse

EVENT = "/api/events/mp-1"


@pytest.fixture
def number(client: Client, files: FileServer, opencast: OpencastStandIn) -> str:
    """Post an ingest whose workflow takes 100 s, and return the workflow's id."""
    opencast.set(active_seconds=100)
    return str(parse(client.ingest(lecture(files)).content).get("id"))


def workflow(client: Client, number: str) -> Any:
    return client.admin(f"/workflow/instance/{number}.json").json()["workflow"]


def states(client: Client, number: str) -> list[str]:
    operations = workflow(client, number)["operations"]["operation"]
    assert [operation["template"] for operation in operations] == list(OPERATIONS)
    return [operation["state"] for operation in operations]


def test_opencast_workflow_is_instantiated_then_runs_and_then_succeeds(
    client: Client, number: str, clock: Clock
) -> None:
    assert workflow(client, number)["state"] == "INSTANTIATED"
    clock.now += 50
    assert workflow(client, number)["state"] == "RUNNING"
    assert states(client, number) == ["SUCCEEDED", "SUCCEEDED", "RUNNING", *["INSTANTIATED"] * 2]
    assert client.admin(EVENT).json()["processing_state"] == "RUNNING"
    clock.now += 50
    assert workflow(client, number)["state"] == "SUCCEEDED"
    assert set(states(client, number)) == {"SUCCEEDED"}


@pytest.mark.usefixtures("number")
def test_opencast_event_is_published_when_its_workflow_has_succeeded(
    client: Client, clock: Clock
) -> None:
    assert client.admin(EVENT).json()["publication_status"] == []
    clock.now += 100
    assert client.admin(EVENT).json()["publication_status"] == ["internal", "engage-player"]


def test_opencast_stand_in_returns_an_incident_of_a_failed_operation(
    client: Client, number: str, opencast: OpencastStandIn, clock: Clock
) -> None:
    opencast.set(workflow_end="FAILED", operation="inspect", incident="No video")
    clock.now += 100
    assert states(client, number)[:2] == ["SUCCEEDED", "FAILED"]
    job = workflow(client, number)["operations"]["operation"][1]["job"]
    incident = client.admin(f"/incidents/job/{job}.json?cascade=true&format=full").json()
    assert incident["incidentFullTree"]["incidentFull"]["description"] == "No video"
    assert client.admin(f"/incidents/job/{job + 1}.json").status_code == 404
    assert client.admin(EVENT).json()["publication_status"] == []


def test_opencast_workflow_stays_active_when_it_is_paused(
    client: Client, number: str, opencast: OpencastStandIn, clock: Clock
) -> None:
    opencast.set(workflow_end="PAUSED")
    clock.now += 1000
    assert workflow(client, number)["state"] == "PAUSED"
    assert client.admin("/workflow/mediaPackage/mp-1/hasActiveWorkflows").text == "true"


def test_opencast_workflow_stays_when_its_event_is_deleted(client: Client, number: str) -> None:
    assert client.admin(EVENT, method="DELETE").status_code == 204
    assert client.admin(EVENT).status_code == 404
    assert client.admin(EVENT, method="DELETE").status_code == 404
    assert workflow(client, number)["id"] == int(number)


@pytest.mark.parametrize("path", ["/workflow/instance/{}.json", "/incidents/job/{}.json"])
def test_opencast_stand_in_refuses_workflows_and_incidents_to_users_who_are_no_admins(
    client: Client, number: str, path: str
) -> None:
    for user in ("agent", "blind"):
        assert client.ask(path.format(number), (user, user)).status_code == 403


def test_control_path_changes_how_an_opencast_workflow_ends(client: Client, number: str) -> None:
    change = {"mediapackage_id": "mp-1", "seconds": 0, "end": "STOPPED"}
    assert client.ask("/_control/workflows", method="POST", json=change).status_code == 200
    assert workflow(client, number)["state"] == "STOPPED"


@pytest.mark.usefixtures("number")
def test_control_path_deletes_an_opencast_event(client: Client) -> None:
    wanted = {"identifier": "mp-1"}
    assert client.ask("/_control/delete", method="POST", json=wanted).status_code == 200
    assert client.ask("/_control/delete", method="POST", json=wanted).status_code == 400
