"""DCE's Opencast as it lists its classes: over HTTPS on loopback, for who signs in by Digest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from local.authority import Authority
from local.neighbours.https_server import Answer, HttpsServer, Request, json_answer
from local.neighbours.opencast import default_users
from local.neighbours.opencast_signin import SignIn, UnauthorizedError
from local.neighbours.opencast_store import Store, Switches

PATH = "/otherpubs/search/series.json"


def listed(number: int = 86168921331, **changes: Any) -> dict[str, Any]:
    """A class as the endpoint lists it."""
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
    """What is listed, how many at once, and the requests that got through the sign-in.

    `content` is answered in place of the classes, `total` told in place of their number.
    """

    sign_in: SignIn
    port: int = 0
    classes: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 1000
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
        """Opencast's answer: a challenge comes only to who asks for Digest in so many words."""
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
        rows = self.classes[offset : offset + self.at_once]
        total = len(self.classes) if self.total is None else self.total
        if not rows:
            return {"total": total}
        return {"total": total, "resultSet": rows if len(rows) > 1 else rows[0]}


@contextmanager
def class_listing(tls: Authority, user: str, password: str) -> Iterator[ClassListing]:
    """A listing that is served for as long as the block lasts."""
    store = Store(
        users=default_users(user, password),
        workflows=(),
        default_workflow="none",
        switches=Switches(),
        clock=time.time,
        random=Random(1),
    )
    listing = ClassListing(SignIn(store))
    server = HttpsServer(listing.answer, tls.ssl_context())
    listing.port = server.port
    server.start()
    try:
        yield listing
    finally:
        server.close()
