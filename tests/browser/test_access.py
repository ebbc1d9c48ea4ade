"""Tests of the page's accessibility: keyboard, screen reader, narrow windows, colours, motion."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ingester.runtime.api_gateway import json_answer
from tests.browser.conftest import REFUSED, Watch
from tests.browser.harness import Site, await_view, focused, open_page, violations

VIEWS = (
    "",
    "#day=2026-10-13",
    "#meeting=96655443322",
    "#recording=hostile%3D%3D",
    "#recording=nobody",
    "#request",
)
OPTIONS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 640}, "has_touch": True},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_axe_finds_no_violation_in_the_lists_the_details_the_form_and_an_error(
    page: Page, site: Site, watch: Watch
) -> None:
    watch.expected = (REFUSED,)
    for view in VIEWS:
        open_page(page, site, view)
        assert violations(page) == [], view
    page.get_by_role("button", name="Request ingest").click()
    assert violations(page) == []
    site.ingest = json_answer(404, {"message": "Zoom knows no such recording."})
    page.get_by_label("Recording (required)").fill("x")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("There is no such recording.")
    assert violations(page) == []
    site.error_answer = json_answer(503, {"message": "Try again later."})
    open_page(page, site)
    expect(page.locator("#trouble")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("options", [OPTIONS["narrow"]])
def test_status_page_is_never_wider_than_a_narrow_window(page: Page, site: Site) -> None:
    for view in VIEWS:
        open_page(page, site, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_axe_finds_no_violation_in_a_search_and_a_filled_form_in_any_window(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    page.get_by_label("Search all seven days").fill("data")
    expect(page.locator("#c-")).to_have_text("4")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    open_page(page, site, "#request&uuid=gone%3D%3D")
    page.clock.run_for(500)
    expect(page.locator("#about")).to_contain_text("Data Structures")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("options", "background"),
    [({"color_scheme": "light"}, "rgb(255, 255, 255)"), ({"color_scheme": "dark"}, "rgb(16, 20")],
)
def test_the_background_of_the_page_follows_the_color_scheme(
    page: Page, site: Site, background: str
) -> None:
    open_page(page, site)
    shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert shown.startswith(background)


@pytest.mark.parametrize("options", [{"reduced_motion": "reduce"}])
def test_the_page_animates_nothing_when_reduced_motion_is_preferred(page: Page, site: Site) -> None:
    open_page(page, site)
    assert page.evaluate(
        "[...document.querySelectorAll('*')].map(element => getComputedStyle(element))"
        ".every(style => style.transitionDuration === '0s' && style.animationName === 'none')"
    )


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focused element's id or text begins with `name`.

    Raises:
        AssertionError: 80 presses reach no such element.
    """
    for _ in range(80):
        page.keyboard.press("Tab")
        if focused(page).startswith(name):
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_a_recording_and_a_meeting_can_be_opened_by_keyboard(page: Page, site: Site) -> None:
    open_page(page, site)
    page.keyboard.press("Tab")
    assert focused(page) == "skip"
    page.keyboard.press("Enter")
    assert focused(page) == "main"
    page.keyboard.press("Tab")
    assert focused(page) == "Mapping the Ocean"
    page.keyboard.press("Enter")
    await_view(page)
    # The heading of the new view has the focus, so that Tab goes to the next element below.
    expect(page.get_by_role("heading", level=1, name="Mapping the Ocean")).to_be_focused()
    page.keyboard.press("Tab")
    assert focused(page) == "Meeting 958 4663 6714"
    page.go_back()
    await_view(page)
    tab_to(page, "meeting")
    page.keyboard.type("96655443322")
    page.keyboard.press("Enter")
    await_view(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Data Structures")


def test_the_filters_can_be_used_by_keyboard(page: Page, site: Site) -> None:
    open_page(page, site)
    page.get_by_role("radio", name="All").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Needs attention")).to_be_checked()
    expect(page.locator("#say")).to_have_text("1 recording")
    tab_to(page, "words")
    page.keyboard.type("nothing like it")
    expect(page.locator("#say")).to_have_text("0 recordings")


def test_the_link_of_a_day_keeps_the_focus_when_the_day_is_loaded(page: Page, site: Site) -> None:
    open_page(page, site)
    yesterday = page.get_by_role("link", name="Yesterday")
    yesterday.focus()
    page.keyboard.press("Enter")
    expect(yesterday).to_have_attribute("aria-current", "date")
    await_view(page)
    expect(yesterday).to_be_focused()


def test_request_form_can_be_filled_and_sent_by_keyboard(page: Page, site: Site) -> None:
    open_page(page, site)
    tab_to(page, "to-request")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("gone==")
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("Accepted.")
    assert site.posted == [
        {"uuid": "gone==", "allow_multiple_ingests": False, "ingest_all_mp4": True}
    ]


def test_a_screen_reader_gets_landmarks_headings_and_states_as_words(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    for landmark in ("banner", "main", "search"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    outline = page.locator("h1:visible, h2:visible").all_inner_texts()
    assert outline == ["Recordings", "Needs attention 2", "Under way 4", "By day"]
    # A screen reader must not announce the icons of states.
    assert page.locator("svg:not([aria-hidden=true])").count() == 0
    expect(page.get_by_role("listitem").filter(has_text="Upload failed").first).to_be_visible()
