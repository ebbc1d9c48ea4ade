"""Tests of the form for ingests: the form's requests, and the form's texts for each answer."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from playwright.sync_api import Page, expect

from ingester.pipeline.states import Origin
from ingester.runtime.api_gateway import Answer, json_answer
from ingester.schedule.model import ScheduledClass, ScheduledMeeting
from local.driver import wait_for
from tests.browser.conftest import REFUSED, Watch
from tests.browser.harness import Site, await_view, focused, hold, open_page, violations
from tests.browser.recordings import Week
from tests.cloud import Cloud

SHOWN = "What becomes of the request is shown here: the recording's view"
LINK = "https://zoom.us/recording/management/detail?meeting_id=gone%3D%3D"


def send(page: Page, uuid: str = "gone==") -> None:
    page.get_by_label("Recording (required)").fill(uuid)
    page.get_by_role("button", name="Request ingest").click()


def test_the_form_sends_all_five_parameters(page: Page, site: Site) -> None:
    open_page(page, site, "#request")
    series = page.get_by_label("Opencast series")
    expect(series).to_have_accessible_description(
        "Its id, or the link to it. Left empty, the class schedule decides"
    )
    series.fill(" 20260112345 ")
    page.get_by_label("Opencast workflow").fill("dce-archive")
    page.get_by_role("checkbox", name="Ingest it again").check()
    page.get_by_role("checkbox", name="Ingest every view").check()
    send(page, LINK)
    answer = page.locator("#answer")
    expect(answer).to_have_text(f"Accepted. {SHOWN}")
    assert site.posted == [
        {
            "uuid": LINK,
            "oc_series_id": "20260112345",
            "oc_workflow": "dce-archive",
            "allow_multiple_ingests": True,
            "ingest_all_mp4": True,
        }
    ]
    # The form has to be empty after an accepted request, so that a second click sends nothing.
    expect(page.get_by_label("Recording (required)")).to_have_value("")
    page.get_by_role("link", name="the recording's view").click()
    await_view(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Data Structures")


def test_a_link_to_the_form_fills_in_the_recording(page: Page, site: Site) -> None:
    open_page(page, site, "#request&uuid=lo%2Bng%3D%3D")
    expect(page.get_by_label("Recording (required)")).to_have_value("lo+ng==")


def test_the_form_keeps_its_options_for_a_recording_and_clears_them_for_another_recording(
    page: Page, site: Site, watch: Watch
) -> None:
    watch.expected = (REFUSED,)
    site.ingest = json_answer(404, {"message": "Zoom knows no such recording."})
    open_page(page, site, "#request&uuid=first%3D%3D")
    page.get_by_label("Opencast series").fill("20260112345")
    page.get_by_role("checkbox", name="Ingest it again").check()
    page.get_by_role("button", name="Request ingest").click()
    expect(page.locator("#answer")).to_contain_text("There is no such recording.")
    # The fields have to keep their values while another view is shown.
    page.get_by_role("link", name="Recordings", exact=True).click()
    page.go_back()
    expect(page.get_by_label("Opencast series")).to_have_value("20260112345")
    page.goto(f"{site.url}#request&uuid=second%3D%3D")
    expect(page.get_by_label("Recording (required)")).to_have_value("second==")
    expect(page.get_by_label("Recording (required)")).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Opencast series")).to_have_value("")
    expect(page.get_by_role("checkbox", name="Ingest it again")).not_to_be_checked()
    expect(page.locator("#answer")).to_be_empty()


def test_a_link_to_request_again_fills_in_the_parameters_of_the_first_request(
    page: Page, site: Site, aws: Cloud
) -> None:
    week = Week(aws)
    week.begin("lo+ng==", timedelta(minutes=9), "Twice", origin=Origin.ON_DEMAND)
    aws.status.update_item(
        Key={"zip_id": "auto-ingest-lo+ng=="},
        UpdateExpression="SET asked = :asked",
        ExpressionAttributeValues={
            ":asked": {"oc_series_id": "S+1&", "oc_workflow": "w f", "ingest_all_mp4": True}
        },
    )
    open_page(page, site, "#recording=lo%2Bng==")
    expect(page.locator("article")).to_contain_text("series S+1&, workflow w f, every view")
    page.get_by_role("link", name="Request an ingest of it").click()
    expect(page.get_by_label("Recording (required)")).to_have_value("lo+ng==")
    expect(page.get_by_label("Opencast series")).to_have_value("S+1&")
    expect(page.get_by_label("Opencast workflow")).to_have_value("w f")
    expect(page.get_by_role("checkbox", name="Ingest every view")).to_be_checked()
    expect(page.get_by_role("checkbox", name="Ingest it again")).not_to_be_checked()


def test_the_form_clears_the_first_answer_when_a_meeting_number_is_entered_next(
    page: Page, site: Site
) -> None:
    open_page(page, site, "#request")
    send(page)
    expect(page.locator("#answer")).to_contain_text("Accepted.")
    send(page, "96655443322")
    expect(page.locator("#wrong-uuid")).to_contain_text("This is a meeting number.")
    expect(page.locator("#answer")).to_be_empty()


def test_the_form_shows_the_name_of_the_stack(page: Page, site: Site) -> None:
    open_page(page, site, "#request")
    expect(page.locator("#stack")).to_have_text(site.deps.stack_name)


def test_the_form_sends_no_parameters_for_empty_text_fields(page: Page, site: Site) -> None:
    open_page(page, site, "#request")
    send(page)
    expect(page.locator("#answer")).to_contain_text("Accepted.")
    assert site.posted == [
        {"uuid": "gone==", "allow_multiple_ingests": False, "ingest_all_mp4": False}
    ]


def test_the_form_sends_nothing_when_it_has_no_recording(page: Page, site: Site) -> None:
    open_page(page, site, "#request")
    send(page, "  ")
    field = page.get_by_label("Recording (required)")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(
        "The link to its page in Zoom (not to join), or its uuid "
        "Which recording? Paste the link to its page in Zoom, or its uuid."
    )
    assert focused(page) == "f-uuid"
    assert site.posted == []


@pytest.mark.parametrize(
    "number", ["96655443322", "966 5544-3322", "zoom.us/?meeting_id=96655443322"]
)
def test_the_form_does_not_send_the_number_of_a_meeting(
    page: Page, site: Site, number: str
) -> None:
    # For a meeting's number, Zoom would return the latest recording of the meeting ("Get meeting
    # recordings", https://developers.zoom.us/docs/api/).
    open_page(page, site, "#request")
    send(page, number)
    assert focused(page) == "f-uuid"
    expect(page.locator("#wrong-uuid")).to_contain_text("This is a meeting number. Choose")
    assert site.posted == []
    page.get_by_role("link", name="one of its recordings").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Data Structures")


@pytest.mark.parametrize("scheme", ["https://", ""])
def test_the_form_does_not_send_a_link_to_join_a_meeting(
    page: Page, site: Site, scheme: str
) -> None:
    open_page(page, site, "#request")
    send(page, f"{scheme}harvard.zoom.us/j/96655443322?pwd=s3cret")
    expect(page.locator("#wrong-uuid")).to_have_text(
        "This is a link to join a meeting. Choose one of its recordings."
    )
    assert site.posted == []
    assert "s3cret" not in str(site.queries)
    page.get_by_role("link", name="one of its recordings").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Data Structures")


@pytest.mark.parametrize(
    "text",
    [
        "https://zoom.us/rec?a=1&meeting_id=lo+ng/==#x",
        "https://zoom.us/rec?meeting_id=lo%2Bng%2F%3D%3D",
        "zoom.us/recording/detail?meeting_id=lo%2Bng/==",
        "lo+ng/==",
    ],
)
def test_the_form_links_to_an_accepted_recording_when_its_uuid_is_entered_alone_or_in_a_link(
    page: Page, site: Site, text: str
) -> None:
    open_page(page, site, "#request")
    send(page, text)
    link = page.get_by_role("link", name="the recording's view")
    expect(link).to_have_attribute("href", "#recording=lo%2Bng%2F%3D%3D")


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        (
            json_answer(400, {"message": "The body is wrong: <b>x</b>"}),
            ("The request was refused.", "The body is wrong: <b>x</b>", "Nothing was started."),
        ),
        (
            json_answer(403, {"Message": "User: anonymous is not authorized"}),
            ("You may not request ingests from here.", "are you on the VPN?"),
        ),
        (
            json_answer(404, {"message": "Zoom knows no recording gone==."}),
            (
                "There is no such recording.",
                "Zoom knows no recording gone==.",
                "or its uuid",
            ),
        ),
        (json_answer(429, {"message": "Limit Exceeded"}), ("Too many requests at once.",)),
        (
            json_answer(500, {"message": "Zoom's API refused the key."}),
            (
                "could not take the request.",
                "Zoom's API refused the key.",
                "Look for the recording before you send it again",
                "tell an operator",
            ),
        ),
        (
            json_answer(503, {"message": "Zoom has not finished the files."}),
            ("Zoom isn't done", "Zoom has not finished the files.", "in some minutes"),
        ),
        (
            json_answer(504, {"message": "Endpoint request timed out"}),
            ("No answer came in time.", "may have been accepted all the same"),
        ),
        (
            Answer(status=502, body="<html>Bad gateway</html>"),
            ("could not take the request.", "Look for the recording before", "answer 502"),
        ),
        (Answer(status=200, body="hm"), ("could not take the request.", "answer 200")),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_the_form_shows_each_answer_with_advice(
    page: Page, site: Site, watch: Watch, answer: Answer, texts: tuple[str, ...]
) -> None:
    watch.expected = (REFUSED,)
    site.ingest = answer
    open_page(page, site, "#request")
    send(page)
    place = page.locator("#answer")
    for text in texts:
        expect(place).to_contain_text(text)
    assert place.locator("b").count() == 0
    # A screen reader has to announce the answer. The fields keep their values for another request.
    expect(place).to_have_role("status")
    assert texts[0] in focused(page)
    expect(page.get_by_label("Recording (required)")).to_have_value("gone==")
    expect(page.get_by_role("button", name="Request ingest")).to_be_enabled()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (json_answer(200, {"message": "Ingest accepted"}), "Accepted."),
        (json_answer(404, {"message": "x"}), "There is no such recording."),
    ],
    ids=["200", "404"],
)
def test_the_form_of_a_recording_keeps_its_fields_when_an_answer_about_another_recording_comes(
    page: Page, site: Site, watch: Watch, answer: Answer, text: str
) -> None:
    watch.expected = (REFUSED,)
    open_page(page, site, "#request&uuid=first%3D%3D")
    held = hold(page, "**/ingest")
    with page.expect_request("**/ingest"):
        page.get_by_role("button", name="Request ingest").click()
    page.goto(f"{site.url}#request&uuid=second%3D%3D")
    workflow = page.get_by_label("Opencast workflow")
    workflow.fill("typed")
    held[0].fulfill(status=answer.status, body=answer.body)
    expect(page.locator("#answer")).to_contain_text(f"Your request for first==:{text}")
    field = page.get_by_label("Recording (required)")
    expect(field).to_have_value("second==")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(workflow).to_have_value("typed")
    expect(workflow).to_be_focused()


def test_the_form_says_that_the_pipeline_cannot_be_reached_when_the_request_fails(
    page: Page, site: Site, watch: Watch
) -> None:
    watch.expected = (REFUSED,)
    open_page(page, site, "#request")
    page.route("**/ingest", lambda route: route.abort())
    send(page)
    expect(page.locator("#answer")).to_contain_text("The pipeline can't be reached.")


def test_the_form_says_that_no_answer_came_and_sends_one_request_when_the_request_times_out(
    page: Page, site: Site
) -> None:
    site.ingest = None
    # The page would wait half a minute for the answer. The test ends this wait itself.
    page.add_init_script(
        """const controllers = [];
        AbortSignal.timeout = () => {
            controllers.push(new AbortController());
            return controllers.at(-1).signal;
        };
        window.expire = () => controllers.at(-1).abort(new DOMException('', 'TimeoutError'));"""
    )
    open_page(page, site, "#request")
    send(page)
    button = page.locator("#send")
    expect(button).to_have_text("Asking Zoom…")
    button.click(force=True)
    wait_for(lambda: site.posted, "The request", seconds=60)
    page.evaluate("window.expire()")
    expect(page.locator("#answer")).to_contain_text("No answer came in time.")
    expect(button).to_have_text("Request ingest")
    # The second click comes while the first request has no answer, and sends nothing.
    assert len(site.posted) == 1


class TestAboutTheRecording:
    @pytest.fixture(autouse=True)
    def scheduled(self, aws: Cloud) -> None:
        """Add a scheduled class for the recordings of Data Structures."""
        event = ScheduledClass(day="T", time="9:30", title="Lecture", opencast_series_id="S7")
        meeting = ScheduledMeeting(
            zoom_series_id="96655443322", course_code="CSCI E-22", events=(event,)
        )
        aws.schedule.put_item(Item=msgspec.to_builtins(meeting))

    def test_the_form_shows_the_topic_the_date_and_the_scheduled_series_of_a_recording(
        self, page: Page, site: Site
    ) -> None:
        open_page(page, site, "#request")
        about = page.locator("#about")
        page.get_by_label("Recording (required)").fill(LINK)
        page.clock.run_for(500)
        expect(about).to_contain_text("Data Structures")
        expect(about).to_contain_text("Tue 13 Oct, 09:32")
        expect(about).to_contain_text("series S7 (CSCI E-22, Lecture)")
        expect(about).to_contain_text("Download failed: Zoom's download host answers 503")
        expect(about).to_have_role("status")
        assert violations(page) == []
        assert site.posted == []
        # An emptied field has no recording that the form could show.
        page.get_by_label("Recording (required)").fill("")
        expect(about).to_be_empty()

    @pytest.mark.parametrize(
        ("uuid", "words"),
        [
            ("private0==", "no class: without a series it will be ignored"),
            ("done01==", "In Opencast since"),
            ("nobody==", "Nothing is known of it here. Zoom is asked when you request it."),
        ],
    )
    def test_the_form_says_what_is_known_of_a_recording(
        self, page: Page, site: Site, uuid: str, words: str
    ) -> None:
        open_page(page, site, f"#request&uuid={uuid}")
        page.clock.run_for(500)
        expect(page.locator("#about")).to_contain_text(words)

    @pytest.mark.parametrize("again", [False, True])
    def test_the_form_says_that_a_request_is_ignored_when_the_recording_is_in_opencast(
        self, page: Page, site: Site, again: bool
    ) -> None:
        open_page(page, site, "#request&uuid=done01==")
        page.clock.run_for(500)
        expect(page.locator("#there")).to_have_text(
            "A request is ignored, unless you tick “Ingest it again”."
        )
        page.get_by_role("checkbox", name="Ingest it again").set_checked(again)
        page.get_by_role("button", name="Request ingest").click()
        ignored = "It is ignored if the recording is still in Opencast."
        no_class = "It will be ignored, because no class fits it: request it again with a series."
        said = no_class if again else ignored
        expect(page.locator("#answer")).to_have_text(f"Accepted. {said} {SHOWN}")

    def test_the_form_does_not_say_that_no_scheduled_class_fits_when_the_request_names_a_series(
        self, page: Page, site: Site
    ) -> None:
        open_page(page, site, "#request&uuid=done01==&oc_series_id=20260112345")
        page.clock.run_for(500)
        page.get_by_role("checkbox", name="Ingest it again").check()
        page.get_by_role("button", name="Request ingest").click()
        expect(page.locator("#answer")).to_have_text(f"Accepted. {SHOWN}")

    def test_the_message_about_a_wrong_uuid_disappears_when_another_uuid_is_typed(
        self, page: Page, site: Site
    ) -> None:
        open_page(page, site, "#request")
        page.locator("#f-uuid").fill("12345678901")
        page.get_by_role("button", name="Request ingest").click()
        expect(page.locator("#wrong-uuid")).not_to_be_empty()
        page.locator("#f-uuid").fill("done01==")
        expect(page.locator("#wrong-uuid")).to_be_empty()
        expect(page.locator("#f-uuid")).not_to_have_attribute("aria-invalid", "true")

    def test_the_form_does_not_say_that_a_request_is_ignored_when_the_recording_is_not_in_opencast(
        self, page: Page, site: Site
    ) -> None:
        open_page(page, site, "#request&uuid=private0==")
        page.clock.run_for(500)
        expect(page.locator("#about")).to_contain_text("So far")
        expect(page.locator("#there")).to_have_count(0)

    def test_the_form_sends_a_request_when_the_status_cannot_be_read(
        self, page: Page, site: Site, watch: Watch
    ) -> None:
        watch.expected = (REFUSED,)
        site.error_answer = json_answer(503, {"message": "x"})
        # On a slow machine, the page asks before its view is complete.
        with page.expect_response(lambda answer: "uuid=gone" in answer.url):
            open_page(page, site, "#request&uuid=gone%3D%3D")
            page.clock.run_for(500)
        send(page)
        expect(page.locator("#answer")).to_contain_text("Accepted.")
        expect(page.locator("#about")).to_be_empty()


def test_the_form_replaces_the_first_answer_when_a_second_request_is_refused(
    page: Page, site: Site, watch: Watch
) -> None:
    watch.expected = (REFUSED,)
    open_page(page, site, "#request")
    send(page)
    expect(page.locator("#answer")).to_contain_text("Accepted.")
    site.ingest = json_answer(404, {"message": "x"})
    send(page)
    expect(page.locator("#answer")).to_contain_text("There is no such recording.")
    expect(page.locator("#answer")).not_to_contain_text("Accepted.")
