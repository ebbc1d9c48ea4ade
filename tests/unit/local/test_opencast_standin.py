"""The Opencast stand-in over real HTTPS: each rule of how a real Opencast answers."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests
from requests.auth import HTTPDigestAuth

from local.authority import Authority, ensure_authority
from local.neighbours.opencast import OpencastStandIn, default_users
from local.neighbours.opencast_store import ADMIN, API, Fault, Switches, User
from tests.unit.local.file_server import FileServer, serve_files

ROOT = Path(__file__).parents[3]
DIGEST = {"X-Requested-Auth": "Digest"}
WORKFLOW = "{http://workflow.opencastproject.org}"
PACKAGE = "{http://mediapackage.opencastproject.org}"
Parts = list[tuple[str, Any]]
NIGHT = 1_795_000_000.0


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = NIGHT

    def __call__(self) -> float:
        return self.now


class Client:
    """Someone who talks to the stand-in, trusting its authority."""

    def __init__(self, url: str, ca_bundle: Path) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(ca_bundle)

    def ask(
        self,
        path: str,
        auth: Any = None,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        **more: Any,
    ) -> requests.Response:
        return self.session.request(
            method,
            self.url + path,
            auth=auth,
            headers=headers or {},
            allow_redirects=False,
            timeout=10,
            **more,
        )

    def admin(self, path: str, **more: Any) -> requests.Response:
        return self.ask(path, HTTPDigestAuth("zip", "secret"), DIGEST, **more)

    def ingest(
        self, parts: list[tuple[str, str]], workflow: str = "/publish", user: str = "zip"
    ) -> requests.Response:
        """POST these fields as an ingest, in this order."""
        form: Parts = [(name, (None, value)) for name, value in parts]
        return self.post(form, workflow, user)

    def post(self, form: Parts, workflow: str = "/publish", user: str = "zip") -> requests.Response:
        return self.ask(
            f"/ingest/addMediaPackage{workflow}",
            HTTPDigestAuth(user, "secret" if user == "zip" else user),
            DIGEST,
            "POST",
            files=form,
        )

    def listing(self) -> list[dict[str, Any]]:
        return list(self.ask("/_ingests").json())


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def _files(tls: Authority) -> Iterator[FileServer]:
    with serve_files(tls) as server:
        yield server


@pytest.fixture
def files(_files: FileServer) -> FileServer:
    _files.files = {"/b/000-speaker.mp4": b"speaker" * 9000, "/b/001 screen.mp4": b"screen"}
    _files.files |= {"/b/chat.txt": b"hello", "/b/bare": b"named in the header"}
    _files.headers = {"/b/000-speaker.mp4": {"Content-Type": "video/mp4"}}
    _files.gates, _files.asked, _files.order = {}, threading.Event(), []
    return _files


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opencast(tls: Authority, clock: Clock) -> Iterator[OpencastStandIn]:
    with OpencastStandIn(
        certificate=tls.certificate,
        key=tls.key,
        ca_bundle=tls.ca_bundle,
        users=default_users("zip", "secret"),
        workflows=["publish"],
        clock=clock,
        seed=1,
    ) as running:
        yield running


@pytest.fixture
def client(opencast: OpencastStandIn, tls: Authority) -> Iterator[Client]:
    made = Client(opencast.url, tls.ca_bundle)
    with made.session:
        yield made


def parse(answer: bytes) -> ET.Element:
    """The root of an answer."""
    return ET.fromstring(answer)  # noqa: S314 - the stand-in's own answer


def lecture(files: FileServer, identifier: str = "mp-1") -> list[tuple[str, str]]:
    """The least that makes an ingest."""
    return [
        ("identifier", identifier),
        ("title", "Lecture"),
        ("flavor", "multipart/chunked+source"),
        ("mediaUri", f"{files.url}/b/000-speaker.mp4?X-Amz-Signature=topsecret"),
    ]


class TestTheForm:
    def test_what_was_ingested_is_listed_as_it_was_sent(
        self, client: Client, files: FileServer
    ) -> None:
        parts = [
            ("identifier", "mp-1"),
            ("title", "Ünïcode & <more>"),
            ("isPartOf", "20260112345"),
            ("zoomMeetingStart", "2026-11-24T10:00:00Z"),
            ("flavor", "multipart/chunked+source"),
            ("mediaUri", f"{files.url}/b/000-speaker.mp4?X-Amz-Signature=topsecret"),
            ("flavor", "presentation/chunked+source"),
            ("mediaUri", f"{files.url}/b/001%20screen.mp4?X-Amz-Signature=topsecret"),
            ("flavor", "chat/chunked+source"),
            ("attachmentUri", f"{files.url}/b/chat.txt?X-Amz-Signature=topsecret"),
        ]
        assert client.ingest(parts).status_code == 200
        (ingest,) = client.listing()
        assert ingest["mediapackage_id"] == "mp-1"
        assert ingest["series"] == "20260112345"
        assert (ingest["workflow_asked"], ingest["workflow"]) == ("publish", "publish")
        assert (ingest["state"], ingest["status"], ingest["answered"]) == ("done", 200, True)
        assert ingest["parts"] == [[name, value.partition("?X")[0]] for name, value in parts]
        assert "topsecret" not in client.ask("/_ingests").text
        speaker, screen, chat = ingest["files"]
        content = files.files["/b/000-speaker.mp4"]
        assert speaker == {
            "part": "mediaUri",
            "kind": "track",
            "flavor": "multipart/chunked+source",
            "tags": [],
            "name": "000-speaker.mp4",
            "path": "/b/000-speaker.mp4",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "content_type": "video/mp4",
        }
        assert (screen["flavor"], screen["name"]) == (
            "presentation/chunked+source",
            "001 screen.mp4",
        )
        assert (chat["part"], chat["kind"], chat["flavor"], chat["size"]) == (
            "attachmentUri",
            "attachment",
            "chat/chunked+source",
            5,
        )

    def test_files_are_fetched_one_after_the_other(self, client: Client, files: FileServer) -> None:
        more = [("mediaUri", f"{files.url}/b/chat.txt")]
        assert client.ingest(lecture(files) + more).status_code == 200
        paths = ["/b/000-speaker.mp4", "/b/chat.txt"]
        assert files.order == [(step, path) for path in paths for step in ("begin", "end")]

    def test_tags_go_to_the_next_media_only(self, client: Client, files: FileServer) -> None:
        parts = [("tag", "lang:en-US"), ("tag", "generator-type:auto"), *lecture(files)]
        parts += [("mediaUri", f"{files.url}/b/chat.txt")]
        assert client.ingest(parts).status_code == 200
        first, second = client.listing()[0]["files"]
        assert first["tags"] == ["lang:en-US", "generator-type:auto"]
        assert (second["tags"], second["flavor"]) == ([], first["flavor"])

    def test_a_part_with_a_file_name_is_media_whatever_its_name(self, client: Client) -> None:
        form: Parts = [
            ("flavor", (None, "a/b")),
            ("title", ("talk.mp4", b"12345", "video/mp4")),
            ("title", (None, "The title")),
        ]
        assert client.post(form).status_code == 200
        (stored,) = client.listing()[0]["files"]
        assert (stored["part"], stored["name"], stored["size"]) == ("title", "talk.mp4", 5)

    def test_a_repeated_term_has_several_values(self, client: Client, files: FileServer) -> None:
        people = [("creator", "Ada"), ("creator", ""), ("creator", "Grace")]
        client.ingest(lecture(files) + people)
        assert client.admin("/api/events/mp-1").json()["presenter"] == ["Ada", "Grace"]

    def test_what_is_unknown_is_a_workflow_property_and_the_last_one_wins(
        self, client: Client, files: FileServer
    ) -> None:
        answer = client.ingest([*lecture(files), ("straight", "no"), ("straight", "yes")])
        found = parse(answer.content).iter(f"{WORKFLOW}configuration")
        assert {each.get("key"): each.text for each in found} == {"straight": "yes"}

    def test_upstream_takes_attachment_uri_for_a_property(
        self, opencast: OpencastStandIn, client: Client, files: FileServer
    ) -> None:
        opencast.set(dce=False)
        chat = [("attachmentUri", f"{files.url}/b/chat.txt?X=topsecret")]
        assert client.ingest(lecture(files) + chat).status_code == 200
        assert [stored["part"] for stored in client.listing()[0]["files"]] == ["mediaUri"]
        assert ("begin", "/b/chat.txt") not in files.order

    def test_a_chunked_request_is_read_like_any_other(
        self, client: Client, files: FileServer
    ) -> None:
        form: Parts = [(name, (None, value)) for name, value in lecture(files)]
        ready = requests.Request("POST", client.url, files=form).prepare()
        assert isinstance(ready.body, bytes)
        answer = client.ask(
            "/ingest/addMediaPackage/publish",
            ("database", "database"),
            {"Content-Type": ready.headers["Content-Type"]},
            "POST",
            data=iter([ready.body[:100], ready.body[100:]]),
        )
        assert answer.status_code == 200
        assert len(client.listing()[0]["files"]) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        "spoil",
        [
            [("flavor", "noslash")],
            [("identifier", "no blanks allowed")],
            [("seriesDCCatalog", "<not xml")],
            [("seriesDCCatalog", '{"not": "a catalog"}')],
            [("mediaUri", "https://127.0.0.1/a b.mp4")],
            [("mediaUri", "https://127.0.0.1/%zz.mp4")],
            [("mediaUri", "https://[nonsense/x.mp4")],
        ],
        ids=lambda spoil: "=".join(spoil[0]),
    )
    def test_400(self, client: Client, files: FileServer, spoil: list[tuple[str, str]]) -> None:
        answer = client.ingest(lecture(files) + spoil)
        assert answer.status_code == 400
        assert answer.text
        (ingest,) = client.listing()
        assert (ingest["state"], ingest["status"]) == ("failed", 400)
        assert client.admin("/api/events/mp-1").status_code == 404

    def test_400_without_flavor_media_or_metadata(self, client: Client, files: FileServer) -> None:
        identifier, title, flavor, media = lecture(files)
        for parts in ([title, media], [identifier, title, flavor], [flavor, media]):
            assert client.ingest(parts).status_code == 400
        late_flavor: Parts = [("title", (None, "T")), ("BODY", ("a.mp4", b"x"))]
        assert client.post(late_flavor).status_code == 400

    @pytest.mark.parametrize(
        "uri",
        [
            "{files}/b/missing.mp4",
            "https://127.0.0.1:1/closed.mp4",
            "s3://bucket/file.mp4",
            "file:///etc/hostname.txt",
            "{files}/b/bare",
        ],
    )
    def test_500_and_empty_when_a_file_cannot_be_had(
        self, client: Client, files: FileServer, uri: str
    ) -> None:
        spoiled = [*lecture(files), ("mediaUri", uri.format(files=files.url))]
        answer = client.ingest(spoiled)
        assert (answer.status_code, answer.content) == (500, b"")
        assert client.listing()[0]["state"] == "failed"
        assert client.admin("/api/events/mp-1").status_code == 404

    def test_a_path_without_extension_needs_a_content_disposition(
        self, client: Client, files: FileServer
    ) -> None:
        files.headers["/b/bare"] = {"Content-Disposition": 'attachment; filename="named.mp4"'}
        parts = [*lecture(files), ("mediaUri", f"{files.url}/b/bare")]
        assert client.ingest(parts).status_code == 200
        assert client.listing()[0]["files"][1]["name"] == "named.mp4"

    def test_a_server_of_another_authority_is_not_trusted(
        self, client: Client, tmp_path: Path
    ) -> None:
        with serve_files(ensure_authority(tmp_path)) as other:
            other.files = {"/b/000-speaker.mp4": b"x"}
            assert client.ingest(lecture(other)).status_code == 500
        assert "SSLError" in client.listing()[0]["reason"]

    def test_415_when_it_is_not_a_form(self, client: Client) -> None:
        answer = client.admin("/ingest/addMediaPackage/publish", method="POST", data={"a": "b"})
        assert answer.status_code == 415

    def test_500_when_the_form_breaks_off(self, client: Client) -> None:
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        broken = b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nHalf'
        answer = client.ask(
            "/ingest/addMediaPackage", ("database", "database"), kind, "POST", data=broken
        )
        assert (answer.status_code, answer.content) == (500, b"")


class TestWorkflows:
    def test_the_answer_is_the_workflow(self, client: Client, files: FileServer) -> None:
        answer = client.ingest([*lecture(files), ("isPartOf", "S1")])
        assert answer.headers["Content-Type"].startswith("text/xml")
        root = parse(answer.content)
        assert root.tag == f"{WORKFLOW}workflow"
        assert root.get("state") == "INSTANTIATED"
        assert str(client.listing()[0]["workflow_id"]) == root.get("id")
        package = root.find(f"{PACKAGE}mediapackage")
        assert package is not None
        assert package.get("id") == "mp-1"
        track = package.find(f"{PACKAGE}media/{PACKAGE}track")
        assert track is not None
        assert track.get("type") == "multipart/chunked+source"

    def test_ids_grow_with_gaps_and_prefixes_vary(self, client: Client, files: FileServer) -> None:
        answers = [client.ingest(lecture(files, f"mp-{n}")).content for n in range(12)]
        ids = [int(parse(answer).get("id", "0")) for answer in answers]
        assert all(later - earlier > 1 for earlier, later in pairwise(ids))
        roots = {re.findall(rb"<([a-z0-9:]*workflow) ", answer)[0] for answer in answers}
        assert len(roots) > 1

    @pytest.mark.parametrize("workflow", ["/unknown", "", "/"])
    def test_an_unknown_workflow_is_the_default_one(
        self, client: Client, files: FileServer, workflow: str
    ) -> None:
        assert client.ingest(lecture(files), workflow).status_code == 200
        ingest = client.listing()[0]
        assert ingest["workflow_asked"] == workflow.strip("/")
        assert ingest["workflow"] == "schedule-and-upload"

    def test_life_of_a_workflow(self, client: Client, files: FileServer, clock: Clock) -> None:
        client.ingest(lecture(files))
        number = client.listing()[0]["workflow_id"]
        seen = []
        for age in (0.1, 0.5, 5.0):
            clock.now = NIGHT + age
            document = client.admin(f"/workflow/instance/{number}.json").json()["workflow"]
            event = client.admin("/api/events/mp-1").json()
            active = client.admin("/workflow/mediaPackage/mp-1/hasActiveWorkflows").text
            assert document["id"] == number
            assert document["mediapackage"]["media"]["track"]["type"] == "multipart/chunked+source"
            assert event["processing_state"] == document["state"]
            seen.append((document["state"], event["status"].rpartition(".")[2], active))
        assert seen == [
            ("INSTANTIATED", "PENDING", "true"),
            ("RUNNING", "PROCESSING", "true"),
            ("SUCCEEDED", "PROCESSED", "false"),
        ]

    def test_a_failed_event_still_exists(
        self, opencast: OpencastStandIn, client: Client, files: FileServer, clock: Clock
    ) -> None:
        opencast.set(outcome="FAILED")
        client.ingest(lecture(files))
        clock.now += 5
        event = client.admin("/api/events/mp-1").json()
        assert event["processing_state"] == "FAILED"
        assert event["status"] == "EVENTS.EVENTS.STATUS.PROCESSING_FAILURE"

    def test_409_while_a_workflow_is_active_and_only_then(
        self, client: Client, files: FileServer, clock: Clock
    ) -> None:
        assert client.ingest(lecture(files)).status_code == 200
        again = client.ingest(lecture(files))
        assert again.status_code == 409
        assert again.text
        assert files.order.count(("end", "/b/000-speaker.mp4")) == 2, "409 comes after downloads"
        clock.now += 5
        assert client.ingest(lecture(files)).status_code == 200
        assert [ingest["status"] for ingest in client.listing()] == [200, 409, 200]

    def test_counts(self, client: Client, files: FileServer, clock: Clock) -> None:
        client.ingest(lecture(files, "mp-1"))
        clock.now += 5
        client.ingest(lecture(files, "mp-2"))
        clock.now += 0.5
        assert client.admin("/workflow/count?state=RUNNING").text == "1"
        assert client.admin("/workflow/count").text == "2"

    def test_nothing_is_to_be_seen_before_the_post_ends(
        self, client: Client, files: FileServer, tls: Authority
    ) -> None:
        gate = files.gates["/b/000-speaker.mp4"] = threading.Event()
        running = "/services/count?serviceType=org.opencastproject.ingest&status=RUNNING"
        poster = Client(client.url, tls.ca_bundle)
        with poster.session, ThreadPoolExecutor(1) as pool:
            post = pool.submit(poster.ingest, lecture(files))
            try:
                assert files.asked.wait(5)
                assert client.admin("/api/events/mp-1").status_code == 404
                assert client.admin(running).text == "1"
                assert client.listing()[0]["state"] == "running"
            finally:
                gate.set()
            assert post.result(5).status_code == 200
        assert client.admin("/api/events/mp-1").status_code == 200
        assert client.admin(running).text == "0"


class TestEventsAndSeries:
    def test_an_event(self, client: Client, files: FileServer) -> None:
        terms = [("isPartOf", "S1"), ("source", "ZIP-1"), ("created", "2026-11-24T10:00:00Z")]
        client.ingest(lecture(files) + terms)
        answer = client.admin("/api/events/mp-1")
        assert re.fullmatch(r"application/v1\.\d+\.0\+json", answer.headers["Content-Type"])
        event = answer.json()
        assert event["identifier"] == "mp-1"
        assert event["title"] == "Lecture"
        assert (event["is_part_of"], event["source"]) == ("S1", "ZIP-1")
        assert (event["license"], event["duration"], event["subjects"]) == ("", None, [])

    def test_unknown_event_is_404_in_plain_text(self, client: Client) -> None:
        answer = client.admin("/api/events/nothing")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("text/plain")

    def test_series_hold_arrays_and_only_what_is_set(
        self, opencast: OpencastStandIn, client: Client
    ) -> None:
        opencast.add_series("S1", title="Biology")
        assert client.ask("/series/S1.json").json() == {
            "http://purl.org/dc/terms/": {
                "identifier": [{"value": "S1"}],
                "title": [{"value": "Biology"}],
            }
        }

    def test_unknown_series_is_404_and_empty(self, client: Client) -> None:
        answer = client.ask("/series/nothing.json")
        assert (answer.status_code, answer.content) == (404, b"")

    @pytest.mark.parametrize("form", ["json", "xml"])
    def test_an_unknown_series_is_created_and_a_known_one_left_alone(
        self, opencast: OpencastStandIn, client: Client, files: FileServer, form: str
    ) -> None:
        opencast.add_series("old", title="As it was")
        for identifier in ("old", "new"):
            terms = {"identifier": [{"value": identifier}], "title": [{"value": "Überarbeitet"}]}
            catalog = json.dumps({"http://purl.org/dc/terms/": terms})
            if form == "xml":
                catalog = (
                    '<dublincore xmlns="http://www.opencastproject.org/xsd/1.0/dublincore/" '
                    'xmlns:dc="http://purl.org/dc/terms/"><dc:title>Überarbeitet</dc:title>'
                    f"<dc:identifier>{identifier}</dc:identifier></dublincore>"
                )
            parts = [*lecture(files, f"mp-{identifier}"), ("seriesDCCatalog", catalog)]
            assert client.ingest(parts).status_code == 200
        titles = [
            client.ask(f"/series/{each}.json").json()["http://purl.org/dc/terms/"]["title"]
            for each in ("old", "new")
        ]
        assert titles == [[{"value": "As it was"}], [{"value": "Überarbeitet"}]]

    def test_health_is_open_and_what_is_gone_is_404(self, client: Client) -> None:
        assert client.ask("/info/health").json()["status"] == "pass"
        for gone in ("/workflow/instances.json", "/workflow/statistics.json", "/workflow/running"):
            assert client.admin(gone).status_code == 404


class TestSigningIn:
    def test_a_challenge(self, client: Client, clock: Clock) -> None:
        answer = client.ask("/api/events/x", headers=DIGEST)
        assert answer.status_code == 401
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('Digest realm="Opencast", qop="auth", nonce="')
        assert not re.search("algorithm|opaque|stale", challenge)
        assert clock.now == NIGHT

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
        "path,body",
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
