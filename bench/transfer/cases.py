"""The cases in which programs are measured, and the files that the programs copy.

A case keeps its name and its numbers, so that results of different years can be compared. 1 MB is
1,000,000 bytes.
"""

from dataclasses import dataclass, replace
from typing import Literal

from bench.transfer.peers.link import MB
from bench.transfer.peers.s3_settings import Mode, S3Fault, S3Settings
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from bench.transfer.task import BUCKET, TOKEN

LATENCY_MS = 30.0

_ZOOM = ZoomSettings()
_S3 = S3Settings()
_LAMBDA_ZOOM = ZoomSettings(
    conn_mbps=10, link_mbps=75, latency_ms=LATENCY_MS, accept_latency_ms=LATENCY_MS
)
_LAMBDA_S3 = S3Settings(
    conn_mbps=50, link_mbps=75, latency_ms=LATENCY_MS, accept_latency_ms=LATENCY_MS
)
_BUSY_S3 = (
    S3Fault(kind="status", nth=3, times=2, status=503),
    S3Fault(kind="status", nth=10, status=503),
)


@dataclass(frozen=True)
class Load:
    """A set of files that are copied together. `files` has sizes in bytes by name."""

    name: str
    files: dict[str, int]

    @property
    def size(self) -> int:
        """Total size in bytes."""
        return sum(self.files.values())


@dataclass(frozen=True)
class Case:
    """The behaviour of the stand-ins for Zoom and S3.

    While a load is copied, the Zoom stand-in breaks off all open bodies `cuts` times, at regular
    distances in bytes. `how` is "rst" for a TCP reset, or "fin" for an early end.
    """

    name: str
    zoom: ZoomSettings = _ZOOM
    s3: S3Settings = _S3
    cuts: int = 0
    how: Literal["rst", "fin"] = "rst"

    def zoom_settings(self, load: Load) -> ZoomSettings:
        """Return the settings of the Zoom stand-in for a load."""
        cuts = tuple(
            ZoomFault(kind=self.how, total=load.size * number // (self.cuts + 1))
            for number in range(1, self.cuts + 1)
        )
        return replace(self.zoom, files=load.files, token=TOKEN, faults=(*self.zoom.faults, *cuts))

    def s3_settings(self, mode: Mode) -> S3Settings:
        """Return the settings of the S3 stand-in for a mode."""
        return replace(self.s3, bucket=BUCKET, mode=mode)


# bench/README.md describes each case.
CASES = {
    case.name: case
    for case in (
        Case("i"),
        Case("ii", _LAMBDA_ZOOM, _LAMBDA_S3),
        Case("iii", s3=S3Settings(conn_mbps=5)),
        Case("iv", cuts=1),
        Case("ivf", cuts=1, how="fin"),
        Case("ivm", cuts=5),
        Case("v", replace(_LAMBDA_ZOOM, ranges=False), _LAMBDA_S3),
        Case(
            "vi",
            ZoomSettings(faults=(ZoomFault(kind="status", request=2, status=500),)),
            S3Settings(faults=_BUSY_S3),
        ),
        Case("vii", replace(_LAMBDA_ZOOM, conn_mbps=0), _LAMBDA_S3),
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
    """Return a load of one file of `megabytes` MB."""
    return Load(f"1x{megabytes:g}", {f"f{megabytes:g}".replace(".", "-"): int(megabytes * MB)})
