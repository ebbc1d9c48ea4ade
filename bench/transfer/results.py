"""The results of measurements, and the file (JSON Lines) that keeps them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from bench.transfer.peers.s3_settings import S3Stats
from bench.transfer.peers.zoom_settings import ZoomStats


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer of `size` bytes in `seconds`, which took `cpu_s` CPU seconds."""

    program: str
    tls: bool
    repetition: int
    size: int
    seconds: float
    cpu_s: float

    @property
    def mbps(self) -> float:
        """Speed in MB/s."""
        return self.size / 1e6 / self.seconds

    @property
    def cpu_s_per_gb(self) -> float:
        """CPU seconds for 1,000,000,000 bytes."""
        return self.cpu_s / (self.size / 1e9)


class Run(Result, frozen=True, kw_only=True, tag="run"):
    """One run of a program.

    Attributes:
        what: The command of the benchmark.
        case, load: Names of the case and of the load.
        connections: The fixed number of connections, or None if the program decided.
        rss_mb: Peak memory in MiB.
        rss_before_mb: Peak memory before the transfer in MiB, or None without a report. 0 if the
            report lacks the memory.
        attempts: Number of retries, or None if the program doesn't count them.
        fetched: Bytes that Zoom sent.
        problem: Reason why the run doesn't count; "" if the run counts.
        zoom, s3: Counters of the stand-ins.
    """

    what: str
    case: str
    load: str
    connections: int | None
    rss_mb: float
    rss_before_mb: float | None
    attempts: int | None
    fetched: int
    problem: str
    zoom: ZoomStats
    s3: S3Stats

    @property
    def ok(self) -> bool:
        """True if the run counts."""
        return not self.problem


class Curl(Result, frozen=True, kw_only=True, tag="curl"):
    """Result of `at_once` parallel curl processes that only download or only upload.

    `program` is `GET` or `PUT`. `peer_cpu_s` are the stand-in's CPU seconds.
    """

    at_once: int
    peer_cpu_s: float


class Killed(msgspec.Struct, frozen=True, kw_only=True, tag="killed"):
    """One copy by the command `kills`. `moments` are the times of the kills.

    Each of `moments` is in seconds after the start of a run. `seconds` is the duration of all runs
    together. `size` and `fetched` are in bytes. `left_open` is the number of open uploads.
    `problem` is the reason why the copy isn't whole, or "".
    """

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


class Continued(msgspec.Struct, frozen=True, kw_only=True, tag="continued"):
    """One copy in one or more invocations of `limit` seconds.

    `size` is in bytes. `seconds` and `fetched` (bytes) have a number for each invocation. `overrun`
    is the number of invocations that were killed. `problem` is the reason why the copy isn't whole,
    or "".
    """

    program: str
    size: int
    limit: float
    seconds: list[float]
    fetched: list[int]
    overrun: int
    problem: str


Line = Run | Curl | Killed | Continued


def write(path: Path | None, line: Line) -> None:
    """Append a result to a file if `path` is given."""
    if path:
        with path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")


def read(paths: Sequence[Path]) -> Iterator[Line]:
    """Yield the results in the files, which hold one JSON object a line."""
    for path in paths:
        for line in path.read_bytes().splitlines():
            if line.strip():
                yield msgspec.json.decode(line, type=Line)
