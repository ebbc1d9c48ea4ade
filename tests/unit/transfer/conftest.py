"""Fixtures for the tests of transfers, such as peers, clients, and harnesses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
import urllib3

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.zoom import ZoomPeer
from ingester.recording.staging_bucket import RELEASED
from ingester.transfer.multipart import Bucket
from local.authority import Authority
from tests.neighbours import Web, web_server
from tests.unit.transfer.copying import (
    BUCKET,
    CONFIG,
    CREDENTIALS,
    KNOWN,
    S3,
    ZOOM,
    Clock,
    Copying,
    TimedBucket,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@pytest.fixture(scope="package")
def _web(tls: Authority) -> Iterator[Web]:
    with web_server(tls) as web:
        yield web


@pytest.fixture
def web(_web: Web) -> Web:
    """Return a web server that has no pages and has seen no request."""
    _web.forget()
    return _web


@pytest.fixture
def http(tls: Authority) -> Iterator[urllib3.PoolManager]:
    """Yield a pool of connections that trusts only the local certificate authority."""
    with urllib3.PoolManager(maxsize=16, ca_certs=str(tls.ca_bundle)) as pool:
        yield pool


@pytest.fixture(scope="package")
def _zoom(tls: Authority) -> Iterator[ZoomPeer]:
    with ZoomPeer(tls=tls.ssl_context()) as peer:
        yield peer


@pytest.fixture
def zoom(_zoom: ZoomPeer) -> ZoomPeer:
    """Return the Zoom peer with the usual files and without faults."""
    _zoom.configure(ZOOM)
    return _zoom


@pytest.fixture(scope="package")
def _s3(tls: Authority) -> Iterator[S3Peer]:
    with S3Peer(tls=tls.ssl_context()) as peer:
        yield peer


@pytest.fixture
def s3(_s3: S3Peer) -> S3Peer:
    """Return the S3 peer, which is empty and checks every signature and checksum."""
    _s3.configure(S3)
    return _s3


@pytest.fixture(scope="package")
def boto() -> boto3.session.Session:
    """Return one session for all clients, because a session caches the model of S3's API."""
    return boto3.session.Session(KNOWN.access_key, KNOWN.secret_key, KNOWN.token, "us-east-1")


@pytest.fixture(scope="package")
def client(_s3: S3Peer, boto: boto3.session.Session) -> Iterator[S3Client]:
    s3_client = boto.client("s3", endpoint_url=_s3.url, config=CONFIG)
    yield s3_client
    s3_client.close()


@pytest.fixture(scope="package")
def tls_client(_s3: S3Peer, boto: boto3.session.Session, tls: Authority) -> Iterator[S3Client]:
    bundle = str(tls.ca_bundle)
    s3_client = boto.client("s3", endpoint_url=_s3.tls_url, verify=bundle, config=CONFIG)
    yield s3_client
    s3_client.close()


@pytest.fixture
def bucket(s3: S3Peer, client: S3Client, http: urllib3.PoolManager) -> Bucket:
    """Return the bucket of the S3 peer, over plain HTTP."""
    assert s3.settings == S3
    return Bucket(client, BUCKET, http=http, credentials=CREDENTIALS, released=RELEASED)


@pytest.fixture
def copying(zoom: ZoomPeer, s3: S3Peer, bucket: Bucket, http: urllib3.PoolManager) -> Copying:
    return Copying(zoom, s3, bucket, http)


@pytest.fixture
def tls_copying(
    zoom: ZoomPeer, s3: S3Peer, tls_client: S3Client, http: urllib3.PoolManager
) -> Copying:
    """Return a harness whose connections all use TLS, as in AWS."""
    bucket = Bucket(tls_client, BUCKET, http=http, credentials=CREDENTIALS, released=RELEASED)
    return Copying(zoom, s3, bucket, http, is_tls=True)


@pytest.fixture
def timed(s3: S3Peer, client: S3Client, http: urllib3.PoolManager) -> TimedBucket:
    """Return the bucket of the S3 peer with a clock that starts at 1000 seconds."""
    assert s3.settings == S3
    bucket = TimedBucket(client, BUCKET, http=http, credentials=CREDENTIALS, released=RELEASED)
    bucket.clock = Clock(1000.0)
    return bucket
