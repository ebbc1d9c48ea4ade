"""Attacks that lead requests or the download token to hosts other than Zoom's and Slack's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.authority import ensure_authority
from local.neighbours.https_server import Answer
from tests.attacks.probes import encoded, to_slack
from tests.attacks.recordings import Hostile, Outcome, file, outcomes
from tests.attacks.target import Target
from tests.neighbours import Web, web_server
from tests.unit.zoom.pages import ranged, redirect

SIZE = 30_000
PRIVATE = "127.0.0.2"
"""The private address of the listening servers, which ZOOM_DOWNLOAD_HOSTS doesn't name."""


@pytest.fixture(scope="module")
def zoom(home: Path) -> Iterator[Web]:
    """Yield a server that the pipeline takes for Zoom's download host."""
    with web_server(ensure_authority(home / "tls")) as web:
        yield web


@dataclass
class Listener:
    """A server that counts connections and keeps the bytes that it receives."""

    port: int = 0
    connections: int = 0
    received: bytes = b""

    def serve(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.settimeout(10)
                self.connections += 1
                with connection, suppress(OSError):
                    while chunk := connection.recv(4096):
                        self.received += chunk


@contextmanager
def listening() -> Iterator[Listener]:
    """Run a server on a private address, and yield its `Listener`."""
    listener = Listener()
    with socket.create_server((PRIVATE, 0)) as server:
        listener.port = server.getsockname()[1]
        thread = threading.Thread(target=listener.serve, args=(server,))
        thread.start()
        yield listener
        # Closing the socket wouldn't end the thread's call of `accept`.
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(scope="module")
def forbidden() -> Iterator[Listener]:
    """Yield a server to which the pipeline must not connect."""
    with listening() as listener:
        yield listener


@pytest.fixture(scope="module")
def private() -> Iterator[Listener]:
    """Yield a server to which https redirects lead, and to which the pipeline must send nothing."""
    with listening() as listener:
        yield listener


ELSEWHERE = "which is not among ZOOM_DOWNLOAD_HOSTS over https"
NO_HTTPS = "no https address"

ADDRESSES: Mapping[str, str] = {
    "another host": "https://evil.example/video.mp4",
    "the cloud's metadata": "https://169.254.169.254/latest/meta-data/",
    "plain http": "http://127.0.0.1:{zoom}/video.mp4",
    "a file": "file:///etc/passwd",
    "a private address": "https://127.0.0.2:{forbidden}/video.mp4",
    "an IPv6 address": "https://[::1]:{forbidden}/video.mp4",
    "an address as one number": "https://2130706433:{zoom}/video.mp4",
    "an allowed host as a user": "https://127.0.0.1@127.0.0.2:{forbidden}/video.mp4",
    "a user at an allowed host": "https://evil.example@127.0.0.1:{zoom}/video.mp4",
    "an allowed host behind a backslash": "https://127.0.0.2:{forbidden}\\@127.0.0.1:{zoom}/video.mp4",
    "an allowed host in a fragment": "https://127.0.0.2:{forbidden}#@127.0.0.1:{zoom}/video.mp4",
    "an allowed host as a subdomain": "https://127.0.0.1.evil.example/video.mp4",
    "an allowed host in another script": "https://\uff4cocalhost:{zoom}/video.mp4",
    "a line break": "https://127.0.0.1:{zoom}/video.mp4\r\nX-Evil: 1",
}
"""Download URLs in the webhook event, by the names of the attacks."""

REDIRECTS: Mapping[str, tuple[str, str]] = {
    "to a private address": ("https://127.0.0.2:{private}/video.mp4", "isn't on the internet"),
    "to a private address with an allowed user": (
        "https://127.0.0.1@127.0.0.2:{private}/video.mp4",
        "isn't on the internet",
    ),
    "to plain http": ("http://127.0.0.2:{forbidden}/video.mp4", NO_HTTPS),
    "to a file": ("file:///etc/passwd", NO_HTTPS),
    "to itself": ("https://127.0.0.1:{zoom}/to-itself", "more than 5 times"),
    "to nowhere": ("https://[", NO_HTTPS),
}
"""Locations to which an allowed host redirects, by the names of the attacks.

The second text of an entry is the reason in the status row.
"""

HONEST = "an honest file"


@pytest.fixture(scope="module")
def found(
    target: Target, zoom: Web, forbidden: Listener, private: Listener, movie: bytes
) -> dict[str, Outcome]:
    """Send a recording for each attack, and return the outcomes by the names of the attacks."""
    ports = {"zoom": zoom.port, "forbidden": forbidden.port, "private": private.port}
    recordings = [Hostile(HONEST, [file(f"{zoom.url}/video.mp4", len(movie))])]
    zoom.pages["/video.mp4"] = ranged(movie)
    for name, url in ADDRESSES.items():
        address = url.replace("{zoom}", str(zoom.port))
        address = address.replace("{forbidden}", str(forbidden.port))
        recordings.append(Hostile(name, [file(address, SIZE)]))
    for name, (location, _) in REDIRECTS.items():
        path = f"/{name.replace(' ', '-')}"
        zoom.pages[path] = redirect(location.format(**ports))
        recordings.append(Hostile(name, [file(f"{zoom.url}{path}", SIZE)]))
    return outcomes(target, recordings)


def assert_nothing_came(outcome: Outcome, reason: str) -> None:
    """Assert that a download failed permanently for `reason`, and left no file and no ingest.

    The reason must not contain the token.
    """
    assert outcome.state == "DOWNLOADER_FAILED"
    assert outcome.reason.startswith("permanent failure: ")
    assert reason in outcome.reason
    assert "download-token" not in outcome.reason
    assert (outcome.keys, outcome.ingests) == ([], [])


@pytest.mark.parametrize("name", ADDRESSES)
def test_recording_fails_permanently_when_its_download_address_is_not_allowed(
    name: str, found: dict[str, Outcome]
) -> None:
    assert_nothing_came(found[name], ELSEWHERE)


@pytest.mark.parametrize("name", REDIRECTS)
def test_recording_fails_permanently_when_its_download_redirects_to_a_refused_url_or_itself(
    name: str, found: dict[str, Outcome]
) -> None:
    assert_nothing_came(found[name], REDIRECTS[name][1])


def test_recording_is_ingested_when_its_download_address_is_honest(
    found: dict[str, Outcome],
) -> None:
    outcome = found[HONEST]
    assert outcome.state == "SENT_TO_OPENCAST"
    assert len(outcome.keys) == len(outcome.ingests) == 1


@pytest.mark.usefixtures("found")
def test_pipeline_does_not_connect_to_the_host_of_a_refused_url(forbidden: Listener) -> None:
    assert forbidden.connections == 0


@pytest.mark.usefixtures("found")
def test_private_address_gets_no_byte_when_a_redirect_leads_to_it(private: Listener) -> None:
    # The pipeline connects before it finds that the address is private.
    assert private.connections > 0
    assert private.received == b""


@pytest.mark.usefixtures("found")
def test_requests_to_the_download_host_of_zoom_carry_the_download_token(zoom: Web) -> None:
    assert {token for _, token in zoom.tokens()} == {"Bearer download-token"}
    assert "/video.mp4" in {path for path, _ in zoom.tokens()}


def command(response_url: str) -> dict[str, str]:
    """Return the form of a Slack command whose answer goes to `response_url`."""
    return {
        "command": "/zip",
        "text": "help",
        "user_id": "U1",
        "channel_id": "D1",
        "channel_name": "directmessage",
        "response_url": response_url,
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/hook",
        "https://127.0.0.1.evil.example/hook",
        "https://127.0.0.2/hook",
        "https://169.254.169.254/hook",
        "http://127.0.0.1/hook",
        "https://127.0.0.1@evil.example/hook",
        "https://evil.example\\@127.0.0.1/hook",
        "https://evil.example#@127.0.0.1/hook",
        "https://127.0.0.1:x/hook",
        "file:///etc/passwd",
        "//127.0.0.1/hook",
        "",
    ],
)
def test_slack_command_is_refused_when_its_response_url_is_no_address_of_slack(
    url: str, target: Target
) -> None:
    answer = target.assert_refused(to_slack(command(url), target.slack_secret), 400)
    assert answer.json()["message"] == "The response_url is not an https address of Slack's."
    honest = to_slack(command("https://127.0.0.1:9/hook"), target.slack_secret)
    assert target.send(honest).status == 200


def press(response_url: str, value: str) -> dict[str, str]:
    """Return the form of a press of a button whose result goes to `response_url`."""
    content = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "channel": {"id": "D1", "name": "directmessage"},
        "response_url": response_url,
        "actions": [{"value": value}],
    }
    return {"payload": encoded(content).decode()}


def test_pipeline_follows_no_redirect_when_it_sends_a_message_to_slack(
    target: Target, zoom: Web
) -> None:
    # The redirect leads to 127.0.0.1, which the local stack takes for Slack's host.
    zoom.pages["/hook"] = redirect(f"{zoom.url}/elsewhere", 307)
    zoom.pages["/other-hook"] = Answer(200)

    def seen(path: str) -> Callable[[], bool]:
        return lambda: any(request.path == path for request in zoom.seen)

    for path in ("/hook", "/other-hook"):
        form = press(f"{zoom.url}{path}", "nonsense")
        assert target.send(to_slack(form, target.slack_secret)).status == 200
        target.stack.wait(seen(path), f"A message to {path}")
    assert not seen("/elsewhere")()
