"""Signing in, and who may do what."""

import re

from requests.auth import HTTPDigestAuth

from local.neighbours.opencast import OpencastStandIn
from local.neighbours.opencast_store import API, User
from tests.local.clock import NOW, Clock
from tests.local.file_server import FileServer
from tests.local.opencast.client import DIGEST, Client, lecture


class TestSigningIn:
    def test_a_challenge(self, client: Client, clock: Clock) -> None:
        answer = client.ask("/api/events/x", headers=DIGEST)
        assert answer.status_code == 401
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('Digest realm="Opencast", qop="auth", nonce="')
        assert not re.search("algorithm|opaque|stale", challenge)
        assert clock.now == NOW

    def test_a_nonce_dies(self, client: Client, clock: Clock) -> None:
        auth = HTTPDigestAuth("zip", "secret")
        assert client.ask("/api/info/me/roles", auth, DIGEST).status_code == 200
        clock.now += 299
        kept = client.ask("/api/info/me/roles", auth, DIGEST)
        assert (kept.status_code, kept.history) == (200, [])
        clock.now += 2
        renewed = client.ask("/api/info/me/roles", auth, DIGEST)
        assert renewed.status_code == 200
        (stale,) = renewed.history
        assert stale.status_code == 401
        assert 'stale="true"' in stale.headers["WWW-Authenticate"]

    def test_a_forged_nonce_and_a_wrong_password_are_refused(self, client: Client) -> None:
        assert client.ask("/workflow/count", HTTPDigestAuth("zip", "x"), DIGEST).status_code == 401
        forged = (
            'Digest username="zip", realm="Opencast", nonce="OTk5OTk5OTk5OTk5OTk6YQ==", '
            'uri="/workflow/count", qop=auth, nc=00000001, cnonce="a", response="b"'
        )
        for header in (forged, "Digest", "Digest nonsense", "Basic !!", "Basic emlwOng="):
            answer = client.ask("/workflow/count", headers={"Authorization": header})
            assert answer.status_code == 401
            assert "stale" not in answer.headers["WWW-Authenticate"]

    def test_a_user_from_the_database_needs_basic(self, client: Client) -> None:
        digest = HTTPDigestAuth("database", "database")
        assert client.ask("/api/info/me/roles", digest, DIGEST).status_code == 401
        basic = client.ask("/api/info/me/roles", ("database", "database"))
        assert basic.status_code == 200
        assert "ROLE_ADMIN" in basic.json()

    def test_without_the_header_19_leads_to_a_login_page(
        self, opencast: OpencastStandIn, client: Client
    ) -> None:
        answer = client.ask("/api/events/x")
        assert answer.status_code == 302
        page = client.session.get(answer.headers["Location"], timeout=10)
        assert (page.status_code, "html" in page.headers["Content-Type"]) == (200, True)
        opencast.set(version=20)
        assert client.ask("/api/events/x").status_code == 403

    def test_series_do_not_challenge_but_check_what_they_get(
        self, opencast: OpencastStandIn, client: Client
    ) -> None:
        opencast.add_series("S1", title="Biology")
        assert client.ask("/series/S1.json", headers=DIGEST).status_code == 200
        wrong = {"Authorization": 'Digest username="zip", response="wrong"'}
        assert client.ask("/series/S1.json", headers=wrong).status_code == 401

    def test_a_capture_agent_ingests_but_sees_no_events(
        self, client: Client, files: FileServer
    ) -> None:
        assert client.ingest(lecture(files), user="agent").status_code == 200
        agent = HTTPDigestAuth("agent", "agent")
        for path in ("/api/events/mp-1", "/workflow/count", "/api/info/me/roles"):
            assert client.ask(path, agent, DIGEST).status_code == 403
        assert client.listing()[0]["user"] == "agent"

    def test_who_may_not_read_an_event_gets_404(self, client: Client, files: FileServer) -> None:
        assert client.ingest(lecture(files), user="blind").status_code == 200
        blind = HTTPDigestAuth("blind", "blind")
        assert client.ask("/api/events/mp-1", blind, DIGEST).status_code == 404
        assert "ROLE_ADMIN" not in client.ask("/api/info/me/roles", blind, DIGEST).json()
        assert client.admin("/api/events/mp-1").status_code == 200

    def test_who_may_not_ingest_gets_403(self, client: Client, files: FileServer) -> None:
        reader = User(name="r", password="r", roles=frozenset({API}), clear_text=True)
        control = {"name": "r", "password": "r", "roles": [API], "clear_text": True}
        added = client.ask("/_control/users", method="POST", json=control)
        assert (added.status_code, reader.roles) == (200, frozenset({API}))
        assert client.ingest(lecture(files), user="r").status_code == 403
        assert client.listing() == []
