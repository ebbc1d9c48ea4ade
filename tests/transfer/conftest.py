"""Fixtures for the Zoom peer, the S3 peer and connections, which all tests of a process share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.zoom import ZoomPeer
from ingester.runtime import http_pool
from local.authority import Authority
from tests.transfer.harness import CREDENTIALS, Harness

CONNECTIONS = 16
CONFIG = Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=CONNECTIONS,
)
"""Configuration of S3's client as in `ingester.runtime.clients`, but with path style."""


@pytest.fixture(scope="package")
def peers(tls: Authority) -> Iterator[tuple[ZoomPeer, S3Peer]]:
    context = tls.ssl_context()
    with ZoomPeer(tls=context) as zoom, S3Peer(tls=context) as s3:
        yield zoom, s3


@pytest.fixture(scope="package")
def harness(peers: tuple[ZoomPeer, S3Peer]) -> Iterator[Harness]:
    """Yield the harness with plain HTTP, which saves CPU time."""
    with _connected(*peers) as made:
        yield made


@pytest.fixture(scope="package")
def tls_harness(peers: tuple[ZoomPeer, S3Peer], tls: Authority) -> Iterator[Harness]:
    """Yield the harness with TLS, as in AWS."""
    with _connected(*peers, trusted=tls.ca_bundle) as made:
        yield made


@contextmanager
def _connected(zoom: ZoomPeer, s3: S3Peer, *, trusted: Path | None = None) -> Iterator[Harness]:
    keys = (CREDENTIALS.access_key, CREDENTIALS.secret_key, CREDENTIALS.token)
    session = boto3.session.Session(*keys, "us-east-1")
    signing = session.get_credentials()
    assert signing
    client = session.client(
        "s3",
        endpoint_url=s3.tls_url if trusted else s3.url,
        verify=str(trusted) if trusted else None,
        config=CONFIG,
    )
    with pytest.MonkeyPatch.context() as patch:
        if trusted:
            # OpenSSL reads its default authorities from the file that SSL_CERT_FILE names.
            patch.setenv("SSL_CERT_FILE", str(trusted))
        http = http_pool.http(CONNECTIONS)
    yield Harness(zoom, s3, client, signing, http, is_tls=trusted is not None)
    http.clear()
    client.close()
