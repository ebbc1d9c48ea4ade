"""The page through API Gateway, and the "+Zoom" form of a page elsewhere, in a real browser."""

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

from tests.browser.chromium import PATIENCE, browser_here
from tests.e2e import deployed
from tests.e2e.scene import SERIES, Scene

ASK = """async ([url, body]) => {
    const answer = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Requested-With': 'XMLHttpRequest' },
        body: JSON.stringify(body),
    });
    return [answer.status, await answer.json()];
}"""
"""What the form's script in Opencast does. The browser asks first whether it may."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    yield from browser_here()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty tab."""
    # The local cloud's certificate is of an authority that lives as long as the stack: Chromium
    # knows only its own store, and nothing of it is what is tested here.
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def elsewhere(page: Page, tmp_path: Path) -> Iterator[Page]:
    """A page of another origin, as Opencast's is."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Opencast</title>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Says nothing."""

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


def ask(page: Page, scene: Scene, **body: Any) -> tuple[int, str]:
    """The status and the message, as far as the browser lets the page read them."""
    status, content = page.evaluate(ASK, [f"{scene.driver.state.api_url}/ingest", body])
    return status, str(content.get("message") or content.get("Message"))


@pytest.mark.parametrize("end", ["/", ""])
def test_the_page_through_the_gateway(page: Page, scene: Scene, end: str) -> None:
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    answer = page.goto(scene.driver.state.api_url + end)
    assert answer
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'sha256-" in answer.headers["content-security-policy"]
    expect(page.get_by_role("heading", name="Needs a person")).to_be_visible()
    expect(page.locator("#stack")).to_have_text(scene.driver.state.stack_name)
    assert errors == []


def test_a_recording_is_asked_for_and_followed(page: Page, scene: Scene) -> None:
    recording = scene.lecture(scheduled=False, topic="<img src=x onerror=alert(1)>")
    page.goto(f"{scene.driver.state.api_url}/#request")
    page.get_by_label("Recording (required)").fill(recording.uuid)
    page.get_by_label("Opencast series").fill(SERIES)
    page.get_by_role("button", name="Request ingest").click()
    expect(page.locator("#answer")).to_contain_text("Accepted.")
    scene.until(recording, "SENT_TO_OPENCAST")
    page.get_by_role("link", name="Follow it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("<img src=x onerror=alert(1)>")
    steps = page.get_by_role("list", name="Steps").get_by_role("listitem")
    words = ("Requested", "Received", "Downloading", "Uploading", "In Opencast")
    told = " ".join(steps.all_inner_texts())
    assert [word for word in words if word in told] == list(words)


class TestTheFormOfAnotherPage:
    def test_accepted(self, elsewhere: Page, scene: Scene) -> None:
        recording = scene.lecture(scheduled=False)
        accepted = ask(elsewhere, scene, uuid=recording.uuid, oc_series_id=SERIES)
        assert accepted == (200, "Ingest accepted")
        scene.until(recording, "SENT_TO_OPENCAST")

    def test_refusals_can_be_read(self, elsewhere: Page, scene: Scene) -> None:
        assert ask(elsewhere, scene, uuid=" ") == (400, "The body has no uuid.")
        assert ask(elsewhere, scene, uuid="nobody==") == (
            404,
            "Zoom knows no recording nobody==.",
        )
        unfinished = scene.lecture(processing_asks=1000)
        status, said = ask(elsewhere, scene, uuid=unfinished.uuid)
        assert status == 503
        assert said

    def test_the_gateways_own_refusal_can_be_read(self, elsewhere: Page, scene: Scene) -> None:
        with deployed.kept_out(scene.driver):
            status, said = ask(elsewhere, scene, uuid="x")
        assert status == 403
        assert "not authorized" in said

    def test_the_status_is_not_for_other_pages(self, elsewhere: Page, scene: Scene) -> None:
        """Whoever lures somebody inside the allowed networks to a page can't read it there."""
        url = json.dumps(f"{scene.driver.state.api_url}/status?queues=true")
        read = elsewhere.evaluate(f"fetch({url}).then(() => 'read', () => 'refused')")
        assert read == "refused"
