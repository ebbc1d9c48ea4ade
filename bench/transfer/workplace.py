"""Where everything happens: a folder in memory, certificates, both peers; gone at the end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.transfer.cases import Load
from bench.transfer.peers.remote import RemoteS3, RemoteZoom
from bench.transfer.task import File, Task
from local.authority import Authority, ensure_authority

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it gets a name that can't be guessed


@dataclass(frozen=True)
class Workplace:
    """What a measurement needs. Both peers are processes of their own."""

    folder: Path
    tls: Authority
    zoom: RemoteZoom
    s3: RemoteS3

    def task(self, load: Load, *, is_tls: bool) -> Task:
        """Copy the load's files from this Zoom to this S3."""
        root = self.zoom.tls_url if is_tls else self.zoom.url
        files = tuple(
            File(name, f"{root}/rec/download/{name}", key_of(name), size)
            for name, size in load.files.items()
        )
        endpoint = self.s3.tls_url if is_tls else self.s3.url
        return Task(files, endpoint, str(self.tls.ca_bundle))


def key_of(name: str) -> str:
    """Where a file goes."""
    return f"bench/{name}.mp4"


@contextmanager
def workplace() -> Iterator[Workplace]:
    """A fresh one."""
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="zip-bench-", dir=place) as name:
        folder = Path(name)
        tls = ensure_authority(folder / "tls")
        with RemoteZoom(tls) as zoom, RemoteS3(tls) as s3:
            yield Workplace(folder, tls, zoom, s3)
