"""Tests of authentication at the Opencast stand-in, and of the rights of users."""

import re

import pytest
from requests.auth import HTTPDigestAuth

from local.neighbours.opencast import OpencastStandIn
from local.neighbours.opencast_store import API, User
from tests.local.clock import Clock
from tests.local.file_server import FileServer
from tests.local.opencast.client import DIGEST, Client, lecture


def test_opencast_stand_in_sends_a_challenge_when_a_request_asks_for_digest(client: Client) -> None:
    answer = client.ask("/api/events/x", headers=DIGEST)
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Digest realm="Opencast", qop="auth", nonce="')
    assert not re.search("algorithm|opaque|stale", challenge)


def test_opencast_stand_in_refuses_a_nonce_as_stale_after_five_minutes(
    client: Client, clock: Clock
) -> None:
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


def test_opencast_stand_in_refuses_a_forged_nonce_and_a_wrong_password(client: Client) -> None:
    assert client.ask("/services/count", HTTPDigestAuth("zip", "x"), DIGEST).status_code == 401
    forged = (
        'Digest username="zip", realm="Opencast", nonce="OTk5OTk5OTk5OTk5OTk6YQ==", '
        'uri="/services/count", qop=auth, nc=00000001, cnonce="a", response="b"'
    )
    for header in (forged, "Digest", "Digest nonsense", "Basic !!", "Basic emlwOng="):
        answer = client.ask("/services/count", headers={"Authorization": header})
        assert answer.status_code == 401
        assert "stale" not in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("missing", ["realm", "response"])
def test_opencast_stand_in_answers_401_when_a_digest_lacks_a_field(
    client: Client, missing: str
) -> None:
    auth = HTTPDigestAuth("zip", "secret")
    sent = client.ask("/services/count", auth, DIGEST).request.headers["Authorization"]
    header = re.sub(rf'{missing}="[^"]*", ', "", str(sent))
    assert header != sent
    answer = client.ask("/services/count", headers={"Authorization": header})
    assert answer.status_code == 401


def test_opencast_user_of_the_database_can_sign_in_only_with_http_basic(client: Client) -> None:
    digest = HTTPDigestAuth("database", "database")
    assert client.ask("/api/info/me/roles", digest, DIGEST).status_code == 401
    basic = client.ask("/api/info/me/roles", ("database", "database"))
    assert basic.status_code == 200
    assert "ROLE_ADMIN" in basic.json()


def test_opencast_stand_in_redirects_an_anonymous_request_to_the_login_page(
    client: Client,
) -> None:
    answer = client.ask("/api/events/x")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{client.url}/login.html"


def test_opencast_stand_in_refuses_wrong_credentials_even_for_a_public_series(
    opencast: OpencastStandIn, client: Client
) -> None:
    opencast.add_series("S1", title="Biology")
    assert client.ask("/series/S1.json", headers=DIGEST).status_code == 200
    wrong = {"Authorization": 'Digest username="zip", response="wrong"'}
    assert client.ask("/series/S1.json", headers=wrong).status_code == 401


def test_opencast_capture_agent_may_ingest_but_may_read_no_event(
    client: Client, files: FileServer
) -> None:
    assert client.ingest(lecture(files), user="agent").status_code == 200
    agent = HTTPDigestAuth("agent", "agent")
    for path in ("/api/events/mp-1", "/services/count", "/api/info/me/roles"):
        assert client.ask(path, agent, DIGEST).status_code == 403
    assert client.listing()[0]["user"] == "agent"


def test_opencast_stand_in_answers_404_when_the_user_may_not_read_the_event(
    client: Client, files: FileServer
) -> None:
    assert client.ingest(lecture(files), user="blind").status_code == 200
    blind = HTTPDigestAuth("blind", "blind")
    assert client.ask("/api/events/mp-1", blind, DIGEST).status_code == 404
    assert "ROLE_ADMIN" not in client.ask("/api/info/me/roles", blind, DIGEST).json()
    assert client.admin("/api/events/mp-1").status_code == 200


def test_opencast_stand_in_refuses_an_ingest_with_403_when_the_user_lacks_the_role(
    opencast: OpencastStandIn, client: Client, files: FileServer
) -> None:
    reader = User(name="r", password="r", roles=frozenset({API}), clear_text=True)
    opencast.store.users["r"] = reader
    assert client.ingest(lecture(files), user="r").status_code == 403
    assert client.listing() == []
