"""Tests that the fake Opencast behaves as Opencast's documents and sources say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests

from tests.simulation.cloud import Cloud
from tests.simulation.faults import Fault, Kind
from tests.simulation.http import Response
from tests.simulation.named import SITE, file, scenario
from tests.simulation.opencast import Opencast, OpencastSession
from tests.simulation.scenarios import SERIES
from tests.simulation.truth import Site
from tests.simulation.world import World

BASE = "https://opencast.example.edu"
SIZE = 100_000_000


class Harness:
    """A fake Opencast with two staged files, and a session for it."""

    def __init__(self, *faults: Fault, **site: Any) -> None:
        chosen: Site = replace(
            SITE, **{"opencast_rate": 1e6, "workflow_seconds": 600.0, "index_lag": 0.0, **site}
        )
        made = scenario((file(0),), site=chosen, faults=faults)
        self.world = World(1, faults)
        self.cloud = Cloud(self.world, made)
        self.opencast = Opencast(self.world, made, self.cloud.bucket)
        self.session = OpencastSession(self.opencast, BASE)
        for key in ("a.mp4", "b.mp4"):
            self.cloud.bucket.store(key, f"content of {key}".encode(), SIZE)
        self.answers: list[Response | Exception] = []

    def form(self, media_package: str = "mp-1") -> list[tuple[str, tuple[None, str]]]:
        parts = [("identifier", media_package), ("isPartOf", SERIES[0]), ("source", "ZIP-u")]
        for key in ("a.mp4", "b.mp4"):
            url = self.cloud.bucket.generate_presigned_url(
                "get_object", {"Bucket": self.cloud.bucket.name, "Key": key}, 21600
            )
            parts += [("flavor", "multipart/source"), ("mediaUri", url)]
        return [(name, (None, value)) for name, value in parts]

    def post(self, read_seconds: float = 900.0, at: float = 0.0, **form: str) -> None:
        def start(work: Callable[[], None]) -> None:
            self.world.start("caller", work)

        def work() -> None:
            try:
                answer = self.session.post(
                    f"{BASE}/ingest/addMediaPackage/wf",
                    files=self.form(**form),
                    timeout=(5.0, read_seconds),
                    headers={},
                    auth=("u", "p"),
                )
                self.answers.append(answer)
            except requests.RequestException as error:
                self.answers.append(error)

        self.world.at(at, lambda: start(work))

    def event_status(self, media_package: str = "mp-1") -> int:
        return self.opencast.get(f"/api/events/{media_package}").status_code


def test_fake_opencast_fetches_each_file_of_an_ingest_and_answers_with_the_workflow() -> None:
    harness = Harness()
    harness.post()
    harness.world.run(1e5)
    (answer,) = harness.answers
    assert isinstance(answer, Response)
    root = ET.fromstring(answer.content)  # noqa: S314  # XML of the fake
    assert root.tag == "{http://workflow.opencastproject.org}workflow"
    (ingest,) = harness.opencast.ingests
    assert ingest.contents == ("content of a.mp4", "content of b.mp4")
    assert ingest.finished - ingest.began > 2 * SIZE / 1e6


def test_event_is_unknown_to_fake_opencast_while_the_post_fetches_files() -> None:
    harness = Harness()
    harness.post()
    harness.world.run(100.0)
    assert harness.event_status() == 404
    harness.world.run(1e5)
    assert harness.event_status() == 200


def test_fake_opencast_continues_an_ingest_when_the_timeout_of_the_caller_ends() -> None:
    harness = Harness()
    harness.post(read_seconds=60.0)
    harness.world.run(1e5)
    assert isinstance(harness.answers[0], requests.exceptions.ReadTimeout)
    assert len(harness.opencast.ingests) == 1


def test_fake_opencast_continues_an_ingest_when_a_proxy_answers_502() -> None:
    harness = Harness(Fault(Kind.PROXY, "opencast.POST", 1, detail="502"))
    harness.post()
    harness.world.run(1e5)
    (answer,) = harness.answers
    assert isinstance(answer, Response)
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (502, "text/html")
    assert len(harness.opencast.ingests) == 1


def test_fake_opencast_fetches_the_new_content_when_an_object_changes_before_its_fetch() -> None:
    harness = Harness()
    harness.post()
    harness.world.at(50.0, lambda: harness.cloud.bucket.store("b.mp4", b"another one", SIZE))
    harness.world.run(1e5)
    (ingest,) = harness.opencast.ingests
    assert ingest.files[1].promised == "content of b.mp4"
    assert ingest.files[1].content == "another one"


def test_fake_opencast_answers_an_ingest_with_an_empty_500_when_a_file_is_missing() -> None:
    harness = Harness()
    harness.post()
    harness.world.at(50.0, lambda: harness.cloud.bucket.remove("b.mp4"))
    harness.world.run(1e5)
    (answer,) = harness.answers
    assert isinstance(answer, Response)
    assert (answer.status_code, answer.content) == (500, b"")
    assert harness.opencast.ingests == []


@pytest.mark.parametrize(("later", "status"), [(300.0, 409), (5000.0, 200)])
def test_fake_opencast_answers_a_second_ingest_with_409_only_while_a_workflow_is_active(
    later: float, status: int
) -> None:
    harness = Harness()
    harness.post()
    harness.post(at=later)
    harness.world.run(1e5)
    answer = harness.answers[1]
    assert isinstance(answer, Response)
    assert answer.status_code == status
    assert len(harness.opencast.ingests) == (2 if status == 200 else 1)


def test_ingest_is_lost_when_fake_opencast_goes_down() -> None:
    harness = Harness(Fault(Kind.OUTAGE, "opencast", at=50.0, seconds=3600.0))
    harness.post()
    harness.post(at=100.0)
    harness.world.run(1e5)
    assert isinstance(harness.answers[0], requests.exceptions.ConnectionError)
    assert isinstance(harness.answers[1], requests.exceptions.ConnectionError)
    assert harness.opencast.ingests == []


def test_fake_opencast_refuses_an_ingest_when_its_identifier_is_invalid() -> None:
    harness = Harness()
    harness.post(media_package="a/b")
    harness.world.run(1e5)
    answer = harness.answers[0]
    assert isinstance(answer, Response)
    assert answer.status_code == 400


def test_fake_opencast_answers_404_when_a_person_has_deleted_the_event() -> None:
    harness = Harness()
    harness.post()
    harness.world.run(1e5)
    harness.opencast.delete("u")
    assert harness.event_status() == 404


def test_fake_opencast_returns_terms_of_a_series_as_arrays_and_404_for_an_unknown_series() -> None:
    harness = Harness()
    series = harness.opencast.get(f"/series/{SERIES[0]}.json").json()
    assert series["http://purl.org/dc/terms/"]["identifier"] == [{"value": SERIES[0]}]
    assert harness.opencast.get("/series/unknown.json").status_code == 404
