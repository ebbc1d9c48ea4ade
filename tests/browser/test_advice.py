"""What the page tells a person to do about a recording, and when it leads to the form."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from ingester import timestamps
from ingester.pipeline.reasons import INVALID_SERIES
from ingester.pipeline.states import Origin, State
from ingester.recording.files import Subject
from ingester.status.row import Asked
from ingester.status.table import Requested, StatusChange, StatusTable
from tests.browser.looking import open_page, section, topics
from tests.browser.recordings import NOW, Week
from tests.browser.site import Site
from tests.cloud import Clock, Cloud


def test_a_next_try_that_waits_for_its_turn(page: Page, site: Site, aws: Cloud) -> None:
    week = Week(aws)
    week.begin("busy==", timedelta(hours=3), "A busy day")
    due = timestamps.write(NOW - timedelta(minutes=35))
    reason = "Unable to reach Opencast."
    week.write("busy==", timedelta(minutes=40), State.UPLOADER_FAILED, reason, retry_due=due)
    open_page(page, site)
    shown = section(page, "Under way").locator("li").filter(has_text="A busy day")
    expect(shown).to_contain_text("Its next try waits for its turn, due 35 min ago")


def test_commands_are_folded_up_for_operators(page: Page, site: Site, aws: Cloud) -> None:
    open_page(page, site)
    place = section(page, "Needs a person")
    command = place.get_by_text("invoke exec.pipeline 8dXp112QmuoKj48w== --oc-series-id SERIES")
    expect(command).to_be_hidden()
    place.get_by_text("For operators").first.click()
    expect(command).to_be_visible()
    # It stays unfolded when the page asks anew.
    Week(aws).begin("new==", timedelta(seconds=1), "Just now")
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("link", name="Just now").first).to_be_visible()
    expect(command).to_be_visible()
    expect(place.get_by_text("invoke queue.retry-downloads")).to_be_hidden()


def test_a_producer_is_led_to_the_form(page: Page, site: Site) -> None:
    open_page(page, site)
    place = section(page, "Needs a person")
    place.get_by_role("link", name="Request it: Mapping the Ocean").click()
    expect(page.get_by_label("Recording (required)")).to_have_value("8dXp112QmuoKj48w==")
    open_page(page, site, "#recording=private0==")
    article = page.locator("article")
    expect(article).to_contain_text("No class at that time: request it with its series.")
    expect(article.get_by_role("link", name="Request it: Office hours 1")).to_be_visible()
    expect(article.locator("code").first).to_be_hidden()


@pytest.mark.parametrize(
    ("reason", "series"),
    [(f"permanent failure: {INVALID_SERIES}", ""), ("Unable to reach Opencast.", "S1")],
)
def test_a_series_that_opencast_doesn_t_have_isn_t_offered_again(
    page: Page, site: Site, aws: Cloud, reason: str, series: str
) -> None:
    week = Week(aws)
    week.begin("s==", timedelta(hours=3), "Asked for", origin=Origin.ON_DEMAND)
    asked = Asked(oc_series_id="S1", oc_workflow="w")
    week.write("s==", timedelta(hours=2.9), State.SENT_TO_DOWNLOADER, asked=asked)
    week.write("s==", timedelta(hours=2.5), State.UPLOADER_FAILED, reason, oc_series_id="S1")
    open_page(page, site)
    page.get_by_role("link", name="Request it: Asked for").first.click()
    expect(page.get_by_label("Recording (required)")).to_have_value("s==")
    expect(page.get_by_label("Opencast series")).to_have_value(series)
    expect(page.get_by_label("Opencast workflow")).to_have_value("w")


def test_a_series_that_nobody_asked_for_is_left_to_the_schedule(
    page: Page, site: Site, aws: Cloud
) -> None:
    """Requested as its own, the default series would go before the class that was added since."""
    week = Week(aws)
    week.begin("d==", timedelta(hours=3), "Stood in for")
    week.write("d==", timedelta(hours=2.8), State.OC_SERIES_FOUND, oc_series_id="DEFAULT")
    week.write("d==", timedelta(hours=2.5), State.DOWNLOADER_FAILED, "permanent failure: x")
    open_page(page, site)
    link = page.get_by_role("link", name="Request it: Stood in for").first
    expect(link).to_have_attribute("href", "#request&uuid=d%3D%3D")


def test_what_opencast_may_have_is_requested_again(page: Page, site: Site, aws: Cloud) -> None:
    """The ledger has the ingest: another request makes no second one."""
    week = Week(aws)
    week.begin("m==", timedelta(hours=8), "Sent, perhaps")
    reason = "The ingest was sent to Opencast: look for it in Opencast: an operator is needed"
    asked = Asked(allow_multiple_ingests=True)
    week.write("m==", timedelta(hours=1), State.UPLOADER_FAILED, reason, asked=asked)
    open_page(page, site)
    shown = section(page, "Needs a person").locator("li").filter(has_text="Sent, perhaps")
    expect(shown).to_contain_text("Request it again; if that fails too, tell an operator.")
    # The form asks for no second ingest, whatever the first request did.
    link = shown.get_by_role("link", name="Request it: Sent, perhaps")
    expect(link).to_have_attribute("href", "#request&uuid=m%3D%3D")
    open_page(page, site, "#recording=m==")
    expect(page.locator("article")).to_contain_text("Asked for\nagain", use_inner_text=True)
    link = page.get_by_role("link", name="Request an ingest of it")
    expect(link).to_have_attribute("href", "#request&uuid=m%3D%3D")


def test_what_another_stack_may_bring_in_is_left_to_an_operator(
    page: Page, site: Site, aws: Cloud
) -> None:
    item = {"zip_id": "auto-ingest-old==", "meeting_id": 5, "recording_id": "old=="}
    times = {"update_date": "2026-10-14", "update_time": 60_000}
    failed = {"pipeline_state": "UPLOADER_FAILED", "reason": "Unable to reach Opencast."}
    aws.status.put_item(Item={**item, **times, **failed})
    open_page(page, site, "#meeting=5")
    article = page.locator("article")
    expect(article).to_contain_text("Tell an operator.")
    expect(article.get_by_role("link")).to_have_count(0)


def test_what_a_later_request_brought_in_needs_nobody(page: Page, site: Site, aws: Cloud) -> None:
    status = StatusTable(aws.status, Clock(NOW))
    subject = Subject(
        meeting_id=96655443322,
        recording_id="gone==",
        topic="Data Structures",
        start_time="2026-10-13T13:32:00Z",
        origin=Origin.ON_DEMAND,
    )
    status.write(
        "on-demand-1",
        StatusChange(State.ON_DEMAND_RECEIVED, subject=subject, requested=Requested.NOW),
    )
    open_page(page, site, "#day=2026-10-13")
    assert topics(section(page, "Needs a person")) == ["Mapping the Ocean"]
    place = section(page, "By day")
    page.get_by_role("radio", name="Under way").check()
    assert topics(place) == ["Data Structures"]
    waits = section(page, "Under way").locator("li").filter(has_text="Download failed").last
    expect(waits).to_contain_text("Wait: another request for it is on its way to Opencast.")
    expect(waits.locator(".state")).to_have_class("state again")
    expect(waits.get_by_role("link", name="Request it")).to_have_count(0)
    status.write("on-demand-1", StatusChange(State.SENT_TO_OPENCAST, oc_series_id="20260113301"))
    page.get_by_role("button", name="Refresh").click()
    expect(section(page, "Under way").get_by_text("Wait: another")).to_have_count(0)
    assert topics(section(page, "Needs a person")) == ["Mapping the Ocean"]
    page.get_by_role("radio", name="Failed, done later").check()
    assert topics(place) == ["Data Structures"]
    settled = place.locator("li").filter(has_text="Data Structures")
    expect(settled).to_contain_text(
        "Nothing: a later request brought it into Opencast, series 20260113301."
    )
    expect(settled.get_by_role("link", name="Request it")).to_have_count(0)


def test_a_try_that_never_came_isn_t_announced_beside_another_request(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.begin("lost==", timedelta(hours=12), "Message gone")
    due = timestamps.write(NOW - timedelta(hours=10))
    reason = "Unable to reach Opencast."
    week.write("lost==", timedelta(hours=11), State.UPLOADER_FAILED, reason, retry_due=due)
    status = StatusTable(aws.status, Clock(NOW))
    row = status.get("auto-ingest-lost==")
    assert row
    subject = Subject(
        meeting_id=row.meeting_id,
        recording_id="lost==",
        topic="Message gone",
        start_time=row.start_time,
        origin=Origin.ON_DEMAND,
    )
    status.write(
        "on-demand-1",
        StatusChange(State.ON_DEMAND_RECEIVED, subject=subject, requested=Requested.NOW),
    )
    open_page(page, site)
    waits = section(page, "Under way").locator("li").filter(has_text="Upload failed").last
    expect(waits).to_contain_text("Wait: another request for it")
    expect(waits).not_to_contain_text("next try")
    status.write("on-demand-1", StatusChange(State.SENT_TO_OPENCAST))
    open_page(page, site, "#recording=lost==")
    settled = page.locator("article").filter(has_text="Failed, done later")
    expect(settled).to_contain_text("Nothing: a later request brought it into Opencast.")
    expect(settled).not_to_contain_text("Next try")


def test_what_lacked_a_series_and_came_with_one(page: Page, site: Site, aws: Cloud) -> None:
    """The usual way of a meeting that no class was found for."""
    status = StatusTable(aws.status, Clock(NOW))
    subject = Subject(
        meeting_id=95846636714,
        recording_id="private0==",
        topic="Office hours 1",
        start_time="2026-10-14T13:32:00Z",
        origin=Origin.ON_DEMAND,
    )
    status.write(
        "on-demand-1",
        StatusChange(State.ON_DEMAND_RECEIVED, subject=subject, requested=Requested.NOW),
    )
    open_page(page, site, "#recording=private0==")
    ignored = page.locator("article").filter(has_text="No opencast series match")
    expect(ignored).to_contain_text("Wait: another request for it is on its way to Opencast.")
    expect(ignored.get_by_role("link")).to_have_count(0)
    status.write("on-demand-1", StatusChange(State.SENT_TO_OPENCAST, oc_series_id="20260113301"))
    page.clock.run_for(31_000)
    expect(ignored.get_by_role("heading")).to_contain_text("Ignored, done later")
    expect(ignored).to_contain_text("Nothing: a later request brought it into Opencast")
    expect(ignored.get_by_role("link")).to_have_count(0)
