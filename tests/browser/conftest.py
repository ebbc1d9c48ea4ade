"""A browser for all tests of a process, and for each the page over tables of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.browser.chromium import PATIENCE, browser_here
from tests.browser.recordings import NOW, fill
from tests.browser.site import Site, serving
from tests.cloud import Clock, Cloud, cloud
from tests.function_harness import status_tools

ZONE = "America/New_York"
REFUSED = "Failed to load resource"
"""What Chromium writes to the console of every answer that is an error."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    yield from browser_here()


@dataclass
class Watch:
    """What a page wrote to its console, and whom it asked. `meant` are beginnings of errors."""

    errors: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    meant: tuple[str, ...] = ()

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(self.meant):
            self.errors.append(message.text)


@pytest.fixture(scope="session")
def week() -> list[dict[str, Any]]:
    """The rows of a week, written once: that takes longer than a test."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        with cloud() as aws:
            fill(aws)
            return list(aws.status.scan()["Items"])


@pytest.fixture
def site(aws: Cloud, clock: Clock, week: list[dict[str, Any]]) -> Iterator[Site]:
    """The API, with a week of recordings."""
    clock.now = NOW
    with aws.status.batch_writer() as batch:
        for item in week:
            batch.put_item(Item=item)
    with serving(Site(status_tools(aws, clock))) as made:
        yield made


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def options() -> dict[str, Any]:
    """The browser's window and taste, for a test to change by parameters."""
    return {}


@pytest.fixture
def context(browser: Browser, options: dict[str, Any]) -> Iterator[BrowserContext]:
    made = browser.new_context(timezone_id=ZONE, locale="en-GB", **options)
    made.set_default_timeout(PATIENCE)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, site: Site, watch: Watch) -> Iterator[Page]:
    """An empty tab, whose console stays empty and which asks nobody but the site."""
    made = context.new_page()
    made.clock.install(time=NOW)
    made.on("console", watch.console)
    made.on("pageerror", lambda error: watch.errors.append(str(error)))
    made.on("request", lambda request: watch.asked.add(request.url))
    yield made
    assert watch.errors == []
    assert {url for url in watch.asked if not url.startswith((site.origin, "data:"))} == set()
