"""The fake Zoom against the documents' account of Zoom."""

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
from tests.simulation.truth import FileTruth, Notify, Scenario
from tests.simulation.world import DAY, World
from tests.simulation.zoom import CDN, Download, Zoom

HOUR = 3600.0


def zoom_of(made: Scenario, at: float = DONE) -> Zoom:
    world = World(1)
    world.time = at
    return Zoom(world, made, "secret")


def with_file(truth: FileTruth | None = None) -> Scenario:
    return scenario((truth or file(0),))


def listed(zoom: Zoom, uuid: str = UUID) -> tuple[int, Any]:
    path = f"/meetings/{quote(quote(uuid, safe=''), safe='')}/recordings"
    answer = zoom.api(path, {}, f"Bearer {zoom.new_oauth()}")
    return answer.status_code, answer.json()


def deliver(answers: list[int | None], notification: Notify | None = None) -> list[float]:
    """When Zoom tried, if these are the answers."""
    truth = file(0)
    zoom = zoom_of(scenario((truth,)))
    tries: list[float] = []

    def post(_body: bytes, _headers: Mapping[str, str], seconds: float) -> int | None:
        assert seconds == 3.0
        tries.append(zoom.world.time - DONE)
        return answers[len(tries) - 1]

    zoom.world.start("zoom", lambda: zoom.notify(notification or notify(DONE, truth), post))
    zoom.world.run(DONE + DAY)
    return tries


def test_a_notification_is_signed_over_its_time_and_raw_body() -> None:
    truth = file(0)
    zoom = zoom_of(scenario((truth,)))

    def post(body: bytes, headers: Mapping[str, str], _seconds: float) -> int:
        message = f"v0:{headers['x-zm-request-timestamp']}:".encode() + body
        expected = hmac.new(b"secret", message, hashlib.sha256).hexdigest()
        assert headers["x-zm-signature"] == f"v0={expected}"
        return 200

    zoom.world.start("zoom", lambda: zoom.notify(notify(DONE, truth), post))
    zoom.world.run(DONE + DAY)
    assert zoom.deliveries[0].was_taken


@pytest.mark.parametrize("failure", [500, 502, 503, None])
def test_a_notification_comes_again_after_5_20_and_60_minutes(failure: int | None) -> None:
    assert deliver([failure] * 4) == [0.0, 300.0, 1500.0, 5100.0]


@pytest.mark.parametrize("status", [200, 204, 400, 401])
def test_a_notification_that_is_answered_with_less_than_500_never_comes_again(status: int) -> None:
    assert deliver([status]) == [0.0]


def test_each_repeat_has_another_token_and_other_addresses() -> None:
    truth = file(0)
    zoom = zoom_of(scenario((truth,)))
    first, second = (json.loads(zoom.body_of(notify(DONE, truth))) for _ in range(2))
    assert first["download_token"] != second["download_token"]
    (url,), (other,) = (
        [told["download_url"] for told in body["payload"]["object"]["recording_files"]]
        for body in (first, second)
    )
    assert url != other


def test_an_unfinished_file_is_told_as_processing_without_an_address() -> None:
    truth = file(0, finished=DONE + HOUR)
    zoom = zoom_of(scenario((truth,)))
    body = json.loads(zoom.body_of(notify(DONE, truth)))
    (told,) = body["payload"]["object"]["recording_files"]
    assert told["status"] == "processing"
    assert "download_url" not in told


def test_the_id_is_a_string_in_meeting_ended_only() -> None:
    zoom = zoom_of(with_file())
    ended = json.loads(zoom.body_of(Notify(DONE, UUID, "meeting.ended")))
    stopped = json.loads(zoom.body_of(Notify(DONE, UUID, "recording.stopped")))
    assert isinstance(ended["payload"]["object"]["id"], str)
    assert isinstance(stopped["payload"]["object"]["id"], int)


def test_the_list_of_files_can_lag_behind() -> None:
    made = scenario((file(0), file(1, listed=DONE + HOUR)))
    files = [
        [listing["id"] for listing in listed(zoom_of(made, at))[1]["recording_files"]]
        for at in (DONE, DONE + HOUR)
    ]
    assert files == [["f0-active_speaker"], ["f0-active_speaker", "f1-active_speaker"]]


def test_a_recording_in_the_trash_is_unknown_to_the_api() -> None:
    zoom = zoom_of(with_file())
    assert listed(zoom)[0] == 200
    zoom.recordings[UUID].in_trash = True
    assert listed(zoom)[0] == 404


def test_the_api_wants_a_token_that_lives() -> None:
    zoom = zoom_of(with_file())
    token = f"Bearer {zoom.new_oauth()}"
    zoom.world.time += 2 * HOUR
    assert zoom.api("/users", {}, token).status_code == 401


def test_a_listing_has_pages() -> None:
    zoom = zoom_of(with_file())
    zoom.recordings["other"] = zoom.recordings[UUID]
    oauth = f"Bearer {zoom.new_oauth()}"
    first = zoom.api("/accounts/me/recordings", {"page_size": "1"}, oauth).json()
    query = {"page_size": "1", "next_page_token": first["next_page_token"]}
    second = zoom.api("/accounts/me/recordings", query, oauth).json()
    assert [len(page["meetings"]) for page in (first, second)] == [1, 1]
    assert second["next_page_token"] == ""


def opened(zoom: Zoom, token: str) -> Download:
    """Follows a download to its end, the token along."""
    headers = {"Authorization": f"Bearer {token}", "Range": "bytes=0-0"}
    answer = zoom.download("https://acme.zoom.us/rec/download/f0-active_speaker/1", headers)
    if answer.status != 302:
        return answer
    assert CDN in answer.headers["Location"]
    return zoom.download(answer.headers["Location"], headers)


def test_a_download_is_redirected_and_answers_ranges() -> None:
    zoom = zoom_of(with_file())
    answer = opened(zoom, zoom.new_token(UUID))
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes 0-0/{file(0).size}"
    assert zoom.contents[answer.headers["ETag"]] == f"{UUID}|f0-active_speaker"


def test_a_download_token_dies_after_a_day() -> None:
    zoom = zoom_of(with_file())
    token = zoom.new_token(UUID)
    zoom.world.time += DAY
    assert opened(zoom, token).status == 401


def test_the_address_of_a_redirect_dies_before_the_token() -> None:
    zoom = zoom_of(with_file())
    headers = {"Authorization": f"Bearer {zoom.new_token(UUID)}", "Range": "bytes=0-0"}
    first = zoom.download("https://acme.zoom.us/rec/download/f0-active_speaker/1", headers)
    zoom.world.time += 7 * HOUR
    assert zoom.download(first.headers["Location"], headers).status == 403


@pytest.mark.parametrize(("is_page", "status"), [(True, 200), (False, 404)])
def test_a_file_that_is_gone_or_not_yet_there_is_a_page_or_404(is_page: bool, status: int) -> None:
    site = replace(SITE, gone_is_page=is_page)
    zoom = zoom_of(scenario((file(0, finished=DONE + HOUR),), site=site))
    answer = opened(zoom, zoom.new_token(UUID))
    assert answer.status == status
    assert answer.headers.get("Content-Type", "").startswith("text/html") is is_page


@pytest.mark.parametrize(("cdn", "status"), [("ignores", 206), ("wants", 206), ("refuses", 403)])
def test_the_cdn_may_refuse_the_token(cdn: str, status: int) -> None:
    zoom = zoom_of(scenario((file(0),), site=replace(SITE, cdn=cdn)))
    assert opened(zoom, zoom.new_token(UUID)).status == status
