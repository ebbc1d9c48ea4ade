"""The harness that copies files from the Zoom peer into the S3 peer, and helpers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import urllib3
from botocore.config import Config
from botocore.credentials import Credentials as Signing

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import Credentials, S3Settings
from bench.transfer.peers.zoom import ZoomPeer
from bench.transfer.peers.zoom_settings import ZoomSettings
from ingester.errors import IngesterError
from ingester.transfer.engine import Engine
from ingester.transfer.multipart import Bucket, StoredPart, Upload
from ingester.transfer.parts import MIB, Part
from ingester.transfer.plan import Copied, Copy, Target
from ingester.transfer.ranges import Source
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_token import Access, AccessInUse
from ingester.zoom.download_urls import DownloadHosts

BUCKET = "bucket"
KNOWN = Credentials(access_key="AKIDTEST", secret_key="secret", token="session")
CONFIG = Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    retries={"total_max_attempts": 1, "mode": "standard"},
    connect_timeout=30,
    read_timeout=30,
    max_pool_connections=16,
)
"""Configuration of S3's client without retries, so that each failure is visible."""
CREDENTIALS = Signing(KNOWN.access_key, KNOWN.secret_key, KNOWN.token)
TALK = 12 * MIB + 345
"""Size in bytes of a file that is copied in three parts."""
SLIDES = 6 * MIB
"""Size in bytes of a file that is copied in two parts."""
CHAT = 1234
ZOOM = ZoomSettings(files={"talk": TALK, "slides": SLIDES, "chat": CHAT}, token="token")
S3 = S3Settings(bucket=BUCKET, credentials=KNOWN)
METADATA = {"uuid": "aj//Xp112QmuoKj485487==", "file_id": "f-1"}


def key_of(name: str) -> str:
    return f"95846636714/1795446000/000-{name}.mp4"


def skip_wait(stop: threading.Event, _: float) -> bool:
    """Return whether the copy is cancelled, without a wait."""
    return stop.is_set()


def until_stopped(stop: threading.Event, _: float) -> bool:
    """Wait at most ten seconds for a cancellation. Return whether the copy is cancelled."""
    return stop.wait(10)


def fresh_access() -> Access:
    """Return a fresh access, in place of a request to Zoom's API."""
    return Access("token", is_fresh=True)


@dataclass
class Clock:
    """A clock in seconds that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class TimedBucket(Bucket):
    """A bucket whose clock advances by `part_seconds` with each part that `send` stores.

    The clock doesn't depend on the speed of the machine.
    """

    clock = Clock()
    part_seconds = 10.0

    def send(self, upload: Upload, part: Part, chunks: Iterable[bytes | memoryview]) -> StoredPart:
        stored = super().send(upload, part, chunks)
        self.clock.now += self.part_seconds
        return stored


@dataclass
class Copying:
    """The Zoom peer, the S3 peer, and the connections to both. All files share `access`."""

    zoom: ZoomPeer
    s3: S3Peer
    bucket: Bucket
    http: urllib3.PoolManager
    is_tls: bool = False
    access: AccessInUse = field(default_factory=lambda: AccessInUse(Access("token"), fresh_access))

    def file(self, name: str = "talk") -> ZoomFile:
        """Return a file of the Zoom peer, as a source."""
        return ZoomFile(
            name,
            self.zoom.download_url(name, tls=self.is_tls),
            self.access,
            http=self.http,
            hosts=DownloadHosts(("127.0.0.1",), scheme="https" if self.is_tls else "http"),
            stall_seconds=30.0,
        )

    def copy_of(self, name: str = "talk", source: Source | None = None, **changes: Any) -> Copy:
        """Return a `Copy` that copies a file of the Zoom peer, or another source."""
        return Copy(
            label=name,
            source=source or self.file(name),
            target_of=lambda _: Target(key_of(name), METADATA),
            **changes,
        )

    def engine(self, **changes: Any) -> Engine:
        """Return an engine that doesn't wait between attempts, unless `changes` has a `wait`."""
        return Engine(**{"bucket": self.bucket, "wait": skip_wait, **changes})

    def run(
        self, copies: Sequence[Copy] | None = None, **changes: Any
    ) -> list[Copied | IngesterError]:
        """Run the given copies, or a copy of the talk, and return the results."""
        return self.engine(**changes).copy([self.copy_of()] if copies is None else copies)

    def stored(self) -> dict[str, bytes]:
        """Return the content of each object in S3, by key."""
        return {stored.key: self.s3.body(stored.key) for stored in self.s3.objects()}

    def begun(self) -> list[list[int]]:
        """Return the numbers of the stored parts of each unfinished upload."""
        return [[part.number for part in upload.parts] for upload in self.s3.uploads()]

    def requests(self, operation: str) -> int:
        """Return the number of requests of an operation that S3 has received."""
        return self.s3.stats().operations.get(operation, 0)


def whole(content: Generated) -> bytes:
    """Return all bytes of generated content."""
    return content.read(0, content.size)
