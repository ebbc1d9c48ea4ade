"""The harness of the benchmark's tests, with both peers and real clients of each peer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.config import Config

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import Credentials, S3Settings
from bench.transfer.peers.zoom import ZoomPeer
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from local.authority import Authority
from tests.neighbours import client_session

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CREDENTIALS = Credentials(access_key="AKIDBENCH", secret_key="secret", token="session")
BUCKET = "bucket"
TALK = 3_000_000
ZOOM = ZoomSettings(files={"talk": TALK})
S3 = S3Settings(credentials=CREDENTIALS)
AUTHORIZED = {"Authorization": "Bearer token"}
CONFIG = Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    retries={"total_max_attempts": 1, "mode": "standard"},
    connect_timeout=5,
    read_timeout=5,
)


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
    """A client of the Zoom peer."""

    session: requests.Session
    zoom: ZoomPeer
    is_tls: bool = False

    def fail(self, *faults: ZoomFault, **changes: Any) -> None:
        """Configure the peer with faults and with changed settings."""
        self.zoom.configure(replace(ZOOM, faults=faults, **changes))

    def url(self, name: str = "talk") -> str:
        """Request a file, and return the CDN URL to which the answer redirects."""
        answer = self.session.get(
            self.zoom.download_url(name, tls=self.is_tls),
            headers=AUTHORIZED,
            allow_redirects=False,
        )
        assert answer.status_code == 302
        return answer.headers["Location"]

    def get(self, url: str, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.get(url, headers=named)


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def reader(request: pytest.FixtureRequest, session: requests.Session, zoom: ZoomPeer) -> Reader:
    return Reader(session, zoom, is_tls=request.param)


@pytest.fixture
def plain_reader(session: requests.Session, zoom: ZoomPeer) -> Reader:
    return Reader(session, zoom)


MakeClient = Callable[..., "S3Client"]


@pytest.fixture(scope="package")
def boto() -> boto3.session.Session:
    """Return one session for all clients, because a session caches the model of S3's API."""
    return boto3.session.Session()


@pytest.fixture
def client_of(tls: Authority, boto: boto3.session.Session) -> Iterator[MakeClient]:
    """Yield a function that returns an S3 client of a URL, without retries."""
    made: list[S3Client] = []

    def make(url: str, credentials: Credentials = CREDENTIALS) -> S3Client:
        client = boto.client(
            "s3",
            endpoint_url=url,
            verify=str(tls.ca_bundle),
            region_name="us-east-1",
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token or None,
            config=CONFIG,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(client_of: MakeClient, s3: S3Peer) -> S3Client:
    return client_of(s3.tls_url)


class Upload:
    """A multipart upload to the S3 peer by boto3."""

    def __init__(self, client: S3Client, key: str = "k") -> None:
        self._client = client
        self._names: Any = {"Bucket": BUCKET, "Key": key}
        made = client.create_multipart_upload(**self._names, ChecksumAlgorithm="CRC32")
        self._names["UploadId"] = made["UploadId"]
        self.parts: list[Any] = []

    @property
    def upload_id(self) -> str:
        return str(self._names["UploadId"])

    def send(self, number: int, body: bytes) -> None:
        answer = self._client.upload_part(**self._names, PartNumber=number, Body=body)
        named = {name: answer[name] for name in ("ETag", "ChecksumCRC32")}
        self.parts.append({"PartNumber": number, **named})

    def complete(self, **more: Any) -> None:
        parts: Any = {"Parts": self.parts}
        self._client.complete_multipart_upload(**self._names, MultipartUpload=parts, **more)


@dataclass(frozen=True)
class Wire:
    """A client of the S3 peer for requests that boto3 wouldn't send."""

    session: requests.Session
    url: str

    def send(
        self, method: str, target: str, body: bytes = b"", **headers: str
    ) -> tuple[int, str, str | None]:
        """Send a request, and return the status, the error code or body, and the CRC32 or None."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.session.request(
            method, self.url + target, data=body, headers={"Authorization": "x", **named}
        )
        code = answer.text.partition("<Code>")[2].partition("</Code>")[0]
        return answer.status_code, code or answer.text, answer.headers.get("x-amz-checksum-crc32")

    def begin(self, **headers: str) -> str:
        """Begin an upload, and return the target of its first part."""
        _, body, _ = self.send("POST", "/bucket/k?uploads", b"", **headers)
        upload_id = body.partition("<UploadId>")[2].partition("<")[0]
        return f"/bucket/k?partNumber=1&uploadId={upload_id}"


@pytest.fixture
def wire(s3: S3Peer, session: requests.Session) -> Wire:
    """Return a client of an S3 peer that accepts any signature."""
    s3.configure(S3Settings())
    return Wire(session, s3.url)
