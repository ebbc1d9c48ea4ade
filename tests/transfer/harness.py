"""The harness of the transfer's tests, with the engine between the Zoom peer and the S3 peer."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

from bench.transfer.check import wrong_part
from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import Credentials, S3Fault, S3Object, S3Settings
from bench.transfer.peers.zoom import ZoomPeer
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from bench.transfer.task import File, Task
from ingester.errors import IngesterError, PermanentFailure
from ingester.recording.staging_bucket import RELEASED
from ingester.transfer.engine import Budget, Engine
from ingester.transfer.multipart import IDENTITY_KEY, Bucket
from ingester.transfer.multipart import Credentials as Signing
from ingester.transfer.parts import MARK_NUMBER
from ingester.transfer.plan import Copied, Copy, Target
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_token import Access, AccessInUse
from ingester.zoom.download_urls import DownloadHosts

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "bucket"
TOKEN = "token"
CREDENTIALS = Credentials(access_key="AKIDTEST", secret_key="secret", token="session")
HASHED = S3Settings(mode="hash")
STALL_SECONDS = 0.5
"""Seconds without a byte after which the engine breaks a download off."""
ONE_CONNECTION = Budget(connections=1)
POLL_SECONDS = 0.002
END_SECONDS = 30.0
PROCESS_SECONDS = 120.0


def skip_wait(stop: threading.Event, _: float) -> bool:
    """Return whether `stop` is set, without the wait between two attempts."""
    return stop.is_set()


def key_of(name: str) -> str:
    return f"staged/{name}.mp4"


def metadata_of(name: str) -> dict[str, str]:
    return {"uuid": "a==", "file_id": name}


def wait_for_threads() -> None:
    """Wait until the engines' threads, which end soon after a run, have ended.

    Raises:
        AssertionError: A thread still runs after `END_SECONDS`.
    """
    for thread in threading.enumerate():
        if thread.name.startswith("transfer_"):
            thread.join(END_SECONDS)
            assert not thread.is_alive(), f"{thread.name} still runs after the run."


def version_in(stored: S3Object, versions: Sequence[Generated]) -> Generated | None:
    """Return the version whose bytes an object has, or None if no version matches."""
    same_size = (content for content in versions if content.size == stored.size)
    return next((content for content in same_size if wrong_part(stored, content) is None), None)


@dataclass(frozen=True)
class Harness:
    """Both peers, and connections that several runs share, as in a warm function."""

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
        """Configure both peers, with additional faults and an empty bucket."""
        faults = (*zoom.faults, *zoom_faults)
        self.zoom.configure(replace(zoom, token=TOKEN, faults=faults))
        faults_of_s3 = (*s3.faults, *s3_faults)
        self.s3.configure(replace(s3, bucket=BUCKET, credentials=CREDENTIALS, faults=faults_of_s3))

    def remove_faults(self) -> None:
        """Remove all faults and reset the counters. Files, objects and uploads stay."""
        self.zoom.configure(replace(self.zoom.settings, faults=()), replace_files=False)
        self.s3.configure(replace(self.s3.settings, faults=()), empty=False)

    def engine(self, budget: Budget | None = None) -> Engine:
        """Return an engine that doesn't wait between attempts."""
        bucket = Bucket(
            self.client, BUCKET, http=self.http, credentials=self.signing, released=RELEASED
        )
        return Engine(bucket, budget or Budget(), wait=skip_wait)

    def copies(
        self,
        names: Iterable[str],
        *,
        sizes: Mapping[str, int] | None = None,
        tolerated_errors: tuple[type[PermanentFailure], ...] = (),
    ) -> list[Copy]:
        """Return the copies of files. `sizes` has the sizes in bytes from Zoom's API, by name."""
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
                expected_size=(sizes or {}).get(name),
                tolerated_errors=tolerated_errors,
            )

        return [copy_of(name) for name in names]

    def copy(
        self,
        names: Iterable[str] = "a",
        *,
        engine: Engine | None = None,
        sizes: Mapping[str, int] | None = None,
        tolerated_errors: tuple[type[PermanentFailure], ...] = (),
    ) -> list[Copied | IngesterError]:
        """Copy files, wait for the end of all threads, and return the results.

        Raises:
            IngesterError: The copy failed, or ran out of time.
            AssertionError: A thread still runs after `END_SECONDS`.
        """
        copies = self.copies(names, sizes=sizes, tolerated_errors=tolerated_errors)
        try:
            return (engine or self.engine()).copy(copies)
        finally:
            wait_for_threads()

    def versions(self) -> dict[str, Generated]:
        """Return the version of the file that each object holds, by the file's name.

        Raises:
            AssertionError: An object holds no version of its file, or has wrong metadata.
        """
        found: dict[str, Generated] = {}
        for stored in self.s3.objects():
            metadata = {**stored.metadata}
            assert metadata.pop(IDENTITY_KEY)
            name = metadata["file_id"]
            assert (stored.key, metadata) == (key_of(name), metadata_of(name))
            versions = self.zoom.versions(name)
            version = version_in(stored, versions)
            assert version, f"{stored.size} bytes in {stored.key} are none of {versions}."
            found[name] = version
        return found

    def stored_bytes(self) -> dict[tuple[str, str], int]:
        """Return the number of stored bytes of each resumable upload, by key and source."""
        found: dict[tuple[str, str], int] = {}
        for upload in self.s3.uploads():
            sizes = {part.number: part.size for part in upload.parts}
            if sizes.pop(MARK_NUMBER, None):
                found[upload.key, upload.metadata[IDENTITY_KEY]] = sum(sizes.values())
        return found

    @property
    def uploads_begun(self) -> int:
        return self.s3.stats().operations["CreateMultipartUpload"]

    @contextmanager
    def process(self, name: str) -> Iterator[subprocess.Popen[str]]:
        """Yield a process that copies a file, and kill the process at the end."""
        size = self.zoom.content(name).size
        task = Task(
            files=(File(name, self.zoom.download_url(name), key_of(name), size),),
            s3_endpoint=self.s3.url,
            ca="",
            token=TOKEN,
            bucket=BUCKET,
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.transfer.program"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}",
                "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key,
                "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_key,
                "AWS_SESSION_TOKEN": CREDENTIALS.token,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_ENDPOINT_URL_S3": task.s3_endpoint,
                **task.environment(),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def copy_in_process(self, name: str) -> int:
        """Copy a file in a process, and return the process's peak memory in KiB.

        Raises:
            AssertionError: The process failed.
            subprocess.TimeoutExpired: The process takes longer than `PROCESS_SECONDS`.
        """
        with self.process(name) as process:
            printed, _ = process.communicate(timeout=PROCESS_SECONDS)
            assert process.returncode == 0
        return int(printed)

    def kill_copy(self, name: str, after: int) -> bool:
        """Start a copy in a process, and kill the process once Zoom has sent `after` bytes.

        Return whether the process was killed. False means that the process ended earlier.
        """
        begun = self.zoom.counts.body_bytes
        with self.process(name) as process:
            while self.zoom.counts.body_bytes - begun < after:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
                    return False
        return True
