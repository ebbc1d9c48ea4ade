"""Fixtures: one browser for all tests of a process, and new tables and a new page for each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.browser.harness import TIMEOUT_MS, Site, installed_browser, serving
from tests.browser.recordings import NOW, fill
from tests.cloud import Clock, Cloud, cloud
from tests.function_harness import status_query_dependencies

ZONE = "America/New_York"
REFUSED = "Failed to load resource"
"""The beginning of Chromium's message on the console about an HTTP error or a failed request."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    yield from installed_browser()


@dataclass
class Watch:
    """A page's requested URLs, its uncaught errors, and its console's errors and warnings.

    Messages of the console that begin with a text of `expected` are left out.
    """

    errors: list[str] = field(default_factory=list)
    requested: set[str] = field(default_factory=set)
    expected: tuple[str, ...] = ()

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(self.expected):
            self.errors.append(message.text)


@pytest.fixture(scope="session")
def week() -> list[dict[str, Any]]:
    """Return the status rows of a week.

    All tests of a process share the rows, to save time.
    """
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        with cloud() as aws:
            fill(aws)
            return list(aws.status.scan()["Items"])


@pytest.fixture
def site(aws: Cloud, clock: Clock, week: list[dict[str, Any]]) -> Iterator[Site]:
    """Put a week of rows into the status table, and yield a server of the page and of the API."""
    clock.now = NOW
    with aws.status.batch_writer() as batch:
        for item in week:
            batch.put_item(Item=item)
    with serving(Site(status_query_dependencies(aws, clock))) as site:
        yield site


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def options() -> dict[str, Any]:
    """Return the options of the browser context, which tests set by parameters."""
    return {}


@pytest.fixture
def context(browser: Browser, options: dict[str, Any]) -> Iterator[BrowserContext]:
    context = browser.new_context(timezone_id=ZONE, locale="en-GB", **options)
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, site: Site, watch: Watch) -> Iterator[Page]:
    """Yield an empty tab, then assert that `watch` has no errors and no requests to other sites."""
    page = context.new_page()
    page.clock.install(time=NOW)
    page.on("console", watch.console)
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    page.on("request", lambda request: watch.requested.add(request.url))
    yield page
    assert watch.errors == []
    assert [url for url in watch.requested if not url.startswith((site.origin, "data:"))] == []
