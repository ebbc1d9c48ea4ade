"""Fixtures for an Opencast stand-in, a server with the files of ingests, and a client."""

import threading
from collections.abc import Iterator

import pytest

from local.authority import Authority
from local.neighbours.opencast import OpencastStandIn, default_users
from tests.local.clock import Clock
from tests.local.file_server import FileServer, serve_files
from tests.local.opencast.client import Client
from tests.neighbours import CONTROL_TOKEN


@pytest.fixture(scope="module")
def _files(tls: Authority) -> Iterator[FileServer]:
    with serve_files(tls) as server:
        yield server


@pytest.fixture
def files(_files: FileServer) -> FileServer:
    _files.files = {"/b/000-speaker.mp4": b"speaker" * 9000, "/b/001 screen.mp4": b"screen"}
    _files.files |= {"/b/chat.txt": b"hello", "/b/bare": b"named in the header"}
    _files.headers = {"/b/000-speaker.mp4": {"Content-Type": "video/mp4"}}
    _files.gates, _files.asked, _files.order = {}, threading.Event(), []
    return _files


@pytest.fixture
def opencast(tls: Authority, clock: Clock) -> Iterator[OpencastStandIn]:
    users = default_users("zip", "secret")
    with OpencastStandIn(
        tls=tls,
        users=users,
        workflows=["publish"],
        control_token=CONTROL_TOKEN,
        clock=clock,
        seed=1,
    ) as made:
        yield made


@pytest.fixture
def client(opencast: OpencastStandIn, tls: Authority) -> Iterator[Client]:
    made = Client(opencast.url, tls.ca_bundle)
    with made.session:
        yield made
