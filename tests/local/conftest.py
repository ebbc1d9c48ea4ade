"""Fixtures for a local cloud, for the Zoom stand-in, and for an endpoint of webhook events."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.authority import Authority, ensure_authority, write_bundle
from local.cloud import start_cloud
from local.deploy import Access
from local.neighbours.https_server import Answer, HttpsServer, Request, text_answer
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_account import ZoomApp
from local.neighbours.zoom_recordings import Lecture, Recording, build_lecture
from local.processes import Processes
from tests.local.clock import Clock
from tests.local.zoom_client import APP, START, Client, Endpoint, Start
from tests.neighbours import CONTROL_TOKEN

SECRET = "secret-of-the-root"


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """Yield access to an empty local cloud."""
    folder = tmp_path_factory.mktemp("cloud")
    authority = ensure_authority(folder / "tls")
    trusted = write_bundle(folder / "trusted.pem", authority)
    processes = Processes(folder / "logs")
    try:
        cloud = start_cloud(folder / "cloud", authority, trusted, processes, secret=SECRET)
        cloud.wait(authority.ca_bundle)
        yield Access(cloud.url, trusted, "us-east-1", SECRET)
    finally:
        processes.stop()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    lecture = Lecture(meeting_id=95846636714, start_time=START, seconds=20)
    return build_lecture(tmp_path_factory.mktemp("media"), lecture)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(tls: Authority, tmp_path: Path, clock: Clock, recording: Recording) -> Iterator[Start]:
    running: list[Client] = []

    def begin(app: ZoomApp = APP) -> Client:
        zoom = ZoomStandIn(
            tls=tls, folder=tmp_path, app=app, clock=clock, control_token=CONTROL_TOKEN
        ).start()
        zoom.add(recording)
        session = requests.Session()
        session.verify = str(tls.ca_bundle)
        session.trust_env = False
        running.append(Client(zoom, session))
        return running[-1]

    yield begin
    for client in running:
        client.session.close()
        client.zoom.stop()


@pytest.fixture
def client(start: Start) -> Client:
    return start()


@pytest.fixture
def endpoint(tls: Authority) -> Iterator[Endpoint]:
    seen: list[Request] = []

    def accept(request: Request) -> Answer:
        seen.append(request)
        return text_answer(200, "text/plain", b"Success")

    server = HttpsServer(accept, tls.ssl_context())
    server.start()
    yield Endpoint(f"https://127.0.0.1:{server.port}/new_recording", seen)
    server.close()
