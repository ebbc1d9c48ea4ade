"""How tests look at the page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.browser.site import Site

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


def open_page(page: Page, site: Site, view: str = "") -> None:
    """Opens a view, anew, and waits until it shows something."""
    page.goto("about:blank")
    page.goto(site.url + view)
    ready(page)


def ready(page: Page) -> None:
    """Waits until the page shows what it was asked for, or says why not."""
    page.wait_for_selector("body[data-ready]:not([data-ready=''])")


def section(page: Page, heading: str) -> Locator:
    """The part of the page below a heading."""
    return page.get_by_role("region", name=heading)


def topics(place: Locator) -> list[str]:
    """The recordings listed in a part, by topic."""
    return place.locator("a.topic").all_inner_texts()


def focused(page: Page) -> str:
    """The text, or the id, of what has the focus."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.innerText"))


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong, as far as it is sure. Evaluated over the debugger's protocol,
    past the page's policy, which would not let it in."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]
    ]
