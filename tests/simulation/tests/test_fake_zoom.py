"""Tests that the fake Zoom behaves as Zoom's documents say."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from tests.simulation.named import DONE, SITE, UUID, file, notify, scenario
from tests.simulation.truth import Scenario, WebhookEvent
from tests.simulation.world import DAY, World
from tests.simulation.zoom import CDN, Download, Zoom

HOUR = 3600.0
F0 = file(0)
ONE_FILE = scenario((F0,))


def zoom_of(made: Scenario, at: float = DONE) -> Zoom:
    world = World(1)
    world.time = at
    return Zoom(world, made, "secret")


def listed(zoom: Zoom, uuid: str = UUID) -> tuple[int, Any]:
    path = f"/meetings/{quote(quote(uuid, safe=''), safe='')}/recordings"
    answer = zoom.api(path, {}, f"Bearer {zoom.new_oauth()}")
    return answer.status_code, answer.json()


def deliver(answers: list[int | None]) -> list[float]:
    """Make Zoom send a webhook event that gets the answers.

    Return the seconds from DONE to each attempt.
    """
    zoom = zoom_of(ONE_FILE)
    attempts: list[float] = []

    def post(_body: bytes, _headers: Mapping[str, str], seconds: float) -> int | None:
        assert seconds == 3.0
        attempts.append(zoom.world.time - DONE)
        return answers[len(attempts) - 1]

    zoom.world.start("zoom", lambda: zoom.notify(notify(DONE, F0), post))
    zoom.world.run(DONE + DAY)
    return attempts


def test_fake_zoom_signs_a_webhook_event_over_its_time_and_raw_body() -> None:
    zoom = zoom_of(ONE_FILE)

    def post(body: bytes, headers: Mapping[str, str], _seconds: float) -> int:
        message = f"v0:{headers['x-zm-request-timestamp']}:".encode() + body
        expected = hmac.new(b"secret", message, hashlib.sha256).hexdigest()
        assert headers["x-zm-signature"] == f"v0={expected}"
        return 200

    zoom.world.start("zoom", lambda: zoom.notify(notify(DONE, F0), post))
    zoom.world.run(DONE + DAY)
    assert zoom.deliveries[0].was_taken


@pytest.mark.parametrize("failure", [500, 502, 503, None])
def test_fake_zoom_retries_a_failed_webhook_event_after_pauses_of_5_20_and_60_minutes(
    failure: int | None,
) -> None:
    assert deliver([failure] * 4) == [0.0, 300.0, 1500.0, 5100.0]


@pytest.mark.parametrize("status", [200, 204, 400, 401])
def test_fake_zoom_does_not_retry_a_webhook_event_when_the_answer_is_below_500(status: int) -> None:
    assert deliver([status]) == [0.0]


def test_webhook_event_of_fake_zoom_has_a_new_token_and_new_urls_when_it_is_repeated() -> None:
    zoom = zoom_of(ONE_FILE)
    first, second = (json.loads(zoom.body_of(notify(DONE, F0))) for _ in range(2))
    assert first["download_token"] != second["download_token"]
    (url,), (other,) = (
        [entry["download_url"] for entry in body["payload"]["object"]["recording_files"]]
        for body in (first, second)
    )
    assert url != other


def test_file_of_fake_zoom_has_the_status_processing_and_no_url_when_it_is_unfinished() -> None:
    truth = file(0, finished=DONE + HOUR)
    zoom = zoom_of(scenario((truth,)))
    body = json.loads(zoom.body_of(notify(DONE, truth)))
    (entry,) = body["payload"]["object"]["recording_files"]
    assert entry["status"] == "processing"
    assert "download_url" not in entry


def test_meeting_id_of_fake_zoom_is_a_string_in_meeting_ended_but_not_in_recording_stopped() -> (
    None
):
    zoom = zoom_of(ONE_FILE)
    ended = json.loads(zoom.body_of(WebhookEvent(DONE, UUID, "meeting.ended")))
    stopped = json.loads(zoom.body_of(WebhookEvent(DONE, UUID, "recording.stopped")))
    assert isinstance(ended["payload"]["object"]["id"], str)
    assert isinstance(stopped["payload"]["object"]["id"], int)


def test_fake_zoom_api_lists_a_file_from_the_time_that_the_scenario_sets() -> None:
    made = scenario((file(0), file(1, listed=DONE + HOUR)))
    files = [
        [listing["id"] for listing in listed(zoom_of(made, at))[1]["recording_files"]]
        for at in (DONE, DONE + HOUR)
    ]
    assert files == [["f0-active_speaker"], ["f0-active_speaker", "f1-active_speaker"]]


def test_fake_zoom_answers_404_when_the_recording_is_in_the_trash() -> None:
    zoom = zoom_of(ONE_FILE)
    assert listed(zoom)[0] == 200
    zoom.recordings[UUID].in_trash = True
    assert listed(zoom)[0] == 404


def test_fake_zoom_api_answers_401_when_the_access_token_has_expired() -> None:
    zoom = zoom_of(ONE_FILE)
    token = f"Bearer {zoom.new_oauth()}"
    zoom.world.time += 2 * HOUR
    assert zoom.api("/users", {}, token).status_code == 401


def test_fake_zoom_api_lists_recordings_in_pages() -> None:
    zoom = zoom_of(ONE_FILE)
    zoom.recordings["other"] = zoom.recordings[UUID]
    oauth = f"Bearer {zoom.new_oauth()}"
    first = zoom.api("/accounts/me/recordings", {"page_size": "1"}, oauth).json()
    query = {"page_size": "1", "next_page_token": first["next_page_token"]}
    second = zoom.api("/accounts/me/recordings", query, oauth).json()
    assert [len(page["meetings"]) for page in (first, second)] == [1, 1]
    assert second["next_page_token"] == ""


def opened(zoom: Zoom, token: str) -> Download:
    """Follow a download's redirect with the token, and return the last answer."""
    headers = {"Authorization": f"Bearer {token}", "Range": "bytes=0-0"}
    answer = zoom.download("https://acme.zoom.us/rec/download/f0-active_speaker/1", headers)
    if answer.status != 302:
        return answer
    assert CDN in answer.headers["Location"]
    return zoom.download(answer.headers["Location"], headers)


def test_fake_zoom_redirects_a_download_and_answers_ranges() -> None:
    zoom = zoom_of(ONE_FILE)
    answer = opened(zoom, zoom.new_token(UUID))
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes 0-0/{file(0).size}"
    assert zoom.contents[answer.headers["ETag"]] == f"{UUID}|f0-active_speaker"


def test_download_token_of_fake_zoom_expires_after_a_day() -> None:
    zoom = zoom_of(ONE_FILE)
    token = zoom.new_token(UUID)
    zoom.world.time += DAY
    assert opened(zoom, token).status == 401


def test_url_of_a_redirect_of_fake_zoom_expires_before_the_download_token() -> None:
    zoom = zoom_of(ONE_FILE)
    headers = {"Authorization": f"Bearer {zoom.new_token(UUID)}", "Range": "bytes=0-0"}
    first = zoom.download("https://acme.zoom.us/rec/download/f0-active_speaker/1", headers)
    zoom.world.time += 7 * HOUR
    assert zoom.download(first.headers["Location"], headers).status == 403


@pytest.mark.parametrize(("is_page", "status"), [(True, 200), (False, 404)])
def test_fake_zoom_answers_a_download_with_a_page_or_404_when_the_file_is_missing(
    is_page: bool, status: int
) -> None:
    site = replace(SITE, gone_is_page=is_page)
    zoom = zoom_of(scenario((file(0, finished=DONE + HOUR),), site=site))
    answer = opened(zoom, zoom.new_token(UUID))
    assert answer.status == status
    assert answer.headers.get("Content-Type", "").startswith("text/html") is is_page


@pytest.mark.parametrize(("cdn", "status"), [("ignores", 206), ("wants", 206), ("refuses", 403)])
def test_fake_zoom_answers_a_download_with_403_only_when_its_cdn_is_set_to_refuse_tokens(
    cdn: str, status: int
) -> None:
    zoom = zoom_of(scenario((file(0),), site=replace(SITE, cdn=cdn)))
    assert opened(zoom, zoom.new_token(UUID)).status == status
