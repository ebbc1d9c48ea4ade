"""The page's API on loopback: the real status function, and an `/ingest` that answers as told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import status_query
from ingester.runtime.api_gateway import Answer, json_answer

ACCEPTED = json_answer(200, {"message": "Ingest accepted"})


@dataclass
class Site:
    """Answers `GET /`, `GET /status` and `POST /ingest` below any base.

    `ingest` is what `/ingest` answers, None for never; `trouble` what `/status` answers instead of
    itself. `posted` are the bodies that came, `asked` the queries.
    """

    deps: status_query.Dependencies
    ingest: Answer | None = ACCEPTED
    trouble: Answer | None = None
    posted: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    origin: str = ""
    over: Event = field(default_factory=Event)

    @property
    def url(self) -> str:
        """The page, as API Gateway's own address has it."""
        return f"{self.origin}/live/"

    def get(self, path: str, query: dict[str, str]) -> Answer:
        if path != "/status":
            return status_query.respond({"resource": "/"}, self.deps)
        self.asked.append(query)
        event = {"resource": "/status", "queryStringParameters": query}
        return self.trouble or status_query.respond(event, self.deps)

    def post(self, body: bytes) -> Answer | None:
        self.posted.append(json.loads(body))
        if self.ingest is None:
            self.over.wait()
        return self.ingest


def _handler_of(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            route = "/status" if address.path.endswith("/status") else "/"
            self.answer(site.get(route, dict(parse_qsl(address.query))))

        def do_POST(self) -> None:
            self.answer(site.post(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, answer: Answer | None) -> None:
            if answer is None:
                return
            body = answer.body.encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    return Handler


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """The site listens for as long as the block lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(site)) as server:
        site.origin = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            site.over.set()
            server.shutdown()
            thread.join()
