"""What measurements give, and the file of lines (JSON Lines) that keeps it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from bench.transfer.peers.s3_settings import S3Stats
from bench.transfer.peers.zoom_settings import ZoomStats


class Run(msgspec.Struct, frozen=True, kw_only=True, tag="run"):
    """One run of a program. `what` is the command that measured it.

    `fetched` is what Zoom sent and `size` what was to be copied, in bytes; a run that isn't `ok`
    has a `problem`. `rss_mb` is of 2^20 bytes, `mbps` of 1,000,000 a second.
    """

    what: str
    program: str
    case: str
    load: str
    tls: bool
    repetition: int
    connections: int | None
    size: int
    seconds: float
    cpu_s: float
    rss_mb: float
    rss_before_mb: float | None
    attempts: int | None
    fetched: int
    problem: str
    zoom: ZoomStats
    s3: S3Stats

    @property
    def ok(self) -> bool:
        """Whether everything is in S3 as it has to be."""
        return not self.problem

    @property
    def mbps(self) -> float:
        """MB/s."""
        return self.size / 1e6 / self.seconds

    @property
    def cpu_s_per_gb(self) -> float:
        """CPU seconds for 1,000,000,000 bytes."""
        return self.cpu_s / (self.size / 1e9)


class Curl(msgspec.Struct, frozen=True, kw_only=True, tag="curl"):
    """What curl needs for one direction alone: the yardstick. `program` is `GET` or `PUT`."""

    program: str
    tls: bool
    at_once: int
    repetition: int
    size: int
    seconds: float
    cpu_s: float
    peer_cpu_s: float

    @property
    def mbps(self) -> float:
        """MB/s."""
        return self.size / 1e6 / self.seconds

    @property
    def cpu_s_per_gb(self) -> float:
        """CPU seconds for 1,000,000,000 bytes."""
        return self.cpu_s / (self.size / 1e9)


class Missing(msgspec.Struct, frozen=True, kw_only=True, tag="missing"):
    """A program that can't be measured on this machine."""

    program: str
    needs: str


class Killed(msgspec.Struct, frozen=True, kw_only=True, tag="killed"):
    """One copy that was killed and begun again. `moments` are seconds after each start."""

    program: str
    seed: int
    size: int
    fetched: int
    moments: list[float]
    seconds: float
    left_open: int
    problem: str

    @property
    def ratio(self) -> float:
        """Bytes fetched for each byte of the file."""
        return self.fetched / self.size


class HandedOver(msgspec.Struct, frozen=True, kw_only=True, tag="handed over"):
    """One copy in several invocations of `limit` seconds. `seconds` and `fetched` of each."""

    program: str
    size: int
    limit: float
    seconds: list[float]
    fetched: list[int]
    overrun: int
    problem: str


Line = Run | Curl | Missing | Killed | HandedOver


def write(path: Path | None, line: Line) -> None:
    """Appends a line; without a path it isn't kept."""
    if path:
        with path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")


def read(paths: Sequence[Path]) -> Iterator[Line]:
    """The lines of files."""
    for path in paths:
        for line in path.read_bytes().splitlines():
            if line.strip():
                yield msgspec.json.decode(line, type=Line)
