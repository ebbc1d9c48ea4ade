"""The engine between a fake Zoom and a fake S3, connected as the downloader connects it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import urllib3

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import Credentials, S3Fault, S3Settings
from bench.transfer.peers.zoom import ZoomPeer
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from ingester.errors import PermanentFailure
from ingester.transfer.engine import Budget, Engine
from ingester.transfer.multipart import IDENTITY, Bucket
from ingester.transfer.multipart import Credentials as Signing
from ingester.transfer.parts import MARK_NUMBER
from ingester.transfer.plan import Copy, Target
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_token import Access, AccessInUse
from ingester.zoom.download_urls import DownloadHosts

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BUCKET = "bucket"
TOKEN = "token"
KNOWN = Credentials(access_key="AKIDTEST", secret_key="secret", token="session")
HASHED = S3Settings(mode="hash")
STALL_SECONDS = 0.5
"""Without a byte for so long a download of these tests counts as broken."""
THREADS = "transfer_"
"""What the names of the engine's threads begin with."""
LONGEST_END = 30.0


def at_once(stop: threading.Event, _: float) -> bool:
    """In place of waiting between two tries."""
    return stop.is_set()


def key_of(name: str) -> str:
    """Where a file goes."""
    return f"staged/{name}.mp4"


def metadata_of(name: str) -> dict[str, str]:
    """What an object is to tell of itself."""
    return {"uuid": "a==", "file_id": name}


@dataclass(frozen=True)
class Rig:
    """Both peers, and the connections to them, which outlive a run as in a warm function."""

    zoom: ZoomPeer
    s3: S3Peer
    client: S3Client
    signing: Signing
    http: urllib3.PoolManager
    is_tls: bool = False

    def begin(
        self,
        zoom: ZoomSettings,
        s3: S3Settings = HASHED,
        *,
        zoom_faults: Sequence[ZoomFault] = (),
        s3_faults: Sequence[S3Fault] = (),
    ) -> None:
        """Sets both peers, with nothing in S3. The faults come on top of those of the settings."""
        faults = (*zoom.faults, *zoom_faults)
        self.zoom.configure(replace(zoom, token=TOKEN, faults=faults))
        faults_of_s3 = (*s3.faults, *s3_faults)
        self.s3.configure(replace(s3, bucket=BUCKET, credentials=KNOWN, faults=faults_of_s3))

    def go_on(self) -> None:
        """Nothing goes wrong any more; what is there stays, and is counted anew."""
        self.zoom.configure(replace(self.zoom.settings, faults=()), anew=False)
        self.s3.configure(replace(self.s3.settings, faults=()), empty=False)

    def engine(self, budget: Budget | None = None) -> Engine:
        """An engine that never waits."""
        bucket = Bucket(self.client, BUCKET, http=self.http, credentials=self.signing)
        return Engine(bucket, budget or Budget(), wait=at_once)

    def copies(
        self,
        names: Iterable[str],
        *,
        told: Mapping[str, int] | None = None,
        skips: tuple[type[PermanentFailure], ...] = (),
    ) -> list[Copy]:
        """What a recording of these files needs. `told` are the sizes that Zoom's API tells."""
        hosts = DownloadHosts(("127.0.0.1",), "https" if self.is_tls else "http")
        access = AccessInUse(Access(TOKEN), lambda: Access(TOKEN, is_fresh=True))

        def copy_of(name: str) -> Copy:
            url = self.zoom.download_url(name, tls=self.is_tls)
            return Copy(
                label=name,
                source=ZoomFile(
                    name, url, access, http=self.http, hosts=hosts, stall_seconds=STALL_SECONDS
                ),
                target_of=lambda _: Target(key_of(name), metadata_of(name)),
                expected_size=(told or {}).get(name),
                skips=skips,
            )

        return [copy_of(name) for name in names]

    def kept(self) -> dict[tuple[str, str], int]:
        """Bytes in S3 that a next call need not fetch again, by key and identity of the source."""
        found: dict[tuple[str, str], int] = {}
        for upload in self.s3.uploads():
            sizes = {part.number: part.size for part in upload.parts}
            if sizes.pop(MARK_NUMBER, None):
                found[upload.key, upload.metadata[IDENTITY]] = sum(sizes.values())
        return found


def settled() -> None:
    """Waits until the engines' threads have ended, which they do soon after a run."""
    for thread in threading.enumerate():
        if thread.name.startswith(THREADS):
            thread.join(LONGEST_END)
            assert not thread.is_alive(), f"{thread.name} goes on after the run."
