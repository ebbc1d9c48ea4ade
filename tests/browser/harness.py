"""Harness of the page's tests: Chromium, the page's API on loopback, and readers of the page."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

import status_query
from ingester.runtime.api_gateway import Answer, json_answer

TIMEOUT_MS = 60_000
"""Longest wait for an element of the page in milliseconds, sufficient for a busy machine."""

# Chromium's sandbox doesn't work for root. The last three options turn off calls to other hosts.
ARGUMENTS = (
    *(("--no-sandbox",) if os.geteuid() == 0 else ()),
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
ACCEPTED = json_answer(200, {"message": "Ingest accepted"})


def chromium() -> str:
    """Return the path of Chromium's program, or "" if there is none."""
    return shutil.which("chromium") or ""


def installed_browser() -> Iterator[Browser]:
    """Yield Debian's Chromium. Without Chromium, skip the test, or fail the test in CI."""
    program = chromium()
    if not program:
        message = "No chromium here: `apt-get install chromium` lets the page's tests run."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with launched(program) as browser:
        yield browser


@contextmanager
def launched(program: str, *arguments: str) -> Iterator[Browser]:
    """Run a headless browser during the `with` block, and yield the browser."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=TIMEOUT_MS)
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Site:
    """A server of `GET /`, `GET /status` and `POST /ingest` below any base path.

    The real function answers `GET /status`, unless `error_answer` is set. `ingest` is the answer to
    `POST /ingest`, or None for no answer. `posted` are the bodies sent to `/ingest`.
    `queries` are the query parameters sent to `/status`.
    """

    deps: status_query.Dependencies
    ingest: Answer | None = ACCEPTED
    error_answer: Answer | None = None
    posted: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    origin: str = ""
    over: Event = field(default_factory=Event)

    @property
    def url(self) -> str:
        """The page's address, with a stage as in API Gateway."""
        return f"{self.origin}/live/"

    def get(self, path: str, query: dict[str, str]) -> Answer:
        if path != "/status":
            return status_query.respond({"resource": "/"}, self.deps)
        self.queries.append(query)
        event = {"resource": "/status", "queryStringParameters": query}
        return self.error_answer or status_query.respond(event, self.deps)

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
            """Log nothing."""

    return Handler


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site on loopback during the `with` block, and yield the site."""
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


def open_page(page: Page, site: Site, view: str = "") -> None:
    """Load the page with a view, and wait until the view is complete."""
    page.goto("about:blank")
    page.goto(site.url + view)
    await_view(page)


def await_view(page: Page) -> None:
    """Wait until the page shows its view, or an error."""
    page.wait_for_selector("body[data-ready]:not([data-ready=''])")


def hold(page: Page, pattern: str) -> list[Route]:
    """Hold back requests whose URLs match `pattern`.

    Return a list, to which each held request is appended.
    """
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(pattern, keep)
    return held


def section(page: Page, heading: str) -> Locator:
    """Return the section of the page with this heading."""
    return page.get_by_role("region", name=heading)


def topics(place: Locator) -> list[str]:
    """Return the topics of the recordings that are listed in a place."""
    return place.locator("a.topic").all_inner_texts()


def focused(page: Page) -> str:
    """Return the id, or else the text, of the element with the focus."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.innerText"))


def violations(page: Page) -> list[str]:
    """Return the violations that axe-core is sure of, each with the start of its element's HTML.

    The debugger runs axe-core's script, because the page's Content-Security-Policy forbids foreign
    scripts.
    """
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
