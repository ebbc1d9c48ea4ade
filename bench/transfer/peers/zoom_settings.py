"""Settings, faults and counters of the Zoom stand-in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.transfer.peers.link import LinkSettings

Where = Literal["rec", "cdn"]
Break = Literal["rst", "fin", "stall"]
FaultKind = Break | Literal["status", "empty", "expired", "changed", "whole", "shifted", "headers"]


@dataclass(frozen=True, kw_only=True)
class ZoomFault:
    """A fault at some requests, or at some number of bytes.

    A fault with `request` affects `times` GETs of `where`, from the `request`-th (counted from 1)
    on. A fault with `total` happens once, when the bodies sent since `configure` reach `total`
    bytes: just before the last of these bytes are sent. Only kinds that break off, `expired` and
    `changed` can have a `total`.

    - `rst`, `fin`, `stall`: The answer breaks off by a TCP reset, by a FIN, or by a FIN after
      `seconds` without a byte. With `request`, `after` bytes of the body are sent before (by
      default half of the body; with -1, and at `rec`, not even the head). With `total`, every open
      body breaks off.
    - `status`: The answer is `status` with `body`, `content_type` and, if not empty, `retry_after`.
    - `empty`: The answer is 200 with an empty body.
    - `expired`: From the fault on, all URLs issued before the fault are answered with 403.
    - `changed`: All files get a new version of `size` bytes. With None, the sizes stay.
    - `whole`: The answer is the whole file although a range was requested.
    - `shifted`: The answer to a range with both ends starts `after` bytes (by default 1) too late.
    - `headers`: `headers` replace headers of the answer; "" removes a header. In values, `{first}`
      and `{last}` stand for the range's first and last byte, and `{size}` for the file's size. The
      body isn't longer than a Content-Length in `headers`.
    """

    kind: FaultKind
    where: Where = "cdn"
    request: int | None = None
    times: int = 1
    total: int | None = None
    after: int | None = None
    seconds: float = 0.0
    status: int = 500
    retry_after: str = ""
    body: str = ""
    content_type: str = "text/html"
    size: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.request is None) == (self.total is None):
            raise ValueError("A fault needs either the request or the total at which it happens.")
        if self.total is not None and not (self.breaks_off or self.kind in {"expired", "changed"}):
            raise ValueError(f"A fault {self.kind} can't happen at a total.")

    @property
    def breaks_off(self) -> bool:
        """True if the fault breaks the connection off."""
        return self.kind in {"rst", "fin", "stall"}

    def hits(self, where: Where, number: int) -> bool:
        """Return whether this fault affects the `number`-th GET of `where`."""
        return (
            self.where == where
            and self.request is not None
            and self.request <= number < self.request + self.times
        )


@dataclass(frozen=True, kw_only=True)
class ZoomSettings(LinkSettings):
    """Settings of the stand-in.

    Attributes:
        files: Size of each file in bytes, by name.
        token: The token that downloads need.
        ranges: Whether requests for a range get only that range.
        content_length: Whether answers have a Content-Length.
        etag: Whether answers have an ETag.
        last_modified: Whether answers have a Last-Modified.
        faults: Faults to inject.
    """

    files: dict[str, int] = field(default_factory=dict)
    token: str = "token"  # noqa: S105 - of a server that has nothing worth protecting
    ranges: bool = True
    content_length: bool = True
    etag: bool = True
    last_modified: bool = True
    faults: tuple[ZoomFault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ZoomStats:
    """Counters since the last `configure`.

    Attributes:
        requests: Number of GETs by kind: `rec` (of download URLs), `cdn` and `cdn_range` (of the
            CDN's URLs, without and with a Range).
        body_bytes: Bytes of files that were sent or are being sent.
        connections: Number of connections.
        most_bodies: Largest number of bodies sent at the same time.
        cuts: Number of connections that faults broke off.
        cpu_s: CPU seconds of the process.
    """

    requests: dict[str, int]
    body_bytes: int
    connections: int
    most_bodies: int
    cuts: int
    cpu_s: float
