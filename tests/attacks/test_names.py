"""Attacks with names: what Zoom, or somebody with its secret, calls recordings and files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.authority import ensure_authority
from tests.attacks.probes import encoded, new_uuid, started, to_ingest, to_webhook
from tests.attacks.recordings import Hostile, Outcome, file, outcomes
from tests.attacks.target import Target
from tests.neighbours import Web, web_server
from tests.unit.zoom.pages import ranged

pytestmark = pytest.mark.usefixtures("no_error_mail")

KEY = re.compile(
    r"[0-9]{11}/[0-9]{10}/[0-9]{3}-[\w()-]{1,100}-[A-Za-z0-9-]{1,64}\.(mp4|txt)", re.ASCII
)
"""An S3 key that leads nowhere else."""

HTML = b"<script>alert(1)</script>"
LONG = "x" * 300_000
CHAT = {"file_type": "CHAT", "recording_type": "chat_file", "file_extension": "TXT"}


@pytest.fixture(scope="module")
def zoom(home: Path, movie: bytes) -> Iterator[Web]:
    """Zoom's download host, whose files have hostile names."""
    with web_server(ensure_authority(home / "tls")) as web:
        for path in ("/video.mp4", "/page.html", "/no-name", "/%2e%2e%2fvideo.mp4"):
            web.pages[path] = ranged(movie)
        named = ("Content-Disposition", 'attachment; filename="../../evil.html"')
        web.pages["/named"] = ranged(movie, named)
        web.pages["/chat.html"] = ranged(HTML)
        yield web


HONEST = "an honest name"
VIDEOS: dict[str, dict[str, Any]] = {
    HONEST: {},
    "an extension with slashes": {"file_extension": "mp4/x/y"},
    "an extension that climbs": {"file_extension": "../../x"},
    "an extension of HTML": {"file_extension": "HTML"},
    "an extension of 300 KB": {"file_extension": LONG[:100_000]},
    "an extension of control characters": {"file_extension": "m\x00p\r\n4"},
    "a view with slashes": {"recording_type": "active_speaker/../../x"},
    "a view of another script": {"recording_type": "active_speaker\u202e\u0000"},
    "an id that climbs": {"id": "../../../id"},
    "an id of 100 KB": {"id": LONG[:100_000]},
    "an id that looks like a hash": {"id": "sha256-" + "0" * 32},
}
"""Fields of the one video of a recording."""

ADDRESSES = {
    "a page": "/page.html",
    "nothing": "/no-name",
    "a folder": "/%2e%2e%2fvideo.mp4",
    "a disposition that climbs": "/named",
}
"""Paths of downloads, whose names may decide the extension."""

ABOUT: dict[str, dict[str, Any]] = {
    "a uuid with two slashes": {"uuid": f"//{new_uuid()}"},
    "a uuid that climbs": {"uuid": f"../../{new_uuid()}"},
    "a uuid with a query": {"uuid": f"{new_uuid()}?a=b#c&d"},
    "a uuid of control characters": {"uuid": f"\x01\x7f\r\n{new_uuid()}"},
    "a topic of HTML": {"topic": HTML.decode()},
    "a topic of half a letter": {"topic": "half \ud83d"},
    "a topic of characters that SQS refuses": {"topic": "\ufffe\uffff\x00"},
    "a topic of 100 KB": {"topic": LONG[:100_000]},
}
"""Fields of a recording with an honest video."""


@pytest.fixture(scope="module")
def found(target: Target, zoom: Web, movie: bytes) -> Iterator[dict[str, Outcome]]:
    """The outcomes of the recordings, by the names of the attacks."""
    size, url = len(movie), f"{zoom.url}/video.mp4"
    yield from outcomes(
        target,
        [
            *(
                Hostile(name, [file(url, size, **changes)], "SENT_TO_OPENCAST")
                for name, changes in VIDEOS.items()
            ),
            *(
                Hostile(name, [file(f"{zoom.url}{path}", size)], "SENT_TO_OPENCAST")
                for name, path in ADDRESSES.items()
            ),
            *(
                Hostile(name, [file(url, size)], "SENT_TO_OPENCAST", about=about)
                for name, about in ABOUT.items()
            ),
            Hostile(
                "a chat of HTML",
                [file(url, size), file(f"{zoom.url}/chat.html", len(HTML), **CHAT)],
                "SENT_TO_OPENCAST",
            ),
        ],
    )


@pytest.mark.parametrize("name", [*VIDEOS, *ADDRESSES, *ABOUT, "a chat of HTML"])
def test_file_stays_in_its_place_when_zoom_names(name: str, found: dict[str, Outcome]) -> None:
    outcome = found[name]
    assert outcome.state == "SENT_TO_OPENCAST", outcome.reason
    assert len(outcome.keys) == (2 if "chat" in name else 1)
    assert [key for key in outcome.keys if not KEY.fullmatch(key)] == []
    assert len(outcome.ingests) == 1
    assert outcome.ingests[0].status == 200


@pytest.mark.usefixtures("found")
def test_no_file_is_staged_below_another_name(target: Target) -> None:
    listed = target.driver.client("s3").list_objects_v2(Bucket=target.stack.names.bucket)
    assert listed["Contents"]
    assert [item["Key"] for item in listed["Contents"] if not KEY.fullmatch(item["Key"])] == []


@pytest.mark.parametrize(
    ("event", "status"),
    [("recording.started", 204), ("recording.completed", 200)],
    ids=["started", "completed"],
)
def test_event_is_taken_or_refused_at_once_when_a_name_has_300_kb(
    event: str, status: int, target: Target
) -> None:
    """An answer of 5xx would make Zoom send it again and again."""
    content = {**started(new_uuid(), topic=LONG), "event": event}
    answer = target.send(to_webhook(encoded(content), target.zoom_secret))
    assert answer.status == status


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
def test_ingest_is_refused_when_it_names(name: str, target: Target) -> None:
    uuid, status = INGESTS[name]
    target.fails(to_ingest({"uuid": uuid}), status)


def test_ingest_is_taken_when_it_names_a_recording(target: Target) -> None:
    recording = target.stack.lecture(scheduled=False)
    assert target.send(to_ingest({"uuid": recording.uuid})).status == 200
    target.stack.await_state(recording, "IGNORED", "No opencast series match")


SERIES = {
    "a path that climbs": "../../admin-ng/index.html",
    "a path": "a/b",
    "a query": "x?y=z",
    "control characters": "x\r\ny",
    "300 KB": LONG,
}


@pytest.mark.parametrize("name", SERIES)
def test_ingest_is_refused_when_its_series_is(name: str, target: Target) -> None:
    target.fails(to_ingest({"uuid": new_uuid(), "oc_series_id": SERIES[name]}), 400)
    target.fails(to_ingest({"uuid": new_uuid(), "oc_series_id": "20260112345"}), 404)
