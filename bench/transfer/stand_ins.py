"""The two stand-ins of a measurement, each in a separate process, and a temporary folder.

The folder is in memory if the machine has /dev/shm.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.transfer.cases import Load
from bench.transfer.check import key_of
from bench.transfer.peers.remote import RemoteS3, RemoteZoom
from bench.transfer.task import File, Task
from local.authority import Authority, ensure_authority

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it gets a random name


@dataclass(frozen=True)
class StandIns:
    """The stand-ins, the stand-ins' certificate authority, and a temporary folder."""

    folder: Path
    tls: Authority
    zoom: RemoteZoom
    s3: RemoteS3

    def task(self, load: Load, *, is_tls: bool) -> Task:
        """Return the task to copy a load."""
        root = self.zoom.tls_url if is_tls else self.zoom.url
        files = tuple(
            File(name, f"{root}/rec/download/{name}", key_of(name), size)
            for name, size in load.files.items()
        )
        endpoint = self.s3.tls_url if is_tls else self.s3.url
        return Task(files, endpoint, str(self.tls.ca_bundle))


@contextmanager
def stand_ins() -> Iterator[StandIns]:
    """Yield both stand-ins and a temporary folder.

    The end of the `with` block ends the stand-ins and removes the folder.
    """
    parent = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="zip-bench-", dir=parent) as name:
        folder = Path(name)
        tls = ensure_authority(folder / "tls")
        with RemoteZoom(tls) as zoom, RemoteS3(tls) as s3:
            yield StandIns(folder, tls, zoom, s3)
