"""Stand-in for DCE's Opencast that lists scheduled classes over HTTPS with Digest sign-in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from local.authority import Authority
from local.neighbours.https_server import Answer, Request, json_answer
from local.neighbours.opencast import default_users
from local.neighbours.opencast_signin import SignIn, UnauthorizedError
from local.neighbours.opencast_store import Store, Switches
from tests.neighbours import served

PATH = "/otherpubs/search/series.json"


def listed(number: int = 86168921331, **changes: Any) -> dict[str, Any]:
    """Return a scheduled class as DCE's Opencast lists it."""
    return {
        "zoomLink": f"https://example.zoom.us/j/{number}?pwd=topsecret",
        "seriesId": "20260112345",
        "seriesNumber": "HIST E-1010",
        "day": "MON",
        "time": "02:30 PM",
        **changes,
    }


@dataclass
class ClassListing:
    """The stand-in's scheduled classes and settings, and the authenticated requests it received.

    A page lists at most `page_size` scheduled classes. Unless None, `content` replaces the list's
    answer, and `total` replaces the number of scheduled classes.
    """

    sign_in: SignIn
    port: int = 0
    classes: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 1000
    total: object = None
    content: Answer | None = None
    seen: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, request: Request) -> Answer:
        """Answer as Opencast does. Only a request that asks for Digest gets a challenge."""
        if request.headers.get("X-Requested-Auth") != "Digest":
            return Answer(302, (("Location", "/login.html"),))
        try:
            user = self.sign_in.user(request.method, request.headers)
        except UnauthorizedError as error:
            return Answer(401, (("WWW-Authenticate", error.challenge),))
        if not user:
            return Answer(401, (("WWW-Authenticate", self.sign_in.challenge()),))
        self.seen.append(request)
        if self.content:
            return self.content
        if request.path != PATH:
            return Answer(404)
        return json_answer(200, {"helixEvents": self._page(int(request.query.get("offset", "0")))})

    def _page(self, offset: int) -> dict[str, Any]:
        rows = self.classes[offset : offset + self.page_size]
        total = len(self.classes) if self.total is None else self.total
        if not rows:
            return {"total": total}
        return {"total": total, "resultSet": rows if len(rows) > 1 else rows[0]}


@contextmanager
def class_listing(tls: Authority, user: str, password: str) -> Iterator[ClassListing]:
    """Serve scheduled classes to `user` during the `with` block, and yield the stand-in."""
    store = Store(
        users=default_users(user, password),
        workflows=(),
        default_workflow="none",
        switches=Switches(),
        clock=time.time,
        random=Random(1),
    )
    listing = ClassListing(SignIn(store))
    with served(listing.answer, tls) as listing.port:
        yield listing
