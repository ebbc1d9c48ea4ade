"""Tests of workflows, events and series of the Opencast stand-in after an ingest."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from local.authority import Authority
from local.neighbours.opencast import OpencastStandIn
from local.neighbours.opencast_store import DC_TERMS
from tests.local.clock import Clock
from tests.local.file_server import FileServer
from tests.local.opencast.client import PACKAGE, WORKFLOW, Client, lecture, parse


def test_opencast_stand_in_answers_an_ingest_with_its_workflow(
    client: Client, files: FileServer
) -> None:
    answer = client.ingest([*lecture(files), ("isPartOf", "S1")])
    assert answer.headers["Content-Type"].startswith("text/xml")
    root = parse(answer.content)
    assert root.tag == f"{WORKFLOW}workflow"
    assert root.get("state") == "INSTANTIATED"
    assert str(root.get("id")).isdigit()
    package = root.find(f"{PACKAGE}mediapackage")
    assert package is not None
    assert package.get("id") == "mp-1"
    track = package.find(f"{PACKAGE}media/{PACKAGE}track")
    assert track is not None
    assert track.get("type") == "multipart/chunked+source"


def test_opencast_stand_in_leaves_gaps_in_workflow_ids_and_varies_namespace_prefixes(
    client: Client, files: FileServer
) -> None:
    answers = [client.ingest(lecture(files, f"mp-{n}")).content for n in range(12)]
    ids = [int(parse(answer).get("id", "0")) for answer in answers]
    assert all(later - earlier > 1 for earlier, later in pairwise(ids))
    roots = {re.findall(rb"<([a-z0-9:]*workflow) ", answer)[0] for answer in answers}
    assert len(roots) > 1


@pytest.mark.parametrize("workflow", ["/unknown", "", "/"])
def test_opencast_stand_in_starts_the_default_workflow_when_no_known_workflow_is_requested(
    client: Client, files: FileServer, workflow: str
) -> None:
    assert client.ingest(lecture(files), workflow).status_code == 200
    ingest = client.listing()[0]
    assert ingest["workflow_asked"] == workflow.strip("/")
    assert ingest["workflow"] == "schedule-and-upload"


def test_opencast_stand_in_answers_an_ingest_with_409_only_while_a_workflow_is_active(
    client: Client, files: FileServer, clock: Clock
) -> None:
    assert client.ingest(lecture(files)).status_code == 200
    again = client.ingest(lecture(files))
    assert again.status_code == 409
    assert again.text
    assert client.admin("/workflow/mediaPackage/mp-1/hasActiveWorkflows").text == "true"
    assert files.order.count(("end", "/b/000-speaker.mp4")) == 2, "409 comes after downloads"
    clock.now += 5
    assert client.admin("/workflow/mediaPackage/mp-1/hasActiveWorkflows").text == "false"
    assert client.admin("/api/events/mp-1").json()["processing_state"] == "SUCCEEDED"
    assert client.ingest(lecture(files)).status_code == 200
    assert [ingest["status"] for ingest in client.listing()] == [200, 409, 200]


def test_opencast_event_is_invisible_and_its_ingest_is_counted_until_the_post_ends(
    client: Client, files: FileServer, tls: Authority
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


def test_opencast_event_has_title_series_and_source_of_its_ingest(
    client: Client, files: FileServer
) -> None:
    terms = [("isPartOf", "S1"), ("source", "ZIP-1"), ("created", "2026-11-24T10:00:00Z")]
    client.ingest(lecture(files) + terms)
    answer = client.admin("/api/events/mp-1")
    assert re.fullmatch(r"application/v1\.\d+\.0\+json", answer.headers["Content-Type"])
    event = answer.json()
    assert event["identifier"] == "mp-1"
    assert event["title"] == "Lecture"
    assert (event["is_part_of"], event["source"]) == ("S1", "ZIP-1")


def test_opencast_stand_in_answers_404_in_plain_text_when_the_event_is_unknown(
    client: Client,
) -> None:
    answer = client.admin("/api/events/nothing")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_opencast_series_has_an_array_for_each_term_that_is_set(
    opencast: OpencastStandIn, client: Client
) -> None:
    opencast.add_series("S1", title="Biology")
    assert client.ask("/series/S1.json").json() == {
        "http://purl.org/dc/terms/": {
            "identifier": [{"value": "S1"}],
            "title": [{"value": "Biology"}],
        }
    }


def test_opencast_stand_in_answers_an_empty_404_when_the_series_is_unknown(client: Client) -> None:
    answer = client.ask("/series/nothing.json")
    assert (answer.status_code, answer.content) == (404, b"")


def test_opencast_ingest_creates_its_series_unless_the_series_exists(
    opencast: OpencastStandIn, client: Client, files: FileServer
) -> None:
    opencast.add_series("old", title="As it was")
    for identifier in ("old", "new"):
        terms = {"identifier": [{"value": identifier}], "title": [{"value": "Überarbeitet"}]}
        catalog = json.dumps({DC_TERMS: terms})
        parts = [*lecture(files, f"mp-{identifier}"), ("seriesDCCatalog", catalog)]
        assert client.ingest(parts).status_code == 200
    titles = [
        client.ask(f"/series/{identifier}.json").json()[DC_TERMS]["title"]
        for identifier in ("old", "new")
    ]
    assert titles == [[{"value": "As it was"}], [{"value": "Überarbeitet"}]]


def test_opencast_stand_in_answers_404_when_the_path_is_unknown(client: Client) -> None:
    assert client.admin("/workflow/instances.json").status_code == 404
