"""Real HTTPS on loopback for tests: a web server that answers as told, and its clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from local.authority import Authority
from local.neighbours.https_server import Answer, HttpsServer, Request

Page = Answer | Callable[[Request], Answer]


@dataclass
class Web:
    """A server of two names, `url` (127.0.0.1) and `other` (localhost); `pages` by path.

    A list of pages is answered one after the other, the last one for good.
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
        """(path, Authorization) of every request so far."""
        return [(one.path, one.headers.get("Authorization", "")) for one in self.seen]

    def forget(self) -> None:
        self.pages.clear()
        self.seen.clear()


@contextmanager
def web_server(tls: Authority) -> Iterator[Web]:
    """A Web that listens for as long as the block lasts."""
    web = Web()
    server = HttpsServer(web.answer, tls.ssl_context())
    web.port = server.port
    server.start()
    try:
        yield web
    finally:
        server.close()


@contextmanager
def client_session(tls: Authority) -> Iterator[requests.Session]:
    """A session that trusts the local authority and nothing of the environment."""
    with requests.Session() as session:
        session.verify = str(tls.ca_bundle)
        session.trust_env = False
        yield session
