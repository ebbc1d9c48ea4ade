"""Tests of the Opencast stand-in's faults, its control paths, and its program."""

import pytest
import requests

from local.authority import Authority
from local.neighbours.opencast import OpencastStandIn, default_users
from local.neighbours.opencast_store import ADMIN, Fault
from tests.local.file_server import FileServer
from tests.local.opencast.client import Client, lecture
from tests.local.programs import program


def test_opencast_status_fault_ends_after_its_number_of_requests(
    opencast: OpencastStandIn, client: Client
) -> None:
    opencast.fail(Fault(kind="status", status=502, times=2, path="/series"))
    answers = [client.ask("/series/x.json").status_code for _ in range(3)]
    assert answers == [502, 502, 404]


def test_opencast_fault_without_a_limit_lasts_until_the_faults_are_cleared(
    opencast: OpencastStandIn, client: Client
) -> None:
    opencast.fail(Fault(kind="close", times=None))
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            client.ask("/series/x.json")
    assert client.ask("/_control/faults", method="DELETE").status_code == 200
    assert client.ask("/series/x.json").status_code == 404


def test_opencast_maintenance_fault_answers_200_with_a_page(client: Client) -> None:
    fault = {"kind": "maintenance", "path": "/api/"}
    assert client.ask("/_control/faults", method="POST", json=fault).status_code == 200
    answer = client.ask("/api/events/x")
    assert (answer.status_code, "html" in answer.text) == (200, True)


def test_opencast_stand_in_keeps_the_event_when_it_closes_the_connection_after_the_work(
    opencast: OpencastStandIn, client: Client, files: FileServer
) -> None:
    opencast.fail(Fault(kind="close", method="POST", after_work=True))
    with pytest.raises(requests.ConnectionError):
        client.ingest(lecture(files))
    assert [ingest.state for ingest in opencast.ingests] == ["done"]
    assert client.admin("/api/events/mp-1").status_code == 200
    statuses = [(request.method, request.status) for request in opencast.requests]
    assert statuses[:2] == [("POST", 401), ("POST", None)]


def test_opencast_stand_in_keeps_the_event_only_when_its_error_comes_after_the_work(
    opencast: OpencastStandIn, client: Client, files: FileServer
) -> None:
    opencast.fail(Fault(kind="status", status=504, method="POST", after_work=True))
    assert client.ingest(lecture(files, "late")).status_code == 504
    opencast.fail(Fault(kind="status", status=500, method="POST"))
    assert client.ingest(lecture(files, "early")).status_code == 500
    assert client.admin("/api/events/late").status_code == 200
    assert client.admin("/api/events/early").status_code == 404


def test_opencast_conflict_fault_answers_one_ingest_with_409_and_creates_no_event(
    opencast: OpencastStandIn, client: Client, files: FileServer
) -> None:
    opencast.fail(Fault(kind="conflict"))
    assert client.ingest(lecture(files)).status_code == 409
    assert client.admin("/api/events/mp-1").status_code == 404
    assert client.ingest(lecture(files)).status_code == 200


def test_opencast_stand_in_does_not_begin_an_ingest_while_a_slow_fault_waits(
    opencast: OpencastStandIn, client: Client, files: FileServer
) -> None:
    opencast.fail(Fault(kind="slow", seconds=60, method="POST"))
    client.ask("/series/x.json")
    with pytest.raises(requests.ReadTimeout):
        client.session.post(
            f"{client.url}/ingest/addMediaPackage/publish",
            files=[(name, (None, value)) for name, value in lecture(files)],
            auth=("database", "database"),
            timeout=0.2,
        )
    assert client.listing() == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_control/faults", {"kind": "unheard of"}),
        ("/_control/faults", {"kind": "slow", "second": 1}),
        ("/_control/series", {"title": "no identifier"}),
        ("/_control/series", []),
    ],
)
def test_opencast_stand_in_refuses_a_wrong_control_body_with_a_sentence(
    client: Client, path: str, body: object
) -> None:
    answer = client.ask(path, method="POST", json=body)
    assert answer.status_code == 400
    assert path in answer.json()["message"]


def test_reset_of_opencast_stand_in_keeps_only_users_and_series(
    opencast: OpencastStandIn, client: Client, files: FileServer
) -> None:
    series = {"identifier": "S1", "title": "Biology"}
    assert client.ask("/_control/series", method="POST", json=series).status_code == 200
    opencast.set(dce=False)
    client.ingest(lecture(files))
    opencast.store.reset()
    assert (opencast.ingests, opencast.requests) == ([], [])
    assert client.ask("/series/S1.json").status_code == 200
    assert client.admin("/api/events/mp-1").status_code == 404
    assert opencast.store.switches.dce


def test_opencast_stand_in_accepts_the_user_of_its_environment_and_ends_on_sigterm(
    tls: Authority,
) -> None:
    env = {"OPENCAST_API_USER": "me", "OPENCAST_API_PASSWORD": "mine"}
    options = ["--tls-dir", str(tls.certificate.parent), "--workflow", "mine"]
    with program("local.neighbours.opencast", options, env) as url:
        roles = requests.get(
            f"{url}/api/info/me/roles", auth=("me", "mine"), verify=str(tls.ca_bundle), timeout=10
        )
        assert ADMIN in roles.json()


def test_default_users_of_opencast_are_two_administrators_and_two_users_with_fewer_rights() -> None:
    kinds = {user.name: (ADMIN in user.roles, user.clear_text) for user in default_users("z", "p")}
    assert kinds == {
        "z": (True, True),
        "database": (True, False),
        "agent": (False, True),
        "blind": (False, True),
    }
