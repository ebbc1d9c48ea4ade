"""Stand-in for the staging bucket: a server on loopback, to which the engine streams parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import urllib3
from botocore.config import Config

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import Credentials, Mode, S3Fault, S3Settings
from ingester.recording.staging_bucket import RELEASED
from ingester.transfer.multipart import Bucket
from ingester.transfer.multipart import Credentials as Signing
from tests.cloud import BUCKET, REGION

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

KNOWN = Credentials(access_key="AKIDTEST", secret_key="secret", token="session")
"""The credentials whose signatures the bucket accepts."""


@dataclass(frozen=True)
class StagingBucket:
    """The bucket's server, and a client with credentials that the server accepts."""

    peer: S3Peer
    client: S3Client
    signing: Signing

    def begin(self, mode: Mode = "keep", *faults: S3Fault) -> None:
        """Empty the bucket, reset the counts and set the faults.

        Mode `hash` keeps checksums instead of bytes.
        """
        settings = S3Settings(mode=mode, bucket=BUCKET, credentials=KNOWN, faults=faults)
        self.peer.configure(settings)

    def written_through(self, http: urllib3.PoolManager, name: str = BUCKET) -> Bucket:
        """Return the bucket as the transfer engine uses it."""
        return Bucket(self.client, name, http=http, credentials=self.signing, released=RELEASED)

    @property
    def bytes_taken(self) -> int:
        """Number of bytes received in parts and objects since `begin`."""
        return self.peer.counts.body_bytes


@contextmanager
def staging_bucket() -> Iterator[StagingBucket]:
    """Serve an empty bucket during the `with` block, and yield the bucket."""
    session = boto3.session.Session(KNOWN.access_key, KNOWN.secret_key, KNOWN.token, REGION)
    signing = session.get_credentials()
    assert signing
    with S3Peer() as peer:
        client = session.client(
            "s3",
            endpoint_url=peer.url,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        made = StagingBucket(peer, client, signing)
        made.begin()
        yield made
        client.close()
