"""Attacks with hostile answers to an ingest, from Opencast or from a proxy in front of Opencast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cdk.names import UPLOADER
from local.authority import ensure_authority
from local.neighbours.https_server import Answer, Request, json_answer
from tests.attacks.evidence import log_lines, now_in_ms
from tests.attacks.recordings import (
    ENDED,
    MAX_CONCURRENCY,
    Hostile,
    Sent,
    file,
    forget_messages,
    send,
)
from tests.attacks.target import Target
from tests.e2e.deployed import limited, limited_concurrency
from tests.neighbours import served
from tests.unit.zoom.pages import ranged

pytestmark = pytest.mark.usefixtures("no_error_mail")

DEEP = 100_000
FUNCTION_SECONDS = 300


def bomb(levels: int = 9) -> bytes:
    """Return XML whose entities expand to 10 to the power of `levels` words."""
    entities = ['<!ENTITY a0 "workflow">']
    entities += [f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, levels + 1)]
    return f'<?xml version="1.0"?><!DOCTYPE w [{"".join(entities)}]><w>&a{levels};</w>'.encode()


XML: Mapping[str, bytes] = {
    "entities that multiply": bomb(),
    "an entity of a file": (
        b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
        b"<workflow>&f;</workflow>"
    ),
    "100,000 elements in each other": b"<a>" * DEEP + b"</a>" * DEEP,
    "no XML": b"<html>",
}
"""Hostile answers of Opencast to an ingest, by the names of the answers."""

HONEST = "a workflow"
WORKFLOW = b'<ns3:workflow xmlns:ns3="http://workflow.opencastproject.org" id="1601"/>'
LATER = "asks again at"


@dataclass
class Opencast:
    """A stand-in for Opencast that has no Opencast events and also serves a video.

    `xml` are the answers to ingests, by the uuid of the recording.
    """

    movie: bytes
    xml: dict[str, bytes] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        if request.path == "/video.mp4":
            return ranged(self.movie)(request)
        if request.method == "POST":
            found = [xml for uuid, xml in self.xml.items() if uuid.encode() in request.body]
            return Answer(200, (("Content-Type", "text/xml"),), found[0])
        if request.path.startswith("/series/"):
            return json_answer(200, {})
        if request.path == "/api/info/me/roles":
            return json_answer(200, ["ROLE_ADMIN"])
        return json_answer(404, {})


@pytest.fixture(scope="module")
def rows(home: Path, target: Target, movie: bytes) -> Iterator[dict[str, Mapping[str, object]]]:
    """Yield the status rows by the names of the answers, after each ingest was answered."""
    opencast = Opencast(movie=movie)
    with served(opencast.answer, ensure_authority(home / "tls")) as port:
        url = f"https://127.0.0.1:{port}"
        function = target.stack.function(UPLOADER)
        with (
            limited(target.driver, function, FUNCTION_SECONDS, OPENCAST_BASE_URL=url),
            limited_concurrency(target.driver, target.stack.downloader, MAX_CONCURRENCY),
        ):
            sent: dict[str, Sent] = {}
            for number, (name, xml) in enumerate([*XML.items(), (HONEST, WORKFLOW)]):
                uuid = f"attack-{number}-{now_in_ms()}"
                opencast.xml[uuid] = xml
                files = [file(f"{url}/video.mp4", len(movie))]
                sent[name] = send(target, Hostile(name, files, about={"uuid": uuid}))
            found = {name: await_answer(target, each) for name, each in sent.items()}
            forget_messages(target)
            yield found


def await_answer(target: Target, sent: Sent) -> Mapping[str, object]:
    """Wait until a row's state is in `ENDED` or its reason has `LATER`, and return the row."""

    def look() -> Mapping[str, object] | None:
        row = target.row_of(sent.uuid)
        is_read = row.get("pipeline_state") in ENDED or LATER in str(row.get("reason"))
        return row if is_read else None

    return target.stack.wait(look, f"The end of {sent}")


@pytest.mark.parametrize("name", XML)
def test_outcome_of_an_ingest_is_unknown_when_opencast_answers_with_hostile_xml(
    name: str, rows: dict[str, Mapping[str, object]]
) -> None:
    row = rows[name]
    assert row["pipeline_state"] == "UPLOADER_RECEIVED"
    assert str(row["reason"]).startswith("Opencast's answer to the ingest ")


def test_recording_is_ingested_when_opencast_answers_with_a_workflow(
    rows: dict[str, Mapping[str, object]],
) -> None:
    assert rows[HONEST]["pipeline_state"] == "SENT_TO_OPENCAST"


@pytest.fixture(scope="module", autouse=True)
def _no_file_is_read(target: Target) -> Iterator[None]:
    """Assert after the attacks that no log contains the file that an XML entity names."""
    since = now_in_ms()
    yield
    assert "root:" not in "\n".join(log_lines(target.driver, since))
