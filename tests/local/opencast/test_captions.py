"""Tests of captions, chapters and summaries in the Opencast stand-in."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from local.neighbours.opencast import OpencastStandIn
from tests.local.clock import Clock
from tests.local.file_server import FileServer
from tests.local.opencast.client import DIGEST, Client, lecture

FLAVOR = "captions/source"
TEXT = "WEBVTT\n\n00:01.000 --> 00:02.000\nAda: Hello\n"


def add(client: Client, event: str = "mp-1", **changes: Any) -> requests.Response:
    """POST captions to an event, and return the answer.

    `changes` replace parts of the form, and None removes a part.
    """
    parts: dict[str, Any] = {
        "flavor": (None, FLAVOR),
        "tags": (None, "lang:en-US,type:subtitle"),
        "track": ("c.vtt", TEXT, "text/vtt"),
        **changes,
    }
    form = [(name, part) for name, part in parts.items() if part is not None]
    return client.admin(f"/api/events/{event}/track", method="POST", files=form)


def start(client: Client, workflow: str = "publish", event: str = "mp-1") -> int:
    form = {"event_identifier": event, "workflow_definition_identifier": workflow}
    files = [(name, (None, value)) for name, value in form.items()]
    return client.admin("/api/workflows", method="POST", files=files).status_code


@pytest.fixture
def event(client: Client, files: FileServer, clock: Clock) -> str:
    """Make an event whose workflow has ended, and return the event's id."""
    assert client.ingest(lecture(files)).status_code == 200
    clock.now += 60
    return "mp-1"


def test_opencast_stand_in_gives_tags_only_to_the_next_media_of_the_form(
    client: Client, files: FileServer, opencast: OpencastStandIn
) -> None:
    files.files["/b/c.vtt"] = TEXT.encode()
    captions = [
        ("flavor", FLAVOR),
        ("tag", "lang:en"),
        ("tag", "type:subtitle"),
        ("mediaUri", f"{files.url}/b/c.vtt"),
        ("mediaUri", f"{files.url}/b/c.vtt"),
    ]
    assert client.ingest([*lecture(files), *captions]).status_code == 200
    (ingest,) = opencast.ingests
    assert [file.tags for file in ingest.files] == [(), ("lang:en", "type:subtitle"), ()]
    assert ingest.files[1].text == TEXT


def test_opencast_stand_in_adds_a_track_beside_other_tracks(
    client: Client, event: str, opencast: OpencastStandIn
) -> None:
    assert add(client).status_code == 200
    assert add(client).status_code == 200
    assert [added.file.tags for added in opencast.added] == [("lang:en-US", "type:subtitle")] * 2
    assert len(opencast.store.events[event].files) == 3


def test_opencast_stand_in_replaces_only_tracks_of_the_same_language_when_overwriting_is_requested(
    client: Client, event: str, opencast: OpencastStandIn
) -> None:
    add(client, tags=(None, "lang:de"))
    add(client)
    assert add(client, overwriteExisting=(None, "true")).status_code == 200
    captions = [file.tags[0] for file in opencast.store.events[event].files if file.tags]
    assert captions == ["lang:de", "lang:en-US"]


def test_opencast_stand_in_stores_no_tags_of_a_track_before_version_16(
    client: Client, event: str, opencast: OpencastStandIn
) -> None:
    opencast.set(version="15.6.0")
    assert event
    assert add(client).status_code == 200
    assert opencast.added[0].file.tags == ()


@pytest.mark.parametrize(
    "changes",
    [{"flavor": None}, {"flavor": (None, "captions")}, {"track": None}, {"track": (None, TEXT)}],
)
def test_opencast_stand_in_refuses_a_track_with_400_when_a_part_is_missing_or_wrong(
    client: Client, event: str, opencast: OpencastStandIn, changes: dict[str, Any]
) -> None:
    assert add(client, event, **changes).status_code == 400
    assert not opencast.added


def test_opencast_stand_in_refuses_tracks_and_workflows_with_409_while_a_workflow_is_active(
    client: Client, event: str, opencast: OpencastStandIn
) -> None:
    assert start(client) == 201
    assert add(client, event).status_code == 409
    assert start(client) == 409
    assert not opencast.added


def test_opencast_stand_in_answers_404_when_event_or_workflow_is_unknown(
    client: Client, event: str
) -> None:
    assert event
    assert add(client, "mp-2").status_code == 404
    assert start(client, "unknown") == 404
    assert start(client, event="mp-2") == 404


def test_opencast_stand_in_lets_an_administrator_but_no_capture_agent_add_a_track(
    client: Client, event: str
) -> None:
    files = {"flavor": (None, FLAVOR), "track": ("c.vtt", TEXT)}
    path = f"/api/events/{event}/track"
    agent = client.ask(path, HTTPDigestAuth("agent", "agent"), DIGEST, "POST", files=files)
    assert agent.status_code == 403
    database = HTTPBasicAuth("database", "database")
    assert client.ask(path, database, method="POST", files=files).status_code == 200


def test_opencast_stand_in_returns_its_version_to_an_anonymous_request(
    client: Client, opencast: OpencastStandIn
) -> None:
    opencast.set(version="19.1.0")
    services = client.ask("/info/components.json").json()["rest"]
    assert {service["version"] for service in services} == {"19.1.0"}


CHAPTERS = (
    "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\na\n\n00:00:02.000 --> 01:00:00.000\nb &amp; c\n"
)


def add_chapters(client: Client, text: str = CHAPTERS, tags: str | None = None) -> int:
    flavor = (None, "chapters/source")
    given = (None, tags) if tags else None
    track = ("c.vtt", text, "text/vtt")
    return add(client, flavor=flavor, tags=given, track=track).status_code


def test_opencast_stand_in_refuses_chapters_before_version_19(
    client: Client, event: str, opencast: OpencastStandIn
) -> None:
    assert event
    opencast.set(version="18.9.0")
    assert add_chapters(client) == 400
    opencast.set(version="19.0.0")
    assert add_chapters(client) == 200


@pytest.mark.parametrize(
    "text",
    [
        CHAPTERS.removeprefix("WEBVTT\n\n"),
        "WEBVTT\n",
        CHAPTERS.replace("00:00:00.000", "00:00:01.000"),
        CHAPTERS.replace("00:00:02.000 -->", "00:00:03.000 -->"),
        CHAPTERS.replace("\na\n", "\n<b>\n"),
        CHAPTERS.replace("\na\n", "\n"),
    ],
)
def test_opencast_stand_in_refuses_chapters_when_they_leave_a_gap_or_are_malformed(
    client: Client, event: str, opencast: OpencastStandIn, text: str
) -> None:
    assert event
    opencast.set(version="19.0.0")
    assert add_chapters(client, text) == 400


def test_opencast_stand_in_refuses_chapters_with_tags(
    client: Client, event: str, opencast: OpencastStandIn
) -> None:
    assert event
    opencast.set(version="19.0.0")
    assert add_chapters(client, tags="lang:en") == 400


def test_opencast_stand_in_refuses_an_ingest_with_chapters_before_version_19(
    client: Client, files: FileServer, opencast: OpencastStandIn
) -> None:
    files.files["/b/c.vtt"] = CHAPTERS.encode()
    chapters = [("flavor", "chapters/source"), ("mediaUri", f"{files.url}/b/c.vtt")]
    assert client.ingest([*lecture(files), *chapters]).status_code == 400
    opencast.set(version="19.0.0")
    assert client.ingest([*lecture(files), *chapters]).status_code == 200


@pytest.mark.parametrize(
    ("part", "status", "kinds"),
    [("attachmentUri", 200, ["track", "attachment"]), ("mediaUri", 400, ["track"])],
)
def test_opencast_stand_in_takes_json_only_as_an_attachment(
    client: Client, files: FileServer, opencast: OpencastStandIn, part: str, status: int, kinds: Any
) -> None:
    files.files["/b/s.json"] = b"{}"
    summary = [("flavor", "summary/source"), (part, f"{files.url}/b/s.json")]
    assert client.ingest([*lecture(files), *summary]).status_code == status
    (ingest,) = opencast.ingests
    assert [file.kind for file in ingest.files] == kinds
