"""How the fake Zoom behaves, what goes wrong in it, and what it counts. All of it is JSON-able."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.transfer.peers.link import LinkSettings

Where = Literal["rec", "cdn"]
Break = Literal["rst", "fin", "stall"]
What = Break | Literal["status", "empty", "expired", "changed", "whole", "shifted", "headers"]


@dataclass(frozen=True, kw_only=True)
class ZoomFault:
    """One thing that goes wrong.

    When: at the `request`-th GET of `where` (from 1) and the `times - 1` after it; or once, as soon
    as the bodies served since `configure` have come to `total` bytes.

    What:
    - `rst`, `fin`, `stall`: the answer breaks off, by a TCP reset, in order, or in order after
      `seconds` without a byte. At a `request`, `after` bytes of its body are sent before (half of
      it if not said, not even the head at -1); at a `total`, every body that is open breaks off.
      An answer of `rec` has no body and isn't sent at all.
    - `status`: the answer is `status` with `body` and, if not empty, `retry_after`.
    - `empty`: 200 and no bytes.
    - `expired`: this GET, and every other with an address handed out so far, is answered with 403.
      A new redirect leads to a good one.
    - `changed`: from this GET on the files are another version, of `size` bytes if that is said.
    - `whole`: the answer is the whole file, whatever range was asked for.
    - `shifted`: the answer is a range `after` bytes (1 if not said) behind the one that was asked
      for, and says so.
    - `headers`: the answer tells `headers` in place of its own, "" not at all. `{first}`, `{last}`
      and `{size}` in them are the range's and the file's. Of the body no more comes than a
      Content-Length among them says.

    The last three are of `cdn`. At a `total` they, `status` and `empty` hit the next GET.
    """

    what: What
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

    def hits(self, where: Where, number: int) -> bool:
        """Whether it happens at the `number`-th GET of `where`."""
        return (
            self.where == where
            and self.request is not None
            and self.request <= number < self.request + self.times
        )


@dataclass(frozen=True, kw_only=True)
class ZoomSettings(LinkSettings):
    """`files` are sizes by name; a file of `folder` is `<name>.mp4` there, and needs no size."""

    files: dict[str, int] = field(default_factory=dict)
    folder: str = ""
    token: str = "token"  # noqa: S105 - of a server that hands out nothing of worth
    ranges: bool = True
    content_length: bool = True
    etag: bool = True
    last_modified: bool = True
    faults: tuple[ZoomFault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ZoomStats:
    """Since the last `configure`.

    `requests` by kind: `rec`, `rec_head`, `cdn` (whole files), `cdn_range`, `cdn_head`.
    `body_bytes` are the files' bytes that were sent, `most_bodies` how many were on their way at
    once, `cuts` how many connections were broken off on purpose. `cpu_s` is the whole process's.
    """

    requests: dict[str, int]
    body_bytes: int
    connections: int
    most_bodies: int
    cuts: int
    cpu_s: float


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request that came: without its signature or token."""

    method: str
    path: str
    range: str
    if_range: str
    authorized: bool
