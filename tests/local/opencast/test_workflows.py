"""Workflows, events and series after an ingest."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from local.authority import Authority
from local.neighbours.opencast import OpencastStandIn
from tests.local.clock import NOW, Clock
from tests.local.file_server import FileServer
from tests.local.opencast.client import PACKAGE, WORKFLOW, Client, lecture, parse


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
            clock.now = NOW + age
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
