"""What the hard tests of the transfer share: peers and connections, one of each for a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.zoom import ZoomPeer
from ingester.runtime import http_pool as connections
from local.authority import Authority
from tests.transfer.rig import KNOWN, Rig

CONNECTIONS = 16
CLIENT = Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=CONNECTIONS,
)
"""As `ingester.runtime.clients` has it, but for the style of addresses."""


@pytest.fixture(scope="package")
def peers(tls: Authority) -> Iterator[tuple[ZoomPeer, S3Peer]]:
    context = tls.ssl_context()
    with ZoomPeer(tls=context) as zoom, S3Peer(tls=context) as s3:
        yield zoom, s3


@pytest.fixture(scope="package")
def rig(peers: tuple[ZoomPeer, S3Peer]) -> Iterator[Rig]:
    """Over plain HTTP, which leaves the processor to the tests."""
    with _connected(*peers) as made:
        yield made


@pytest.fixture(scope="package")
def tls_rig(peers: tuple[ZoomPeer, S3Peer], tls: Authority) -> Iterator[Rig]:
    """The same peers over TLS, as it is in AWS."""
    with _connected(*peers, trusted=tls.ca_bundle) as made:
        yield made


@contextmanager
def _connected(zoom: ZoomPeer, s3: S3Peer, *, trusted: Path | None = None) -> Iterator[Rig]:
    session = boto3.session.Session(KNOWN.access_key, KNOWN.secret_key, KNOWN.token, "us-east-1")
    signing = session.get_credentials()
    assert signing
    client = session.client(
        "s3",
        endpoint_url=s3.tls_url if trusted else s3.url,
        verify=str(trusted) if trusted else None,
        config=CLIENT,
    )
    with pytest.MonkeyPatch.context() as patch:
        if trusted:
            # What OpenSSL reads when it is asked for the default authorities.
            patch.setenv("SSL_CERT_FILE", str(trusted))
        http = connections.http(CONNECTIONS)
    yield Rig(zoom, s3, client, signing, http, is_tls=trusted is not None)
    http.clear()
    client.close()
