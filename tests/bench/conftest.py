"""What the tests of the measurements share: both peers, and real clients of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
import requests
from botocore.config import Config

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import Credentials, S3Settings
from bench.transfer.peers.zoom import ZoomPeer
from bench.transfer.peers.zoom_settings import ZoomSettings
from local.authority import Authority
from tests.neighbours import client_session

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

KNOWN = Credentials(access_key="AKIDBENCH", secret_key="secret", token="session")
BUCKET = "bucket"
TALK = 3_000_000
ZOOM = ZoomSettings(files={"talk": TALK})
S3 = S3Settings(credentials=KNOWN)
AUTHORIZED = {"Authorization": "Bearer token"}


@pytest.fixture(scope="package")
def _zoom(tls: Authority) -> Iterator[ZoomPeer]:
    with ZoomPeer(tls=tls.ssl_context()) as peer:
        yield peer


@pytest.fixture
def zoom(_zoom: ZoomPeer) -> ZoomPeer:
    _zoom.configure(ZOOM)
    return _zoom


@pytest.fixture(scope="package")
def _s3(tls: Authority) -> Iterator[S3Peer]:
    with S3Peer(tls=tls.ssl_context()) as peer:
        yield peer


@pytest.fixture
def s3(_s3: S3Peer) -> S3Peer:
    _s3.configure(S3)
    return _s3


@pytest.fixture
def session(tls: Authority) -> Iterator[requests.Session]:
    with client_session(tls) as made:
        yield made


@dataclass(frozen=True)
class Reader:
    """A client of the Zoom peer that follows redirects, so that each file has a good address."""

    session: requests.Session
    zoom: ZoomPeer
    is_tls: bool = False

    def address(self, name: str = "talk") -> str:
        """Where a redirect leads."""
        told = self.session.get(
            self.zoom.download_url(name, tls=self.is_tls),
            headers=AUTHORIZED,
            allow_redirects=False,
        )
        assert told.status_code == 302
        return told.headers["Location"]

    def get(self, address: str, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.get(address, headers=named)


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def reader(request: pytest.FixtureRequest, session: requests.Session, zoom: ZoomPeer) -> Reader:
    return Reader(session, zoom, is_tls=request.param)


@pytest.fixture
def plain_reader(session: requests.Session, zoom: ZoomPeer) -> Reader:
    return Reader(session, zoom)


MakeClient = Callable[..., "S3Client"]


@pytest.fixture(scope="package")
def boto() -> boto3.session.Session:
    """One for all: it reads what S3 is only once."""
    return boto3.session.Session()


@pytest.fixture
def client_of(tls: Authority, boto: boto3.session.Session) -> Iterator[MakeClient]:
    """Clients of an address, with some credentials, that try once."""
    made: list[S3Client] = []

    def make(url: str, known: Credentials = KNOWN) -> S3Client:
        client = boto.client(
            "s3",
            endpoint_url=url,
            verify=str(tls.ca_bundle),
            region_name="us-east-1",
            aws_access_key_id=known.access_key,
            aws_secret_access_key=known.secret_key,
            aws_session_token=known.token or None,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=5,
                read_timeout=5,
            ),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(client_of: MakeClient, s3: S3Peer) -> S3Client:
    """Over TLS, as it is in AWS."""
    return client_of(s3.tls_url)
