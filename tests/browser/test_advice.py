"""Tests of the page's advice about a recording, and of the links to the form."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from ingester import timestamps
from ingester.pipeline.reasons import INVALID_SERIES, NO_SERIES
from ingester.pipeline.states import Origin, State
from ingester.status.row import RequestOptions
from ingester.status.table import StatusChange
from tests.browser.harness import Site, open_page, section, topics, violations
from tests.browser.recordings import HOSTILE, NOW, SECOND_REQUEST, Week
from tests.cloud import Cloud


def test_an_overdue_retry_is_shown_as_waiting_with_the_time_since_it_was_due(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.begin("busy==", timedelta(hours=3), "A busy day")
    due = timestamps.write(NOW - timedelta(minutes=35))
    reason = "Unable to reach Opencast."
    week.write("busy==", timedelta(minutes=40), State.UPLOADER_FAILED, reason, retry_due=due)
    open_page(page, site)
    shown = section(page, "Under way").locator("li").filter(has_text="A busy day")
    expect(shown).to_contain_text("Its retry waits for its turn, due 35 min ago")


def test_a_command_for_operators_is_hidden_until_a_person_unfolds_it_and_then_stays_visible(
    page: Page, site: Site, aws: Cloud
) -> None:
    open_page(page, site)
    place = section(page, "Needs attention")
    command = place.get_by_text("invoke exec.pipeline 8dXp112QmuoKj48w== --oc-series-id SERIES")
    expect(command).to_be_hidden()
    place.get_by_text("For operators").first.click()
    expect(command).to_be_visible()
    # The command has to stay unfolded when the page refreshes.
    Week(aws).begin("new==", timedelta(seconds=1), "Just now")
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("link", name="Just now").first).to_be_visible()
    expect(command).to_be_visible()
    expect(place.get_by_text("invoke queue.retry-downloads")).to_be_hidden()


def test_the_page_links_a_failed_recording_to_a_form_that_has_its_uuid(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    place = section(page, "Needs attention")
    place.get_by_role("link", name="Request it: Mapping the Ocean").click()
    expect(page.get_by_label("Recording (required)")).to_have_value("8dXp112QmuoKj48w==")
    open_page(page, site, "#recording=private0==")
    article = page.locator("article")
    expect(article).to_contain_text("Request it with its series.")
    expect(article.get_by_role("link", name="Request it: Office hours 1")).to_be_visible()
    expect(article.locator("code").first).to_be_hidden()


@pytest.mark.parametrize(
    ("reason", "series"),
    [(f"permanent failure: {INVALID_SERIES}", ""), ("Unable to reach Opencast.", "S1")],
)
def test_the_form_repeats_a_requested_series_unless_opencast_lacks_the_series(
    page: Page, site: Site, aws: Cloud, reason: str, series: str
) -> None:
    week = Week(aws)
    week.begin("s==", timedelta(hours=3), "Asked for", origin=Origin.ON_DEMAND)
    asked = RequestOptions(oc_series_id="S1", oc_workflow="w")
    week.write("s==", timedelta(hours=2.9), State.SENT_TO_DOWNLOADER, asked=asked)
    week.write("s==", timedelta(hours=2.5), State.UPLOADER_FAILED, reason, oc_series_id="S1")
    open_page(page, site)
    page.get_by_role("link", name="Request it: Asked for").first.click()
    expect(page.get_by_label("Recording (required)")).to_have_value("s==")
    expect(page.get_by_label("Opencast series")).to_have_value(series)
    expect(page.get_by_label("Opencast workflow")).to_have_value("w")


def test_link_to_the_request_form_does_not_name_the_default_series(
    page: Page, site: Site, aws: Cloud
) -> None:
    # A request with a series ignores the schedule, which may contain the scheduled class by now.
    week = Week(aws)
    week.begin("d==", timedelta(hours=3), "Stood in for")
    week.write("d==", timedelta(hours=2.8), State.OC_SERIES_FOUND, oc_series_id="DEFAULT")
    week.write("d==", timedelta(hours=2.5), State.DOWNLOADER_FAILED, "permanent failure: x")
    open_page(page, site)
    link = page.get_by_role("link", name="Request it: Stood in for").first
    expect(link).to_have_attribute("href", "#request&uuid=d%3D%3D")


def test_a_recording_whose_ingest_has_an_unknown_outcome_may_be_requested_again(
    page: Page, site: Site, aws: Cloud
) -> None:
    # The ledger knows the POST, so another request makes no second event in Opencast.
    week = Week(aws)
    week.begin("m==", timedelta(hours=8), "Sent, perhaps")
    reason = "The ingest was sent to Opencast: look for it in Opencast: an operator is needed"
    asked = RequestOptions(allow_multiple_ingests=True)
    week.write("m==", timedelta(hours=1), State.UPLOADER_FAILED, reason, asked=asked)
    open_page(page, site)
    shown = section(page, "Needs attention").locator("li").filter(has_text="Sent, perhaps")
    expect(shown).to_contain_text("Request it again; if that fails too, tell an operator.")
    # The link must not ask for a second ingest, although the first request did.
    link = shown.get_by_role("link", name="Request it: Sent, perhaps")
    expect(link).to_have_attribute("href", "#request&uuid=m%3D%3D")
    open_page(page, site, "#recording=m==")
    expect(page.locator("article")).to_contain_text("Asked for\nagain", use_inner_text=True)
    link = page.get_by_role("link", name="Request an ingest of it")
    expect(link).to_have_attribute("href", "#request&uuid=m%3D%3D")


def test_the_page_advises_telling_an_operator_when_an_older_stack_may_still_retry_a_failure(
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


def test_a_failure_needs_no_person_when_a_later_request_is_under_way_or_has_succeeded(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.request_again("gone==")
    open_page(page, site, "#day=2026-10-13")
    assert topics(section(page, "Needs attention")) == ["Mapping the Ocean"]
    place = section(page, "By day")
    page.get_by_role("radio", name="Under way").check()
    assert topics(place) == ["Data Structures"]
    waits = section(page, "Under way").locator("li").filter(has_text="Download failed").last
    expect(waits).to_contain_text("Wait: another request for it is on its way to Opencast.")
    expect(waits.locator(".state")).to_have_class("state again")
    expect(waits.get_by_role("link", name="Request it")).to_have_count(0)
    week.ingest_second_request("20260113301")
    page.get_by_role("button", name="Refresh").click()
    expect(section(page, "Under way").get_by_text("Wait: another")).to_have_count(0)
    assert topics(section(page, "Needs attention")) == ["Mapping the Ocean"]
    page.get_by_role("radio", name="Failed, later succeeded").check()
    assert topics(place) == ["Data Structures"]
    settled = place.locator("li").filter(has_text="Data Structures")
    expect(settled).to_contain_text(
        "Nothing to do: another request brought the recording into Opencast, series 20260113301."
    )
    expect(settled.get_by_role("link", name="Request it")).to_have_count(0)


def test_an_overdue_retry_is_not_announced_while_a_later_request_is_under_way(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.begin("lost==", timedelta(hours=12), "Message gone")
    due = timestamps.write(NOW - timedelta(hours=10))
    reason = "Unable to reach Opencast."
    week.write("lost==", timedelta(hours=11), State.UPLOADER_FAILED, reason, retry_due=due)
    week.request_again("lost==")
    open_page(page, site)
    waits = section(page, "Under way").locator("li").filter(has_text="Upload failed").last
    expect(waits).to_contain_text("Wait: another request for it")
    expect(waits).not_to_contain_text("next try")
    week.ingest_second_request()
    open_page(page, site, "#recording=lost==")
    settled = page.locator("article").filter(has_text="Failed, later succeeded")
    expect(settled).to_contain_text(
        "Nothing to do: another request brought the recording into Opencast."
    )
    expect(settled).not_to_contain_text("Next try")


def test_an_ignored_recording_needs_no_person_when_it_was_requested_again(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.request_again("private0==")
    open_page(page, site, "#recording=private0==")
    ignored = page.locator("article").filter(has_text="No class in the schedule")
    expect(ignored).to_contain_text("Wait: another request for it is on its way to Opencast.")
    expect(ignored.get_by_role("link")).to_have_count(0)
    week.ingest_second_request("20260113301")
    page.clock.run_for(31_000)
    expect(ignored.get_by_role("heading")).to_contain_text("Ignored, later succeeded")
    expect(ignored).to_contain_text(
        "Nothing to do: another request brought the recording into Opencast"
    )
    expect(ignored.get_by_role("link")).to_have_count(0)


def test_the_page_advises_no_request_for_an_ignored_ingest_when_its_recording_is_in_opencast(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.request_again("done01==")
    week.status.write(SECOND_REQUEST, StatusChange(State.IGNORED, NO_SERIES))
    open_page(page, site, "#recording=done01==")
    ignored = page.locator("article").filter(has_text="Ignored")
    expect(ignored).to_contain_text("Nothing to do: the recording is in Opencast already.")
    expect(ignored.get_by_role("link")).to_have_count(0)


def test_recordings_are_one_entry_when_they_need_a_person_for_the_same_cause(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    for number in range(4):
        uuid, ago = f"same{number}==", timedelta(hours=5 + number)
        week.begin(uuid, ago, f"Part {number}")
        week.write(uuid, ago, State.OC_SERIES_FOUND, oc_series_id="S9")
        week.write(uuid, ago, State.UPLOADER_FAILED, f"permanent failure: {INVALID_SERIES}")
    open_page(page, site)
    place = section(page, "Needs attention")
    expect(place.get_by_role("heading")).to_have_text("Needs attention 6")
    group = place.locator(".attention > li").filter(has_text="4 recordings")
    expect(group).to_have_count(1)
    assert topics(group) == [f"Part {number}" for number in range(4)]
    assert group.inner_text().count("Opencast has no series S9.") == 1
    assert group.inner_text().count("Request it with the right series.") == 1
    group.get_by_text("For operators").click()
    expect(group).to_contain_text("invoke exec.pipeline same3== --oc-series-id SERIES")
    assert violations(page) == []
    group.get_by_role("link", name="Request it: Part 2").click()
    expect(page.get_by_label("Recording (required)")).to_have_value("same2==")


def test_a_recording_needs_attention_only_for_its_newest_request_when_two_requests_failed(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.request_again("8dXp112QmuoKj48w==")
    reason = f"permanent failure: {INVALID_SERIES}"
    week.status.write(
        SECOND_REQUEST, StatusChange(State.OC_SERIES_FOUND, oc_series_id="S9", files=["a"])
    )
    week.status.write(SECOND_REQUEST, StatusChange(State.UPLOADER_FAILED, reason))
    open_page(page, site)
    place = section(page, "Needs attention")
    expect(place.get_by_role("heading")).to_have_text("Needs attention 2")
    assert topics(place) == ["Mapping the Ocean", "Data Structures"]
    expect(place).to_contain_text("Opencast has no series S9.")
    expect(place).not_to_contain_text("20260112345")
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#say")).to_contain_text("2 need attention.")


def test_the_list_links_an_ignored_recording_without_a_scheduled_class_to_the_form(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    ignored = section(page, "By day").locator("li").filter(has_text="Office hours 1")
    expect(ignored).to_contain_text("Request it with its series.")
    ignored.get_by_role("link", name="Request it: Office hours 1").click()
    expect(page.get_by_label("Recording (required)")).to_have_value("private0==")


def test_the_page_counts_a_failed_ingest_that_will_be_retried_as_under_way(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    expect(page.get_by_role("heading", name="Under way")).to_have_text("Under way 4")
    expect(page.locator("#c-run")).to_have_text("4")
    page.get_by_role("radio", name="Under way").check()
    shown = section(page, "By day").locator(".rows > li").filter(has_text=HOSTILE)
    expect(shown.locator(".state")).to_have_text("Download failed, to be retried")
