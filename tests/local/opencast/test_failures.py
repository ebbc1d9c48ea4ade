"""The stand-in told to fail, its own paths, and as a process."""

import os
import signal
import socket
import subprocess
import sys

import pytest
import requests
from requests.auth import HTTPDigestAuth

from local.authority import Authority
from local.neighbours.opencast import OpencastStandIn, default_users
from local.neighbours.opencast_store import ADMIN, Fault, Switches
from tests.local.file_server import FileServer
from tests.local.opencast.client import DIGEST, ROOT, WORKFLOW, Client, Parts, lecture, parse


class TestFailures:
    def test_a_status_for_some_requests(self, opencast: OpencastStandIn, client: Client) -> None:
        opencast.fail(Fault(kind="status", status=502, times=2, path="/series"))
        answers = [client.ask("/series/x.json").status_code for _ in range(3)]
        assert answers == [502, 502, 404]

    def test_closed_connections_until_faults_are_cleared(
        self, opencast: OpencastStandIn, client: Client
    ) -> None:
        opencast.fail(Fault(kind="close", times=None))
        for _ in range(2):
            with pytest.raises(requests.ConnectionError):
                client.ask("/info/health")
        assert client.ask("/_control/faults", method="DELETE").status_code == 200
        assert client.ask("/info/health").status_code == 200

    def test_maintenance(self, client: Client) -> None:
        fault = {"kind": "maintenance", "path": "/api/"}
        assert client.ask("/_control/faults", method="POST", json=fault).status_code == 200
        answer = client.ask("/api/events/x")
        assert (answer.status_code, "html" in answer.text) == (200, True)

    def test_a_lost_answer_leaves_the_event(
        self, opencast: OpencastStandIn, client: Client, files: FileServer
    ) -> None:
        opencast.fail(Fault(kind="close", method="POST", after_work=True))
        with pytest.raises(requests.ConnectionError):
            client.ingest(lecture(files))
        (ingest,) = client.listing()
        assert (ingest["state"], ingest["answered"]) == ("done", False)
        assert client.admin("/api/events/mp-1").status_code == 200
        statuses = [(r["method"], r["status"]) for r in client.ask("/_requests").json()]
        assert statuses[:2] == [("POST", 401), ("POST", None)]

    def test_a_late_error_leaves_the_event_and_an_early_one_does_not(
        self, opencast: OpencastStandIn, client: Client, files: FileServer
    ) -> None:
        opencast.fail(Fault(kind="status", status=504, method="POST", after_work=True))
        assert client.ingest(lecture(files, "late")).status_code == 504
        opencast.fail(Fault(kind="status", status=500, method="POST"))
        assert client.ingest(lecture(files, "early")).status_code == 500
        assert client.admin("/api/events/late").status_code == 200
        assert client.admin("/api/events/early").status_code == 404

    def test_a_conflict_on_demand(
        self, opencast: OpencastStandIn, client: Client, files: FileServer
    ) -> None:
        opencast.fail(Fault(kind="conflict"))
        assert client.ingest(lecture(files)).status_code == 409
        assert client.admin("/api/events/mp-1").status_code == 404
        assert client.ingest(lecture(files)).status_code == 200

    def test_a_slow_post_outlasts_a_reader_and_ends_with_the_stand_in(
        self, opencast: OpencastStandIn, client: Client, files: FileServer
    ) -> None:
        opencast.fail(Fault(kind="slow", seconds=60, method="POST"))
        client.ask("/info/health")
        with pytest.raises(requests.ReadTimeout):
            client.session.post(
                f"{client.url}/ingest/addMediaPackage/publish",
                files=[(name, (None, value)) for name, value in lecture(files)],
                auth=("database", "database"),
                timeout=0.2,
            )
        assert client.listing() == []

    def test_one_that_was_stopped_is_unreachable_on_kept_connections_too(
        self, opencast: OpencastStandIn, client: Client
    ) -> None:
        assert client.ask("/info/health").status_code == 200
        opencast.stop()
        with pytest.raises(requests.ConnectionError):
            client.ask("/info/health")

    def test_plain_http_does_not_hold_up_others(
        self, opencast: OpencastStandIn, client: Client
    ) -> None:
        port = int(opencast.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):
            assert client.ask("/info/health").status_code == 200


class TestControl:
    def test_switches(self, opencast: OpencastStandIn, client: Client) -> None:
        answer = client.ask("/_control/switches", method="POST", json={"dce": False})
        assert answer.json()["dce"] is False
        assert opencast.store.switches.version == 19

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/_control/switches", {"dec": True}),
            ("/_control/switches", {"dce": "maybe"}),
            ("/_control/faults", {"kind": "unheard of"}),
            ("/_control/series", {"title": "no identifier"}),
            ("/_control/users", []),
        ],
    )
    def test_a_wrong_body_is_400_with_a_sentence(
        self, client: Client, path: str, body: object
    ) -> None:
        answer = client.ask(path, method="POST", json=body)
        assert answer.status_code == 400
        assert path in answer.json()["message"]

    def test_seeded_events(self, client: Client, files: FileServer) -> None:
        for identifier, active in (("busy", True), ("idle", False)):
            body = {"identifier": identifier, "series": "S1", "active": active}
            assert client.ask("/_control/events", method="POST", json=body).status_code == 200
        assert client.admin("/api/events/idle").json()["processing_state"] == "SUCCEEDED"
        assert client.ingest(lecture(files, "busy")).status_code == 409
        assert client.ingest(lecture(files, "idle")).status_code == 200

    def test_reset_forgets_what_happened_and_keeps_users_and_series(
        self, opencast: OpencastStandIn, client: Client, files: FileServer
    ) -> None:
        opencast.add_series("S1", title="Biology")
        opencast.set(version=20)
        client.ingest(lecture(files))
        assert client.ask("/_control/reset", method="POST").status_code == 200
        assert client.listing() == []
        assert client.ask("/_requests").json() == []
        assert client.ask("/series/S1.json").status_code == 200
        assert client.admin("/api/events/mp-1").status_code == 404
        assert opencast.store.switches == Switches()

    def test_an_unknown_path_is_404(self, client: Client) -> None:
        assert client.ask("/_nothing").status_code == 404


class TestAsAProcess:
    def command(self, tls: Authority, *more: str) -> list[str]:
        module = [sys.executable, "-m", "local.neighbours.opencast"]
        folder = ["--tls-dir", str(tls.certificate.parent), "--ca-bundle", str(tls.ca_bundle)]
        return module + folder + list(more)

    def test_it_says_where_it_listens_and_ends_on_sigterm(
        self, tls: Authority, files: FileServer
    ) -> None:
        env = os.environ | {"OPENCAST_API_USER": "me", "OPENCAST_API_PASSWORD": "mine"}
        with subprocess.Popen(
            self.command(tls, "--workflow", "mine", "--version", "20"),
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                name, url = process.stdout.readline().split()
                form: Parts = [(part, (None, value)) for part, value in lecture(files)]
                answer = requests.post(
                    f"{url}/ingest/addMediaPackage/mine",
                    files=form,
                    auth=HTTPDigestAuth("me", "mine"),
                    headers=DIGEST,
                    verify=str(tls.ca_bundle),
                    timeout=10,
                )
                assert (name, answer.status_code) == ("opencast", 200)
                template = parse(answer.content).find(f"{WORKFLOW}template")
                assert template is not None
                assert template.text == "mine"
            finally:
                process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0

    def test_a_taken_port_is_one_line(self, tls: Authority, opencast: OpencastStandIn) -> None:
        port = opencast.url.rpartition(":")[2]
        env = os.environ | {"OPENCAST_API_USER": "me", "OPENCAST_API_PASSWORD": "mine"}
        done = subprocess.run(
            self.command(tls, "--port", port),
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        assert (done.returncode, done.stderr, done.stdout.count("\n")) == (1, "", 1)
        assert port in done.stdout


def test_the_default_users_are_as_different_as_real_ones() -> None:
    kinds = {user.name: (ADMIN in user.roles, user.clear_text) for user in default_users("z", "p")}
    assert kinds == {
        "z": (True, True),
        "database": (True, False),
        "agent": (False, True),
        "blind": (False, True),
    }
