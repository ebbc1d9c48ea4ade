"""Tests of the page's views in a browser, and of the ways to find recordings."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from playwright.sync_api import Error, Page, expect

from ingester import timestamps
from ingester.ledger.record import IngestRecord, Outcome, Post
from ingester.ledger.table import Ledger
from ingester.pipeline.reasons import ALREADY_THERE
from ingester.pipeline.states import State
from ingester.reconcile.state_table import KEY
from ingester.status.row import RequestOptions
from ingester.status.table import FIRST_STEPS, MAX_STEPS, StatusChange
from ingester.status.time_index import StatusPages
from tests.browser.conftest import Watch
from tests.browser.harness import Site, await_view, focused, open_page, section, topics, violations
from tests.browser.recordings import HOSTILE, SECOND_REQUEST, Week
from tests.cloud import Clock, Cloud

DATA_STRUCTURES = "#meeting=96655443322&recording=gone%3D%3D"


def test_the_page_begins_with_the_recordings_that_need_a_person(page: Page, site: Site) -> None:
    open_page(page, site)
    first = page.get_by_role("heading", level=2).first
    expect(first).to_have_text("Needs attention 2")
    place = section(page, "Needs attention")
    assert topics(place) == ["Mapping the Ocean", "Data Structures"]
    expect(place).to_contain_text("Opencast has no series 20260112345.")
    expect(place).not_to_contain_text("operator is needed")
    expect(place).to_contain_text("Request it with the right series.")
    expect(place).to_contain_text("Request it again; if that fails too, tell an operator.")
    expect(place).to_contain_text("4 h 24 min ago")
    expect(page.locator("#zone")).to_have_text("Times in America/New_York (GMT-4)")
    expect(page.locator("#stack")).to_have_text("test")


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ({"handed_in": 0}, r"Last check with Zoom: \d\d:\d\d, nothing missing\."),
        (
            {"handed_in": 1},
            r"Last check with Zoom: \d\d:\d\d, 1 recording had been missed, and was sent on\.",
        ),
        (
            {"error": "The app lacks <b>a scope</b>."},
            r"Missing recordings aren't looked for in Zoom\. The app lacks <b>a scope</b>\. Last c",
        ),
    ],
)
def test_the_page_shows_the_last_check_with_zoom_in_one_line(
    page: Page, site: Site, aws: Cloud, last: dict[str, object], words: str
) -> None:
    at = timestamps.write(site.deps.clock() - timedelta(minutes=25))
    item = {"uuid": KEY, "baseline": at, "version": 1, "last": {"at": at, **last}}
    aws.recordings.put_item(Item=item)
    site.deps = replace(site.deps, reconcile_days=3)
    open_page(page, site)
    line = page.locator("#reconcile")
    expect(line).to_have_text(re.compile(words))
    expect(line).to_have_class(re.compile("trouble" if "error" in last else "muted"))


def test_the_page_hides_the_last_check_with_zoom_when_reconcile_is_off(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    expect(page.locator("#reconcile")).to_be_hidden()


def test_the_page_shows_recordings_under_way_and_the_number_of_messages_on_each_queue(
    page: Page, site: Site, aws: Cloud
) -> None:
    aws.sqs.send_message(QueueUrl=aws.download_queue, MessageBody="1")
    aws.sqs.send_message(QueueUrl=aws.download_queue, MessageBody="2", DelaySeconds=60)
    aws.sqs.send_message(QueueUrl=aws.download_dlq, MessageBody="3")
    open_page(page, site)
    place = section(page, "Under way")
    assert len(topics(place)) == 4
    expect(place).to_contain_text("Retried automatically in 4 min")
    expect(place).to_contain_text("1 is being recorded or processed by Zoom")
    numbers = {
        box.locator("dt").inner_text(): box.locator("dd").inner_text().split("\n")
        for box in place.locator("dl > div").all()
    }
    assert numbers == {
        "Downloads": ["2", "1 waiting, 1 to come later"],
        "Uploads": ["0", "nothing waits"],
        "Failed downloads": ["1", "message given up"],
        "Failed uploads": ["0", "none given up"],
    }
    expect(page.locator("#dead")).to_contain_text(
        "Messages that were given up are kept for 14 days, also those of recordings that "
        "succeeded later."
    )
    expect(place.get_by_text("invoke queue.downloads")).to_be_hidden()
    place.get_by_text("For operators").click()
    expect(place.get_by_text("invoke queue.downloads")).to_be_visible()
    # The page must not receive messages, because a received message is hidden from operators.
    assert len(aws.messages(aws.download_dlq)) == 1


def test_the_page_says_that_there_is_nothing_to_do_when_no_recording_changed(
    page: Page, site: Site, clock: Clock
) -> None:
    clock.forward(days=20)
    page.clock.set_system_time(clock())
    open_page(page, site)
    expect(section(page, "Needs attention")).to_contain_text("Nothing needs attention.")
    expect(section(page, "Under way")).to_contain_text("No recording is on its way")
    expect(section(page, "By day")).to_contain_text("No recording changed on this day.")


def test_html_in_a_topic_is_shown_as_plain_text(page: Page, site: Site) -> None:
    for view in ("", "#recording=hostile%3D%3D"):
        open_page(page, site, view)
        expect(page.get_by_text(HOSTILE, exact=True).first).to_be_visible()
        assert page.locator("img").count() == 0
        assert page.title() != "1"


def test_the_content_security_policy_of_the_page_forbids_html_and_scripts_from_text(
    page: Page, site: Site, watch: Watch
) -> None:
    watch.expected = ("This document requires 'Trusted", "Executing inline script violates")
    open_page(page, site)
    with pytest.raises(Error, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = 'x'")
    with pytest.raises(Error, match="TrustedScript"):
        page.evaluate("document.createElement('script').textContent = 'window.ran = 1'")
    page.evaluate(
        """const script = document.createElement('script');
        script.append('window.ran = 1');
        document.body.append(script);"""
    )
    assert page.evaluate("window.ran") is None


def test_a_meeting_is_found_by_its_number_and_the_page_explains_an_unknown_or_short_number(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    page.get_by_label("Zoom meeting number").fill(" 966-5544 3322 ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Data Structures")
    assert focused(page) == "h-detail"
    assert page.url.endswith("#meeting=96655443322")
    # The newest recording of the meeting has to come first.
    found = page.get_by_role("heading", level=2).all_inner_texts()
    assert found == [
        "Recorded Tue 13 Oct, 09:32",
        "Recorded Mon 12 Oct, 22:02",
        "Recorded Sun 11 Oct, 02:14",
        "Recorded Fri 9 Oct, 06:26",
    ]
    page.get_by_label("Zoom meeting number").fill("12345678901")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Meeting 123 4567 8901 isn't known")
    page.get_by_label("Zoom meeting number").fill("9584 663")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#find-wrong")).to_have_text(
        "A meeting number has 9 to 11 digits, like 958 4663 6714."
    )
    assert focused(page) == "meeting"


def test_a_meeting_is_found_by_a_link_to_join_it(page: Page, site: Site) -> None:
    open_page(page, site)
    page.get_by_label("Zoom meeting number").fill("https://zoom.us/j/96655443322?pwd=s3cret")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Data Structures")
    assert page.url.endswith("#meeting=96655443322")
    expect(page.get_by_label("Zoom meeting number")).to_have_value("96655443322")
    open_page(page, site)
    page.get_by_label("Search all seven days").fill("https://zoom.us/j/96655443322?pwd=s3cret")
    expect(page.locator("#list").get_by_text("Data Structures").first).to_be_visible()
    assert "s3cret" not in str(site.queries)


@pytest.mark.parametrize("view", ["", "#day=2026-10-13", "#meeting=96655443322", "#request"])
def test_words_in_the_box_of_the_header_start_a_search_from_any_list_and_from_the_form(
    page: Page, site: Site, view: str
) -> None:
    open_page(page, site)
    page.get_by_label("Recorded on").fill("2026-10-13")
    page.get_by_role("radio", name="Ignored").check()
    open_page(page, site, view)
    page.get_by_label("Zoom meeting number").fill(" proust FREN ")
    page.keyboard.press("Enter")
    place = section(page, "Search")
    expect(page.locator("#c-")).to_have_text("4")
    assert topics(place) == ["Séminaire d'été: Proust"] * 4
    expect(page.get_by_label("Search all seven days")).to_have_value("proust FREN")
    expect(page.get_by_label("Search all seven days")).to_be_in_viewport()
    assert focused(page) == "words"
    expect(page.locator("#find-wrong")).to_be_hidden()


def test_a_search_from_the_header_clears_the_filters_of_the_previous_search(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    page.get_by_label("Recorded on").fill("2026-10-01")
    page.get_by_role("radio", name="Ignored").check()
    page.get_by_label("Zoom meeting number").fill("proust")
    page.keyboard.press("Enter")
    expect(page.locator("#c-")).to_have_text("4")
    assert len(topics(section(page, "Search"))) == 4
    expect(page.get_by_label("Recorded on")).to_have_value("")
    expect(page.get_by_role("radio", name="All")).to_be_checked()


@pytest.mark.parametrize(
    "text", ["gone==", "https://zoom.us/recording/management/detail?meeting_id=gone%3D%3D"]
)
def test_a_recording_is_found_by_its_uuid_in_the_header(page: Page, site: Site, text: str) -> None:
    open_page(page, site)
    page.get_by_label("Zoom meeting number").fill(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Data Structures")
    assert page.url.endswith("#recording=gone%3D%3D")


def test_the_box_in_the_header_searches_for_a_link_that_names_no_recording(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    page.get_by_label("Zoom meeting number").fill("https://zoom.us/rec/share/abc")
    page.keyboard.press("Enter")
    expect(section(page, "Search")).to_contain_text("No recording of the last seven days matches.")


def test_the_list_of_a_meeting_links_each_recording_to_its_details(page: Page, site: Site) -> None:
    open_page(page, site, "#meeting=96655443322")
    links = page.get_by_role("link", name="Show this recording's files and its event in Opencast")
    expect(links).to_have_count(4)
    links.first.click()
    expect(page.get_by_text("uuid", exact=True)).to_have_count(1)
    expect(page.locator("code").first).to_have_text("gone==")
    expect(links).to_have_count(0)


def test_a_recording_is_shown_with_its_steps_and_details(page: Page, site: Site) -> None:
    open_page(page, site, DATA_STRUCTURES)
    steps = page.get_by_role("list", name="Steps").get_by_role("listitem")
    assert steps.count() == 27
    expect(steps.nth(0)).to_contain_text("13 Oct, 11:30:00")
    expect(steps.nth(0)).to_contain_text("Received")
    expect(steps.nth(2)).to_contain_text("+6 min")
    expect(steps.nth(26)).to_contain_text("answers 503 (attempt 12 of 12)")
    details = page.locator("article").inner_text()
    assert re.search(r"Series\s+20260113301", details)
    assert re.search(r"On its way\s+6 h 32 min", details)
    expect(page.get_by_role("link", name="Open the recording")).to_have_attribute(
        "href", "https://zoomgov.com/recording/management/detail?meeting_id=gone%3D%3D"
    )
    page.get_by_role("link", name="Request an ingest of it").click()
    expect(page.get_by_label("Recording (required)")).to_have_value("gone==")
    page.go_back()
    page.get_by_role("link", name="All recordings").click()
    expect(page.get_by_role("heading", name="Needs attention")).to_be_visible()


def test_the_requested_series_is_shown_beside_the_series_in_opencast(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.begin("elsewhere==", timedelta(minutes=3), 1)
    for state, series in (
        (State.SENT_TO_DOWNLOADER, ""),
        (State.OC_SERIES_FOUND, "9999999"),
        (State.SENT_TO_UPLOADER, ""),
        (State.SENT_TO_OPENCAST, "20260110021"),
    ):
        asked = RequestOptions(oc_series_id="9999999") if series == "9999999" else None
        week.write("elsewhere==", timedelta(minutes=1), state, oc_series_id=series, asked=asked)
    open_page(page, site)
    expect(page.get_by_text("series 20260110021, asked for 9999999")).to_be_visible()
    open_page(page, site, "#recording=elsewhere%3D%3D")
    assert re.search(
        r"Series\s+20260110021, asked for 9999999", page.locator("article").inner_text()
    )


def test_the_page_says_how_many_steps_a_long_list_leaves_out(
    page: Page, site: Site, aws: Cloud
) -> None:
    Week(aws).begin("lo+ng/==", timedelta(hours=9), "A long way")
    steps = [
        {"state": "DOWNLOADER_FAILED", "at": "2026-10-14T10:00:00Z", "reason": f"try {number}"}
        for number in range(MAX_STEPS)
    ]
    aws.status.update_item(
        Key={"zip_id": "auto-ingest-lo+ng/=="},
        UpdateExpression="SET steps = :steps, steps_left_out = :count",
        ExpressionAttributeValues={":steps": steps, ":count": 23},
    )
    # People type the uuid without encoding it, so the page must not read a plus sign as a space.
    open_page(page, site, "#recording=lo+ng/==")
    shown = page.get_by_role("list", name="Steps").get_by_role("listitem")
    assert shown.count() == MAX_STEPS + 1
    expect(shown.nth(FIRST_STEPS - 1)).to_contain_text("try 9")
    expect(shown.nth(FIRST_STEPS)).to_have_text("23 steps in between aren't kept.")
    expect(shown.nth(FIRST_STEPS + 1)).to_contain_text("try 10")


def test_the_page_shows_a_row_that_has_no_topic_and_no_steps(
    page: Page, site: Site, aws: Cloud
) -> None:
    aws.status.put_item(
        Item={
            "zip_id": "auto-ingest-old==",
            "meeting_id": 5,
            "recording_id": "old==",
            "pipeline_state": "SENT_TO_OPENCAST",
            "update_date": "2026-10-14",
            "update_time": 60_000,
        }
    )
    open_page(page, site, "#meeting=5")
    expect(page.get_by_role("heading", level=1)).to_have_text("Without a topic")
    expect(page.locator("article")).to_contain_text("The steps of this ingest weren't kept")


def test_the_page_says_that_a_recording_is_not_known_when_it_has_no_row(
    page: Page, site: Site
) -> None:
    open_page(page, site, "#recording=nobody")
    expect(page.get_by_role("heading", level=1)).to_have_text("This recording isn't known")


def test_the_page_filters_recordings_by_day_and_state(page: Page, site: Site) -> None:
    open_page(page, site)
    place = section(page, "By day")
    today = topics(place)
    page.get_by_role("radio", name="Ignored").check()
    assert topics(place) == ["Microeconomic Theory", "Office hours 1"]
    expect(page.locator("#say")).to_have_text("2 recordings")
    page.get_by_role("radio", name="All").check()
    assert topics(place) == today
    page.get_by_role("link", name="Yesterday").click()
    expect(page.get_by_role("link", name="Yesterday")).to_have_attribute("aria-current", "date")
    await_view(page)
    expect(place.locator("a.topic").filter(has_text="Data Structures").first).to_be_visible()
    assert page.url.endswith("#day=2026-10-13")
    assert set(topics(place)) != set(today)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("office HOURS", [f"Office hours {number}" for number in range(1, 7)]),
        ("proust fren", ["Séminaire d'été: Proust"] * 4),
        ("91234455021", ["Séminaire d'été: Proust"] * 4),
        ("912-3445-5021", ["Séminaire d'été: Proust"] * 4),
        ("912 3445 5021", ["Séminaire d'été: Proust"] * 4),
        ("20260114410", ["Séminaire d'été: Proust"] * 4),
        ("private3==", ["Office hours 4"]),
        ("no series 20260112345", ["Mapping the Ocean"]),
        ("office ocean", []),
    ],
)
def test_a_search_by_words_finds_recordings_of_all_seven_days(
    page: Page, site: Site, words: str, found: list[str]
) -> None:
    open_page(page, site)
    page.get_by_label("Search all seven days").fill(words)
    place = section(page, "Search")
    expect(page.locator("#c-")).to_have_text(str(len(found)))
    assert topics(place) == found
    expect(page.locator("#days")).to_be_hidden()
    expect(page.locator("#say")).to_have_text(f"{len(found)} recording" + "s" * (len(found) != 1))
    if not found:
        expect(place).to_contain_text("No recording of the last seven days matches.")
    # A refresh must not end the search. An emptied search has to show the day again.
    page.get_by_role("button", name="Refresh").click()
    await_view(page)
    assert topics(place) == found
    page.get_by_label("Search all seven days").fill("")
    assert "Microeconomic Theory" in topics(section(page, "By day"))


def test_a_search_combines_the_date_of_recording_with_a_filter_and_words(
    page: Page, site: Site
) -> None:
    open_page(page, site)
    page.get_by_label("Recorded on").fill("2026-10-13")
    place = section(page, "Search")
    expect(page.locator("#c-attention")).to_have_text("1")
    assert all("Tue 13 Oct" in text for text in place.locator(".facts").all_inner_texts())
    page.get_by_role("radio", name="Needs attention").check()
    assert topics(place) == ["Data Structures"]
    page.get_by_label("Search all seven days").fill("ocean")
    assert topics(place) == []


def test_a_search_shows_the_first_hundred_recordings_until_a_person_asks_for_all(
    page: Page, site: Site, aws: Cloud
) -> None:
    put_rows(aws, 130, 50_000, "SENT_TO_OPENCAST")
    open_page(page, site)
    page.get_by_label("Search all seven days").fill("number")
    place = section(page, "Search")
    button = place.get_by_role("button", name="Show all 130")
    button.focus()
    assert len(topics(place)) == 100
    page.keyboard.press("Enter")
    expect(place.locator("a.topic").nth(100)).to_be_focused()
    assert len(topics(place)) == 130


def put_rows(aws: Cloud, count: int, newest: int, *states: str) -> None:
    """Put `count` rows of today into the status table, with `states` in turn.

    The first row's `update_time` is `newest`, in seconds since midnight. Each later row's
    `update_time` is a second less.
    """
    with aws.status.batch_writer() as batch:
        for number in range(count):
            batch.put_item(
                Item={
                    "zip_id": f"z{number}",
                    "meeting_id": 7,
                    "recording_id": f"z{number}",
                    "topic": f"Number {number}",
                    "pipeline_state": states[number % len(states)],
                    "file_ids": {"f"},
                    "update_date": "2026-10-14",
                    "update_time": newest - number,
                }
            )


def test_the_page_loads_only_some_recordings_of_a_day_at_a_time_when_the_day_has_many(
    page: Page, site: Site, aws: Cloud
) -> None:
    put_rows(aws, 110, 50_000, "SENT_TO_OPENCAST")
    site.deps = replace(site.deps, pages=StatusPages(aws.status, page_rows=50))
    open_page(page, site)
    place, earlier = section(page, "By day"), page.get_by_role("button", name="Show earlier ones")
    assert place.locator("a.topic").count() == 50
    # The count covers only the recordings that have been loaded.
    expect(page.locator("#c-")).to_have_text("50+")
    for count in (100, 120):
        earlier.focus()
        page.keyboard.press("Enter")
        expect(place.locator("a.topic").nth(count - 1)).to_be_attached()
    expect(earlier).to_have_count(0)
    # The button is gone, so the focus goes to the first recording that was added.
    expect(place.locator("a.topic").nth(100)).to_be_focused()
    expect(page.locator("#c-")).to_have_text("120")
    numbered = [topic for topic in topics(place) if topic.startswith("Number")]
    assert numbered == [f"Number {number}" for number in range(110)]


def test_a_long_section_shows_the_first_recordings_until_a_person_asks_for_all(
    page: Page, site: Site, aws: Cloud
) -> None:
    put_rows(aws, 400, 66_590, "SENT_TO_DOWNLOADER", "DOWNLOADER_FAILED")
    open_page(page, site)
    # Recordings with the same cause are one entry, which shows the first twelve of them.
    for heading, some, group, count in (
        ("Needs attention", 14, 200, 202),
        ("Under way", 12, 204, 204),
    ):
        place = section(page, heading)
        assert len(topics(place)) == some
        button = place.get_by_role("button", name=f"Show all {group}")
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_have_count(0)
        assert len(topics(place)) == count
        expect(place.locator("a.topic").nth(12)).to_be_focused()
    # A refresh must not hide the recordings again.
    page.get_by_role("button", name="Refresh").click()
    await_view(page)
    assert len(topics(section(page, "Under way"))) == 204


@pytest.mark.parametrize("path", ["/live", "/live/", "/", "/zip/"])
def test_the_page_finds_the_api_below_any_base_path(
    page: Page, site: Site, watch: Watch, path: str
) -> None:
    page.goto(site.origin + path)
    await_view(page)
    base = site.origin + path.rstrip("/") + "/"
    assert {url.partition("?")[0] for url in watch.requested if "status" in url} == {
        f"{base}status"
    }
    expect(page.get_by_role("heading", name="Needs attention")).to_have_text("Needs attention 2")


def test_the_page_shows_how_long_an_unfinished_recording_has_been_on_its_way_until_now(
    page: Page, site: Site, clock: Clock
) -> None:
    open_page(page, site, "#recording=fresh%3D%3D")
    article = page.locator("article")
    expect(article).to_contain_text(re.compile(r"On its way\s*1 min"))
    clock.forward(minutes=7)
    page.clock.run_for(425_000)
    expect(article).to_contain_text(re.compile(r"On its way\s*8 min"))


def test_the_time_in_a_verdict_is_in_the_time_zone_of_the_viewer(page: Page, site: Site) -> None:
    open_page(page, site, "#recording=hostile%3D%3D")
    expect(page.locator(".verdict")).to_have_text(
        "Download failed, retried automatically at Wed 14 Oct, 14:34."
    )
    assert not re.search(r"\d\dT\d\d:", page.locator("main").inner_text())


def test_each_time_in_a_reason_is_in_the_time_zone_of_the_viewer(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.begin("m==", timedelta(hours=1), "Waiting")
    reason = (
        "Opencast is busy (waiting since 2026-10-14T16:05:00Z, next try at 2026-10-14T18:35:00Z)"
    )
    week.write("m==", timedelta(minutes=5), State.UPLOADER_RECEIVED, reason)
    for view in ("", "#recording=m%3D%3D"):
        open_page(page, site, view)
        shown = page.get_by_text("waiting since Wed 14 Oct, 12:05, next try at Wed 14 Oct, 14:35")
        expect(shown.first).to_be_visible()


def test_a_recording_has_one_verdict_above_its_ingests(
    page: Page, site: Site, aws: Cloud, clock: Clock
) -> None:
    week = Week(aws)
    week.request_again("done01==")
    week.status.write(SECOND_REQUEST, StatusChange(State.IGNORED, ALREADY_THERE))
    files = {"1": "gallery_view 09:12", "2": "chat 09:12"}
    post = Post(attempt="a", at=timestamps.write(clock()), outcome=Outcome.TAKEN)
    ingest = IngestRecord(zip_id="auto-ingest-done01==", series="S", files=files, posts=(post,))
    Ledger(aws.recordings, clock).change(
        "done01==", lambda record: msgspec.structs.replace(record, ingests={"mp 1": ingest})
    )
    open_page(page, site, "#recording=done01%3D%3D")
    expect(page.locator(".verdict")).to_have_text(
        "In Opencast since Wed 14 Oct, 05:26; a later request was ignored because it is there "
        "already."
    )
    assert page.locator("article").count() == 2
    expect(page.locator(".pairs").first).to_contain_text("chat 09:12gallery_view 09:12")
    expect(page.get_by_role("link", name="Open the event in the editor")).to_have_attribute(
        "href", "https://opencast.example.edu/editor-ui/index.html?id=mp%201"
    )


def test_the_page_shows_how_much_of_a_running_copy_the_last_invocation_had_copied(
    page: Page, site: Site, aws: Cloud
) -> None:
    reason = "1,200 of 4,800 MB are copied; the next invocation goes on."
    Week(aws).write("loading==", timedelta(seconds=5), State.OC_SERIES_FOUND, reason)
    open_page(page, site, "#recording=loading%3D%3D")
    bar = page.get_by_role("progressbar", name="Copied")
    expect(bar).to_have_attribute("value", "1200")
    expect(bar).to_have_attribute("max", "4800")
    assert violations(page) == []
