"""The cases in which programs are measured, and how much each has to copy. 1 MB is 1,000,000 bytes.

A case keeps its name and its numbers, so that figures of different years can be compared.
"""

from dataclasses import dataclass, replace
from typing import Literal

from bench.transfer.peers.s3_settings import Mode, S3Fault, S3Settings
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from bench.transfer.task import BUCKET, TOKEN

MB = 1_000_000
AWAY_MS = 30.0
"""Milliseconds that an answer and a new connection take."""

_ZOOM = ZoomSettings()
_S3 = S3Settings()
_LAMBDA_ZOOM = ZoomSettings(
    conn_mbps=10, link_mbps=75, latency_ms=AWAY_MS, accept_latency_ms=AWAY_MS
)
_LAMBDA_S3 = S3Settings(conn_mbps=50, link_mbps=75, latency_ms=AWAY_MS, accept_latency_ms=AWAY_MS)
_BUSY_S3 = (
    S3Fault(what="status", nth=3, times=2, status=503),
    S3Fault(what="status", nth=10, status=503),
)


@dataclass(frozen=True)
class Load:
    """Files that are copied in one go: sizes in bytes by name."""

    name: str
    files: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(self.files.values())


@dataclass(frozen=True)
class Case:
    """How both peers behave. Every open body of Zoom's breaks off `cuts` times, by `how`."""

    name: str
    says: str
    zoom: ZoomSettings = _ZOOM
    s3: S3Settings = _S3
    cuts: int = 0
    how: Literal["rst", "fin"] = "rst"

    def zoom_settings(self, load: Load) -> ZoomSettings:
        """Zoom's side, with the load's files; the cuts are evenly spread over its bytes."""
        faults = tuple(
            ZoomFault(what=self.how, total=load.size * number // (self.cuts + 1))
            for number in range(1, self.cuts + 1)
        )
        return replace(
            self.zoom, files=load.files, token=TOKEN, faults=(*self.zoom.faults, *faults)
        )

    def s3_settings(self, mode: Mode) -> S3Settings:
        """S3's side."""
        return replace(self.s3, bucket=BUCKET, mode=mode)


CASES = {
    case.name: case
    for case in (
        Case("i", "no caps"),
        Case(
            "ii",
            "as a Lambda sees it: Zoom 10 MB/s a connection, S3 50 MB/s a connection, 30 ms an "
            "answer and a connection, 75 MB/s each way",
            _LAMBDA_ZOOM,
            _LAMBDA_S3,
        ),
        Case("iii", "slow S3: 5 MB/s a connection", s3=S3Settings(conn_mbps=5)),
        Case("iv", "every open body of Zoom's is reset once, halfway", cuts=1),
        Case("ivf", "as iv, but closed in order", cuts=1, how="fin"),
        Case("ivm", "as iv, five times", cuts=5),
        Case(
            "v", "as ii, but Zoom knows no ranges", replace(_LAMBDA_ZOOM, ranges=False), _LAMBDA_S3
        ),
        Case(
            "vi",
            "S3 answers 503 to the 3rd, 4th and 10th part, Zoom 500 to the 2nd GET of a file",
            ZoomSettings(faults=(ZoomFault(what="status", request=2, status=500),)),
            S3Settings(faults=_BUSY_S3),
        ),
        Case(
            "vii",
            "as ii, but no cap on Zoom's connections",
            replace(_LAMBDA_ZOOM, conn_mbps=0),
            _LAMBDA_S3,
        ),
    )
}

LOADS = {
    load.name: load
    for load in (
        Load("1x512", {"f512": 512 * MB}),
        Load("4x256", {f"f256-{number}": 256 * MB for number in range(1, 5)}),
    )
}


def one_file(megabytes: float) -> Load:
    """A load of one file of any size."""
    return Load(f"1x{megabytes:g}", {f"f{megabytes:g}".replace(".", "-"): int(megabytes * MB)})
