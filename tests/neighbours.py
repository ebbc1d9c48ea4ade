"""HTTPS on loopback for tests: a web server with chosen answers, and its clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from local.authority import Authority
from local.neighbours.https_server import Answer, HttpsServer, Request

Page = Answer | Callable[[Request], Answer]

CONTROL_TOKEN = "control"
CONTROL = {"Authorization": f"Bearer {CONTROL_TOKEN}"}
"""The header of requests to the control paths of the stand-ins."""


@dataclass
class Web:
    """A web server with two names, `url` (127.0.0.1) and `other` (localhost).

    `pages` are the answers by path. If a path has a list, the server gives the list's answers in
    order and repeats the last. The server answers 404 to all other paths.
    """

    port: int = 0
    pages: dict[str, Page | list[Page]] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def other(self) -> str:
        return f"https://localhost:{self.port}"

    def answer(self, request: Request) -> Answer:
        self.seen.append(request)
        page = self.pages.get(request.path, Answer(404))
        if isinstance(page, list):
            page = page.pop(0) if len(page) > 1 else page[0]
        return page if isinstance(page, Answer) else page(request)

    def tokens(self) -> list[tuple[str, str]]:
        """Return the path and the Authorization header, or "", of every request in `seen`."""
        return [(request.path, request.headers.get("Authorization", "")) for request in self.seen]

    def forget(self) -> None:
        self.pages.clear()
        self.seen.clear()


@contextmanager
def served(answer: Callable[[Request], Answer], tls: Authority) -> Iterator[int]:
    """Serve answers on loopback during the `with` block. Yield the port."""
    server = HttpsServer(answer, tls.ssl_context())
    server.start()
    try:
        yield server.port
    finally:
        server.close()


@contextmanager
def web_server(tls: Authority) -> Iterator[Web]:
    """Serve an empty Web during the `with` block, and yield the Web."""
    web = Web()
    with served(web.answer, tls) as web.port:
        yield web


@contextmanager
def client_session(tls: Authority) -> Iterator[requests.Session]:
    """Yield a session that trusts the local authority and ignores the environment."""
    with requests.Session() as session:
        session.verify = str(tls.ca_bundle)
        session.trust_env = False
        yield session
