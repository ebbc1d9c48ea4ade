"""The fake Opencast against the documents' account of Opencast."""

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


class Desk:
    """An Opencast with two staged files, and a session to it."""

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

        self.world.at(at, lambda: self._start(work))

    def _start(self, work: Callable[[], None]) -> None:
        self.world.start("caller", work)

    def event_status(self, media_package: str = "mp-1") -> int:
        return self.opencast.get(f"/api/events/{media_package}").status_code


def test_an_ingest_fetches_each_file_and_answers_with_the_workflow() -> None:
    desk = Desk()
    desk.post()
    desk.world.run(1e5)
    (answer,) = desk.answers
    assert isinstance(answer, Response)
    root = ET.fromstring(answer.content)  # noqa: S314  # the fake's own
    assert root.tag == "{http://workflow.opencastproject.org}workflow"
    (ingest,) = desk.opencast.ingests
    assert ingest.contents == ("content of a.mp4", "content of b.mp4")
    assert ingest.finished - ingest.began > 2 * SIZE / 1e6


def test_an_event_is_unknown_while_its_post_fetches() -> None:
    desk = Desk()
    desk.post()
    desk.world.run(100.0)
    assert desk.event_status() == 404
    desk.world.run(1e5)
    assert desk.event_status() == 200


def test_opencast_goes_on_when_the_caller_waits_no_longer() -> None:
    desk = Desk()
    desk.post(read_seconds=60.0)
    desk.world.run(1e5)
    assert isinstance(desk.answers[0], requests.exceptions.ReadTimeout)
    assert len(desk.opencast.ingests) == 1


def test_opencast_goes_on_when_a_proxy_gives_up() -> None:
    desk = Desk(Fault(Kind.PROXY, "opencast.POST", 1, detail="502"))
    desk.post()
    desk.world.run(1e5)
    (answer,) = desk.answers
    assert isinstance(answer, Response)
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (502, "text/html")
    assert len(desk.opencast.ingests) == 1


def test_a_file_is_what_its_key_holds_when_it_is_fetched() -> None:
    desk = Desk()
    desk.post()
    desk.world.at(50.0, lambda: desk.cloud.bucket.store("b.mp4", b"another one", SIZE))
    desk.world.run(1e5)
    (ingest,) = desk.opencast.ingests
    assert ingest.files[1].promised == "content of b.mp4"
    assert ingest.files[1].content == "another one"


def test_a_file_that_is_gone_is_an_empty_500() -> None:
    desk = Desk()
    desk.post()
    desk.world.at(50.0, lambda: desk.cloud.bucket.remove("b.mp4"))
    desk.world.run(1e5)
    (answer,) = desk.answers
    assert isinstance(answer, Response)
    assert (answer.status_code, answer.content) == (500, b"")
    assert desk.opencast.ingests == []


@pytest.mark.parametrize(("later", "status"), [(300.0, 409), (5000.0, 200)])
def test_an_id_with_an_active_workflow_is_a_409_and_an_idle_one_is_ingested_again(
    later: float, status: int
) -> None:
    desk = Desk()
    desk.post()
    desk.post(at=later)
    desk.world.run(1e5)
    answer = desk.answers[1]
    assert isinstance(answer, Response)
    assert answer.status_code == status
    assert len(desk.opencast.ingests) == (2 if status == 200 else 1)


def test_an_opencast_that_goes_down_forgets_its_post() -> None:
    desk = Desk(Fault(Kind.OUTAGE, "opencast", at=50.0, seconds=3600.0))
    desk.post()
    desk.post(at=100.0)
    desk.world.run(1e5)
    assert isinstance(desk.answers[0], requests.exceptions.ConnectionError)
    assert isinstance(desk.answers[1], requests.exceptions.ConnectionError)
    assert desk.opencast.ingests == []


def test_a_wrong_identifier_is_refused() -> None:
    desk = Desk()
    desk.post(media_package="a/b")
    desk.world.run(1e5)
    answer = desk.answers[0]
    assert isinstance(answer, Response)
    assert answer.status_code == 400


def test_an_event_that_people_delete_is_unknown() -> None:
    desk = Desk()
    desk.post()
    desk.world.run(1e5)
    desk.opencast.delete("u")
    assert desk.event_status() == 404


def test_a_series_is_told_with_arrays_of_values() -> None:
    desk = Desk()
    told = desk.opencast.get(f"/series/{SERIES[0]}.json").json()
    assert told["http://purl.org/dc/terms/"]["identifier"] == [{"value": SERIES[0]}]
    assert desk.opencast.get("/series/unknown.json").status_code == 404
