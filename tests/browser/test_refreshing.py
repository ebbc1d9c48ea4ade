"""Tests of the page over time: refreshes, the view during refreshes, and errors."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from ingester.pipeline.states import State
from ingester.runtime.api_gateway import json_answer
from tests.browser.conftest import REFUSED, Watch
from tests.browser.harness import Site, await_view, hold, open_page, section, topics, violations
from tests.browser.recordings import NOW, Week
from tests.cloud import Clock, Cloud
from tests.hooks import failing


class TestRefreshing:
    def test_the_page_refreshes_after_half_a_minute(
        self, page: Page, site: Site, aws: Cloud
    ) -> None:
        open_page(page, site)
        Week(aws).begin("new==", timedelta(seconds=1), "Just now")
        page.clock.run_for(31_000)
        expect(section(page, "Under way").get_by_text("Just now", exact=True)).to_be_visible()
        assert page.get_by_role("button", name="The list has changed").count() == 0

    def test_the_page_offers_to_show_the_changed_list_while_a_link_in_the_list_has_the_focus(
        self, page: Page, site: Site, aws: Cloud
    ) -> None:
        open_page(page, site)
        link = section(page, "Under way").get_by_role("link").first
        link.focus()
        Week(aws).begin("new==", timedelta(seconds=1), "Just now")
        page.clock.run_for(31_000)
        changed = page.get_by_role("button", name="The list has changed. Show it")
        expect(changed).to_be_visible()
        expect(link).to_be_focused()
        expect(page.locator("#say")).to_have_text("The list has changed.")
        assert page.get_by_role("link", name="Just now").count() == 0
        changed.click()
        expect(section(page, "Under way").get_by_role("link", name="Just now")).to_be_visible()
        expect(changed).to_be_hidden()
        # The page must not offer the same change twice.
        link.focus()
        with page.expect_response(lambda answer: "queues" in answer.url):
            page.clock.run_for(31_000)
        expect(page.locator("#updated")).to_have_text("Updated 14:31")
        expect(changed).to_be_hidden()

    @pytest.mark.parametrize(
        "reads",
        [
            "getSelection().selectAllChildren(document.getElementById('h-now'))",
            "scrollTo(0, 200)",
        ],
        ids=["selected", "scrolled"],
    )
    def test_the_list_does_not_change_while_text_is_selected_or_the_page_is_scrolled(
        self, page: Page, site: Site, aws: Cloud, reads: str
    ) -> None:
        open_page(page, site)
        page.evaluate(reads)
        Week(aws).begin("new==", timedelta(seconds=1), "Just now")
        page.clock.run_for(31_000)
        expect(page.get_by_role("button", name="The list has changed")).to_be_visible()
        assert page.get_by_role("link", name="Just now").count() == 0

    def test_the_list_changes_without_a_click_while_the_focus_is_on_the_heading(
        self, page: Page, site: Site, aws: Cloud
    ) -> None:
        open_page(page, site, "#request")
        page.get_by_role("link", name="Recordings", exact=True).click()
        await_view(page)
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        Week(aws).begin("new==", timedelta(seconds=1), "Just now")
        page.clock.run_for(31_000)
        expect(section(page, "Under way").get_by_role("link", name="Just now")).to_be_visible()

    def test_the_details_of_a_recording_keep_the_focus_when_the_state_of_its_ingest_changes(
        self, page: Page, site: Site, aws: Cloud
    ) -> None:
        open_page(page, site)
        section(page, "Under way").get_by_role("link", name="Organic Chemistry II").first.click()
        await_view(page)
        expect(page.locator("article")).to_contain_text("Waiting for download")
        link = page.get_by_role("link", name="Request an ingest of it")
        link.focus()
        week = Week(aws)
        week.write("fresh==", timedelta(seconds=1), State.OC_SERIES_FOUND, oc_series_id="S")
        page.clock.run_for(31_000)
        expect(page.locator("article h3")).to_contain_text("Downloading")
        announced = "Organic Chemistry II, Section 3: Downloading"
        expect(page.locator("#say")).to_have_text(announced)
        expect(link).to_be_focused()

    def test_the_list_of_today_shows_the_new_day_after_midnight(
        self, page: Page, site: Site, aws: Cloud, clock: Clock
    ) -> None:
        open_page(page, site)
        week = Week(aws)
        clock.forward(hours=10)
        week.begin("late==", -timedelta(hours=9.9), "After midnight")
        page.clock.fast_forward(36_000_000)
        place = section(page, "By day")
        expect(place.get_by_role("link", name="After midnight")).to_be_visible()
        assert topics(place) == ["After midnight"]
        today = place.get_by_role("link", name="Today")
        expect(today).to_have_attribute("aria-current", "date")
        expect(place.get_by_role("link", name="Yesterday")).to_have_attribute(
            "href", "#day=2026-10-14"
        )

    def test_a_hidden_page_does_not_refresh(self, page: Page, site: Site) -> None:
        open_page(page, site)
        turned = """hidden => {
            Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }"""
        page.evaluate(turned, True)
        count = len(site.queries)
        page.clock.run_for(120_000)
        assert len(site.queries) == count
        page.evaluate(turned, False)
        await_view(page)
        expect(page.locator("#updated")).to_have_text("Updated 14:32")
        assert len(site.queries) > count

    def test_a_paused_page_refreshes_only_when_the_button_refresh_is_clicked(
        self, page: Page, site: Site
    ) -> None:
        open_page(page, site)
        page.get_by_role("button", name="Pause").click()
        count = len(site.queries)
        page.clock.run_for(120_000)
        assert len(site.queries) == count
        expect(page.locator("#updated")).to_contain_text("Paused.")
        with page.expect_response(lambda answer: "status" in answer.url):
            page.get_by_role("button", name="Refresh").click()


class TestTrouble:
    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (json_answer(403, {"Message": "explicit deny"}), "You may not read the status from"),
            (json_answer(503, {"message": "The status can't be read now."}), "can't be read now."),
            (json_answer(502, {"message": "Internal server error"}), "Internal server error"),
            (json_answer(504, "x"), "The answer was 504."),
        ],
    )
    def test_the_page_shows_an_error_and_announces_it_once_and_then_announces_its_end(
        self, page: Page, site: Site, watch: Watch, answer: object, words: str
    ) -> None:
        watch.expected = (REFUSED,)
        open_page(page, site)
        site.error_answer = answer  # type: ignore[assignment]  # an Answer, see above
        page.clock.run_for(31_000)
        expect(page.locator("#trouble")).to_contain_text(words)
        expect(page.locator("#trouble")).to_contain_text("What is shown is of 14:30.")
        expect(page.locator("#say")).to_contain_text(words)
        # A screen reader must announce the error once, not every half minute, and announce its end.
        page.evaluate("document.getElementById('say').textContent = 'something else'")
        with page.expect_response(lambda answer: "status" in answer.url):
            page.clock.run_for(31_000)
        page.clock.run_for(5_000)
        expect(page.locator("#say")).to_have_text("something else")
        # The recordings that the page read before the error must stay visible.
        assert topics(section(page, "Needs attention")) == ["Mapping the Ocean", "Data Structures"]
        site.error_answer = None
        page.clock.run_for(31_000)
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#say")).to_have_text("The status can be read again.")

    def test_recordings_are_shown_when_the_messages_on_the_queues_cannot_be_counted(
        self, page: Page, site: Site, watch: Watch, aws: Cloud
    ) -> None:
        watch.expected = (REFUSED,)
        with failing(aws.sqs, "sqs.GetQueueAttributes", "ServiceUnavailable"):
            open_page(page, site)
        place = section(page, "Under way")
        expect(place).to_contain_text("What waits on the queues can't be counted now.")
        assert len(topics(place)) == 4
        assert topics(section(page, "Needs attention")) == ["Mapping the Ocean", "Data Structures"]
        expect(page.locator("#trouble")).to_be_hidden()
        assert violations(page) == []
        page.get_by_role("button", name="Refresh").click()
        expect(place.get_by_text("none given up").first).to_be_visible()
        expect(place).not_to_contain_text("can't be counted")

    def test_the_page_does_not_repeat_the_advice_of_an_error_message(
        self, page: Page, site: Site, watch: Watch
    ) -> None:
        watch.expected = (REFUSED,)
        site.error_answer = json_answer(
            503, {"message": "The status can't be read now. Try again later."}
        )
        open_page(page, site)
        expect(page.locator("#trouble")).to_have_text(
            "The status can't be read now. Try again later. It is retried automatically."
        )

    def test_a_day_that_cannot_be_loaded_shows_no_recordings_of_another_day(
        self, page: Page, site: Site, watch: Watch
    ) -> None:
        watch.expected = (REFUSED,)
        open_page(page, site)
        place = section(page, "By day")
        site.error_answer = json_answer(503, {"message": "x"})
        page.get_by_role("link", name="Yesterday").click()
        expect(page.locator("#trouble")).to_be_visible()
        expect(place).to_contain_text("Not loaded.")
        page.get_by_role("radio", name="Ignored").check()
        assert topics(place) == []
        page.get_by_label("Search all seven days").fill("e")
        expect(section(page, "Search")).to_contain_text("Not loaded.")
        page.get_by_label("Search all seven days").fill("")
        expect(page.locator("#c-")).to_have_text("\u2013")
        expect(page.locator("#say")).not_to_contain_text("recordings")
        # The error of one section must not empty another section.
        assert topics(section(page, "Needs attention")) == ["Mapping the Ocean", "Data Structures"]
        site.error_answer = None
        page.get_by_role("button", name="Refresh").click()
        expect(place.get_by_role("link", name="Office hours").first).to_be_visible()

    def test_the_page_says_that_the_pipeline_cannot_be_reached_when_requests_fail(
        self, page: Page, site: Site, watch: Watch
    ) -> None:
        watch.expected = (REFUSED,)
        page.route("**/status?*", lambda route: route.abort())
        open_page(page, site)
        expect(page.locator("#trouble")).to_contain_text("The pipeline can't be reached.")
        expect(section(page, "Needs attention")).to_contain_text("Not loaded.")
        page.unroute("**/status?*")
        page.get_by_role("button", name="Refresh").click()
        expect(page.locator("#trouble")).to_be_hidden()
        expect(section(page, "Needs attention")).to_contain_text("Data Structures")


def test_the_page_shows_ages_by_the_clock_of_the_server_when_the_computers_clock_is_hours_off(
    page: Page, site: Site
) -> None:
    page.clock.set_system_time(NOW + timedelta(hours=3))
    open_page(page, site)
    expect(section(page, "Needs attention")).to_contain_text("4 h 24 min ago")


@pytest.mark.parametrize("days", [-2.0, 2.0])
def test_the_page_shows_days_by_the_clock_of_the_server_when_the_computers_clock_is_days_off(
    page: Page, site: Site, days: float
) -> None:
    page.clock.set_system_time(NOW + timedelta(days=days))
    open_page(page, site)
    assert topics(section(page, "Needs attention")) == ["Mapping the Ocean", "Data Structures"]
    expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "date")
    assert "Microeconomic Theory" in topics(section(page, "By day"))


def test_a_day_that_is_being_loaded_shows_no_recordings_of_another_day(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    held = hold(page, "**/status?*")
    with page.expect_request(lambda request: "until=" in request.url):
        page.get_by_role("link", name="Yesterday").click()
    place = section(page, "By day")
    assert topics(place) == []
    expect(place).to_contain_text("Loading…")
    expect(page.locator("#say")).to_have_text("")
    for route in held:
        route.continue_()
    expect(place.get_by_role("link", name="Data Structures").first).to_be_visible()


def test_a_search_shows_no_recordings_of_a_day_while_the_rows_are_being_loaded(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    held = hold(page, "**/status?*")
    with page.expect_request(lambda request: "since=" in request.url):
        page.get_by_label("Search all seven days").fill("off")
    place = section(page, "Search")
    assert topics(place) == []
    expect(place).to_contain_text("Loading…")
    # Words that are typed while the rows load have to filter the rows, without another request.
    page.get_by_label("Search all seven days").fill("private2==")
    assert len(held) == 1
    held[0].continue_()
    expect(place.get_by_role("link", name="Office hours 3", exact=True)).to_be_visible()
    assert topics(place) == ["Office hours 3"]


def test_the_page_ignores_an_answer_for_the_list_when_the_person_has_opened_the_form(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    held = hold(page, "**/status?*")
    with page.expect_request(lambda request: "until=" in request.url):
        page.get_by_role("button", name="Refresh").click()
    page.get_by_role("link", name="Request an ingest").click()
    assert len(held) == 3
    for route in held:
        with page.expect_event("requestfinished"):
            route.continue_()
    page.unroute("**/status?*")
    # Once the answer to this later request is read, the page has read the earlier answers too.
    page.evaluate("fetch('status?queues=true').then(answer => answer.text())")
    expect(page.locator("body")).to_have_attribute("data-ready", "request")
    expect(page.locator("#say")).to_have_text("")
