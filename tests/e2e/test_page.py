"""The status page through API Gateway, and the "+Zoom" form of another site, in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.harness import TIMEOUT_MS, installed_browser
from tests.e2e import deployed
from tests.e2e.stack import SERIES, Stack

POST = """async ([url, body]) => {
    const answer = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Requested-With': 'XMLHttpRequest' },
        body: JSON.stringify(body),
    });
    return [answer.status, await answer.json()];
}"""
"""The request of the script in Opencast's form. The browser sends a CORS preflight first."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield Debian's Chromium."""
    yield from installed_browser()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield an empty tab."""
    # Chromium trusts only its own store, which lacks the local certificate authority.
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def other_site(page: Page, tmp_path: Path) -> Iterator[Page]:
    """Yield a page of another origin, such as Opencast's page."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Opencast</title>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            yield page
        finally:
            server.shutdown()
            thread.join()


def post_ingest(page: Page, stack: Stack, **body: Any) -> tuple[int, str]:
    """Send the form's request, and return the status and the message that the page may read."""
    status, content = page.evaluate(POST, [f"{stack.driver.state.api_url}/ingest", body])
    return status, str(content.get("message") or content.get("Message"))


@pytest.mark.parametrize("end", ["/", ""])
def test_the_status_page_is_shown_with_and_without_a_slash_after_the_stage(
    page: Page, stack: Stack, end: str
) -> None:
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    answer = page.goto(stack.driver.state.api_url + end)
    assert answer
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'sha256-" in answer.headers["content-security-policy"]
    expect(page.get_by_role("heading", name="Needs attention")).to_be_visible()
    expect(page.locator("#stack")).to_have_text(stack.name)
    assert errors == []


def test_a_recording_that_is_requested_on_the_status_page_can_be_followed_to_opencast(
    page: Page, stack: Stack
) -> None:
    recording = stack.lecture(scheduled=False, topic="<img src=x onerror=alert(1)>")
    page.goto(f"{stack.driver.state.api_url}/#request")
    page.get_by_label("Recording (required)").fill(recording.uuid)
    page.get_by_label("Opencast series").fill(SERIES)
    page.get_by_role("button", name="Request ingest").click()
    expect(page.locator("#answer")).to_contain_text("Accepted.")
    stack.await_state(recording, "SENT_TO_OPENCAST")
    page.get_by_role("link", name="the recording's view").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("<img src=x onerror=alert(1)>")
    steps = page.get_by_role("list", name="Steps").get_by_role("listitem")
    words = ("Requested", "Received", "Downloading", "Uploading", "In Opencast")
    shown = " ".join(steps.all_inner_texts())
    assert [word for word in words if word in shown] == list(words)


class TestOtherSite:
    def test_another_site_can_request_an_ingest(self, other_site: Page, stack: Stack) -> None:
        recording = stack.lecture(scheduled=False)
        accepted = post_ingest(other_site, stack, uuid=recording.uuid, oc_series_id=SERIES)
        assert accepted == (200, "Ingest accepted")
        stack.await_state(recording, "SENT_TO_OPENCAST")

    def test_another_site_can_read_why_an_ingest_request_is_refused(
        self, other_site: Page, stack: Stack
    ) -> None:
        empty = post_ingest(other_site, stack, uuid=" ")
        assert empty == (400, "The body has no uuid.")
        unknown = post_ingest(other_site, stack, uuid="nobody==")
        assert unknown == (404, "Zoom knows no recording nobody==.")
        unfinished = stack.lecture(processing_asks=1000)
        status, text = post_ingest(other_site, stack, uuid=unfinished.uuid)
        assert status == 503
        assert text

    def test_another_site_can_read_a_refusal_of_api_gateway(
        self, other_site: Page, stack: Stack
    ) -> None:
        with deployed.address_refused(stack.driver):
            status, text = post_ingest(other_site, stack, uuid="x")
        assert status == 403
        assert "not authorized" in text

    def test_another_site_cannot_read_the_status(self, other_site: Page, stack: Stack) -> None:
        # Otherwise, a hostile site could read the status in the browser of an allowed visitor.
        url = json.dumps(f"{stack.driver.state.api_url}/status?queues=true")
        read = other_site.evaluate(f"fetch({url}).then(() => 'read', () => 'refused')")
        assert read == "refused"
