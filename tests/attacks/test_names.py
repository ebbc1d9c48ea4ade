"""Attacks with hostile names of recordings and files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.authority import ensure_authority
from tests.attacks.evidence import staged_keys
from tests.attacks.probes import encoded, new_uuid, started, to_ingest, to_webhook
from tests.attacks.recordings import Hostile, Outcome, file, outcomes
from tests.attacks.target import Target
from tests.neighbours import Web, web_server
from tests.unit.zoom.pages import ranged

pytestmark = pytest.mark.usefixtures("no_error_mail")

KEY = re.compile(
    r"[0-9]{11}/[0-9]{10}/[0-9]{3}-[\w()-]{1,100}-[A-Za-z0-9-]{1,64}\.(mp4|txt)", re.ASCII
)
"""The form that the keys of staged videos and chats must have."""

HTML = b"<script>alert(1)</script>"
LONG = "x" * 300_000
CHAT = {"file_type": "CHAT", "recording_type": "chat_file", "file_extension": "TXT"}


@pytest.fixture(scope="module")
def zoom(home: Path, movie: bytes) -> Iterator[Web]:
    """Yield a server in place of Zoom's download host, with honest and hostile file names."""
    with web_server(ensure_authority(home / "tls")) as web:
        for path in ("/video.mp4", "/page.html"):
            web.pages[path] = ranged(movie)
        named = ("Content-Disposition", 'attachment; filename="../../evil.html"')
        web.pages["/named"] = ranged(movie, named)
        web.pages["/chat.html"] = ranged(HTML)
        yield web


HONEST = "an honest name"
VIDEOS: dict[str, dict[str, Any]] = {
    HONEST: {},
    "an extension that climbs": {"file_extension": "mp4/../../x"},
    "an extension of HTML": {"file_extension": "HTML"},
    "a view that climbs": {"recording_type": "active_speaker/../../x\u202e\u0000"},
    "an id that climbs": {"id": "../../../id"},
}
"""Hostile fields of the only video of a recording, by the names of the attacks; {} for HONEST."""

ADDRESSES = {"a page": "/page.html", "a disposition that climbs": "/named"}
"""Paths of downloads with hostile file names, by the names of the attacks.

The file names must not determine the key's extension.
"""

ABOUT: dict[str, dict[str, Any]] = {
    "a uuid that climbs": {"uuid": f"//../..//{new_uuid()}?a=b#c&d"},
    "a uuid of control characters": {"uuid": f"\x01\x7f\r\n{new_uuid()}"},
    "a topic of HTML and half a letter": {"topic": f"{HTML.decode()} \ud83d"},
    "a topic of characters that SQS refuses": {"topic": "\ufffe\uffff\x00"},
    "a topic of 300 KB": {"topic": LONG},
}
"""Hostile fields of a recording with an honest video, by the names of the attacks."""


@pytest.fixture(scope="module")
def found(target: Target, zoom: Web, movie: bytes) -> dict[str, Outcome]:
    """Send a recording for each attack, and return the outcomes by the names of the attacks."""
    size, url = len(movie), f"{zoom.url}/video.mp4"
    return outcomes(
        target,
        [
            *(Hostile(name, [file(url, size, **changes)]) for name, changes in VIDEOS.items()),
            *(Hostile(name, [file(f"{zoom.url}{path}", size)]) for name, path in ADDRESSES.items()),
            *(Hostile(name, [file(url, size)], about=about) for name, about in ABOUT.items()),
            Hostile(
                "a chat of HTML",
                [file(url, size), file(f"{zoom.url}/chat.html", len(HTML), **CHAT)],
            ),
        ],
    )


@pytest.mark.parametrize("name", [*VIDEOS, *ADDRESSES, *ABOUT, "a chat of HTML"])
def test_recording_is_ingested_with_safe_staging_keys_whatever_names_zoom_sends(
    name: str, found: dict[str, Outcome]
) -> None:
    outcome = found[name]
    assert outcome.state == "SENT_TO_OPENCAST", outcome.reason
    assert len(outcome.keys) == (2 if "chat" in name else 1)
    assert [key for key in outcome.keys if not KEY.fullmatch(key)] == []
    assert len(outcome.ingests) == 1
    assert outcome.ingests[0].status == 200


@pytest.mark.usefixtures("found")
def test_all_staged_files_have_safe_keys_when_webhook_events_have_hostile_names(
    target: Target,
) -> None:
    keys = staged_keys(target.driver)
    assert keys
    assert [key for key in keys if not KEY.fullmatch(key)] == []


def test_webhook_event_is_accepted_when_its_topic_has_300_kb(target: Target) -> None:
    # After an answer of 5xx, Zoom would send the webhook event again (docs/zoom.md).
    uid = new_uuid()
    event = encoded(started(uid, topic=LONG))
    assert target.send(to_webhook(event, target.zoom_secret)).status == 204
    assert target.row_of(uid)["pipeline_state"] == "RECORDING_IN_PROGRESS"


INGESTS = {
    "a uuid of 300 KB": (LONG, 400),
    "a uuid that climbs": ("../users", 404),
    "a uuid with two slashes": ("//users", 404),
    "a uuid with a query": ("x?y=z#w", 404),
    "a uuid of control characters": ("\r\nX: y\x00\x7f", 404),
    "a link to another host": ("https://evil.example/?meeting_id=%2e%2e%2fusers", 404),
    "a meeting's number": ("861 6892 1331", 404),
}


@pytest.mark.parametrize("name", INGESTS)
def test_ingest_request_is_refused_when_its_uuid_names_no_recording(
    name: str, target: Target
) -> None:
    uuid, status = INGESTS[name]
    target.assert_refused(to_ingest({"uuid": uuid}), status)


def test_ingest_request_is_accepted_when_its_uuid_names_a_recording(target: Target) -> None:
    recording = target.stack.lecture(scheduled=False)
    assert target.send(to_ingest({"uuid": recording.uuid})).status == 200
    target.stack.await_state(recording, "IGNORED", "No opencast series match")


SERIES = {
    "a path that climbs": "../../admin-ng/index.html",
    "a path": "a/b",
    "control characters": "x\r\ny",
    "300 KB": LONG,
}


@pytest.mark.parametrize("name", SERIES)
def test_ingest_request_is_refused_when_its_series_is_no_id(name: str, target: Target) -> None:
    target.assert_refused(to_ingest({"uuid": new_uuid(), "oc_series_id": SERIES[name]}), 400)
    target.assert_refused(to_ingest({"uuid": new_uuid(), "oc_series_id": "20260112345"}), 404)
