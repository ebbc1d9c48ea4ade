"""Pages of a web server that stands for Zoom's download host, and a file that is opened there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import urllib3

from ingester.zoom.download import ZoomBody, ZoomFile
from ingester.zoom.download_token import Access, AccessInUse
from ingester.zoom.download_urls import DownloadHosts
from local.neighbours.https_server import Answer, Request
from tests.neighbours import Web

TOKEN = "download-token"
BEARER = f"Bearer {TOKEN}"
FRESH_TOKEN = "fresh-token"
FRESH = f"Bearer {FRESH_TOKEN}"
DIGITS = b"0123456789"


def page(body: bytes = DIGITS, *headers: tuple[str, str], kind: str = "video/mp4") -> Answer:
    """A file on a host that knows no ranges."""
    return Answer(200, (("Content-Type", kind), *headers), body)


def ranged(body: bytes = DIGITS, *headers: tuple[str, str]) -> Callable[[Request], Answer]:
    """A file on a host that knows ranges (RFC 9110, section 14)."""

    def answer(request: Request) -> Answer:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        assert asked
        first, last = int(asked[1]), min(int(asked[2]), len(body) - 1)
        if first > last:
            return Answer(416, (("Content-Range", f"bytes */{len(body)}"),))
        told = ("Content-Range", f"bytes {first}-{last}/{len(body)}")
        kind = ("Content-Type", "video/mp4")
        return Answer(206, (kind, told, *headers), body[first : last + 1])

    return answer


def redirect(to: str, status: int = 302) -> Answer:
    return Answer(status, (("Location", to),))


@dataclass
class Opener:
    """Opens files of a web server, of which 127.0.0.1 is an allowed host and localhost isn't.

    `fresh` are the accesses that Zoom's API gives, one after the other.
    """

    web: Web
    http: urllib3.PoolManager
    access: Access = field(default_factory=lambda: Access(TOKEN, is_fresh=True))
    fresh: list[Access] = field(default_factory=list)
    stall_seconds: float = 30.0
    refreshed: int = 0

    def __post_init__(self) -> None:
        self.in_use = AccessInUse(self.access, self._refresh)

    def _refresh(self) -> Access:
        self.refreshed += 1
        return self.fresh.pop(0)

    def expect(self, *fresh: Access) -> None:
        """From now on the message's own access is in use, with these to follow."""
        self.access, self.fresh, self.refreshed = Access(TOKEN), list(fresh), 0
        self.in_use = AccessInUse(self.access, self._refresh)

    def file(self, url: str = "", file_id: str = "f-1") -> ZoomFile:
        return ZoomFile(
            file_id,
            url or f"{self.web.url}/a",
            self.in_use,
            http=self.http,
            hosts=DownloadHosts(("127.0.0.1",)),
            stall_seconds=self.stall_seconds,
        )

    def fetch(self, url: str = "") -> tuple[ZoomBody, bytes]:
        """Opens a file as a copy does at first, and reads what comes to its end."""
        body = self.file(url).open(0, len(DIGITS) - 1)
        return body, read(body)


def read(body: ZoomBody, length: int = 4) -> bytes:
    """What is left of a body; it is closed."""
    pieces = []
    while piece := body.read(length):
        assert len(piece) <= length
        pieces.append(piece)
    body.close()
    return b"".join(pieces)
