"""Answers of a web server in place of Zoom's download host, and an opener of the server's files."""

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
    """Return the answer of a host without ranges: status 200 and the whole file."""
    return Answer(200, (("Content-Type", kind), *headers), body)


def ranged(body: bytes = DIGITS, *headers: tuple[str, str]) -> Callable[[Request], Answer]:
    """Return a page of the web server that answers requests for ranges (RFC 9110, section 14)."""

    def answer(request: Request) -> Answer:
        requested = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        assert requested
        first, last = int(requested[1]), min(int(requested[2]), len(body) - 1)
        if first > last:
            return Answer(416, (("Content-Range", f"bytes */{len(body)}"),))
        content_range = ("Content-Range", f"bytes {first}-{last}/{len(body)}")
        kind = ("Content-Type", "video/mp4")
        return Answer(206, (kind, content_range, *headers), body[first : last + 1])

    return answer


def redirect(to: str, status: int = 302) -> Answer:
    return Answer(status, (("Location", to),))


@dataclass
class Opener:
    """An opener of files of a web server that is allowed as 127.0.0.1, but not as localhost.

    `fresh` are the accesses that Zoom's API returns, in order.
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
        """Use an access that isn't fresh, and the accesses `fresh` after refusals.

        Set the count of refreshes to 0.
        """
        self.access, self.fresh, self.refreshed = Access(TOKEN), list(fresh), 0
        self.in_use = AccessInUse(self.access, self._refresh)

    def file(self, url: str = "", file_id: str = "f-1", *, is_json: bool = False) -> ZoomFile:
        return ZoomFile(
            file_id,
            url or f"{self.web.url}/a",
            self.in_use,
            http=self.http,
            hosts=DownloadHosts(("127.0.0.1",)),
            stall_seconds=self.stall_seconds,
            is_json=is_json,
        )

    def fetch(self, url: str = "") -> tuple[ZoomBody, bytes]:
        """Request the first ten bytes of a file. Return the body and all bytes of the answer."""
        body = self.file(url).open(0, len(DIGITS) - 1)
        return body, read(body)


def read(body: ZoomBody, length: int = 4) -> bytes:
    """Return the rest of a body, read in chunks of at most `length` bytes, and close the body."""
    chunks = []
    while chunk := body.read(length):
        assert len(chunk) <= length
        chunks.append(chunk)
    body.close()
    return b"".join(chunks)
