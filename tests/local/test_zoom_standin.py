"""Tests of the Zoom stand-in's tokens, and of its answers about a meeting's recordings."""

import base64
import dataclasses
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.neighbours.zoom_account import OLD_READ_SCOPE, READ_FILES_SCOPE
from local.neighbours.zoom_api import meeting_of
from local.neighbours.zoom_recordings import Recording
from tests.local.clock import Clock
from tests.local.zoom_client import APP, Client, Start, twice


def test_zoom_stand_in_issues_a_token_for_basic_credentials(client: Client) -> None:
    answer = client.token_answer()
    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 3600
    assert answer.json()["scope"] == " ".join(APP.scopes)


def test_zoom_stand_in_accepts_token_parameters_in_the_form(client: Client) -> None:
    form = {"grant_type": "account_credentials", "account_id": "acc"}
    assert client.token_answer(params={}, data=form).status_code == 200


def test_zoom_stand_in_refuses_client_credentials_in_the_body(client: Client) -> None:
    body = {"client_id": "cid", "client_secret": "csecret"}
    answer = client.token_answer(auth=None, data=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


@pytest.mark.parametrize("status", [400, 401])
def test_zoom_stand_in_refuses_a_wrong_client_secret(client: Client, status: int) -> None:
    client.zoom.set(bad_client_status=status)
    answer = client.token_answer(auth=("cid", "wrong"))
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_client")


@pytest.mark.parametrize(
    "params",
    [
        {"grant_type": "client_credentials", "account_id": "acc"},
        {"grant_type": "account_credentials", "account_id": "other"},
        {"grant_type": "account_credentials"},
    ],
)
def test_zoom_stand_in_refuses_a_token_request_when_grant_or_account_is_wrong(
    client: Client, params: dict[str, str]
) -> None:
    assert client.token_answer(params=params).status_code == 400


def test_zoom_stand_in_refuses_a_token_request_by_get(client: Client) -> None:
    query = "?grant_type=account_credentials&account_id=acc"
    assert client.get(client.zoom.oauth_url + query, auth=("cid", "csecret")).status_code == 405


def test_access_token_of_zoom_stand_in_expires_after_an_hour(
    client: Client, clock: Clock, recording: Recording
) -> None:
    url = f"{client.zoom.api_base_url}/meetings/{twice(recording.uuid)}/recordings"
    token = client.token_answer().json()["access_token"]
    assert client.get(url, token).status_code == 200
    clock.now += 3600
    answer = client.get(url, token)
    assert (answer.status_code, answer.json()["code"]) == (401, 124)


@pytest.mark.parametrize("token", [None, "", "made-up"])
def test_zoom_stand_in_refuses_a_request_for_recordings_without_a_valid_token(
    client: Client, recording: Recording, token: str | None
) -> None:
    url = f"{client.zoom.api_base_url}/meetings/{twice(recording.uuid)}/recordings"
    answer = client.get(url, token)
    assert (answer.status_code, answer.json()["code"]) == (401, 124)


@pytest.mark.parametrize("status", [400, 401])
def test_zoom_stand_in_refuses_recordings_when_the_scope_is_missing(
    start: Start, recording: Recording, status: int
) -> None:
    client = start(dataclasses.replace(APP, scopes=("user:read:list_users:admin",)))
    client.zoom.set(missing_scope_status=status)
    answer = client.recordings(twice(recording.uuid))
    assert (answer.status_code, answer.json()["code"]) == (status, 4711)
    assert READ_FILES_SCOPE in answer.json()["message"]


def test_zoom_stand_in_returns_recordings_when_the_app_has_the_classic_scope(
    start: Start, recording: Recording
) -> None:
    client = start(dataclasses.replace(APP, scopes=(OLD_READ_SCOPE,)))
    assert client.recordings(twice(recording.uuid)).status_code == 200


@pytest.mark.parametrize("uuid", ["/ajXp112QmuoKj4854875==", "aj//Xp112QmuoKj485487=="])
def test_zoom_stand_in_finds_a_uuid_with_slashes_only_when_it_is_encoded_twice(
    client: Client, recording: Recording, uuid: str
) -> None:
    client.zoom.add(dataclasses.replace(recording, uuid=uuid))
    answer = client.recordings(quote(uuid, safe=""))
    assert (answer.status_code, answer.json()["code"]) == (404, 3301)
    assert client.recordings(twice(uuid)).json()["uuid"] == uuid


@given(raw=st.binary(min_size=16, max_size=16))
def test_zoom_stand_in_finds_any_uuid_when_it_is_encoded_twice(raw: bytes) -> None:
    uuid = base64.b64encode(raw).decode()
    assert meeting_of(f"/v2/meetings/{twice(uuid)}/recordings") == uuid
    once = meeting_of(f"/v2/meetings/{quote(uuid, safe='')}/recordings")
    assert once == (None if uuid.startswith("/") or "//" in uuid else uuid)


def test_zoom_stand_in_returns_the_latest_recording_for_a_meeting_number(
    client: Client, recording: Recording
) -> None:
    later = dataclasses.replace(recording, uuid="later==", start_time="2026-11-24T15:00:00Z")
    client.zoom.add(later)
    client.zoom.add(dataclasses.replace(recording, uuid="old==", start_time="2026-11-02T15:00:00Z"))
    assert client.recordings(str(recording.meeting_id)).json()["uuid"] == "later=="


def test_zoom_stand_in_returns_a_download_token_only_on_request_and_expires_it_after_its_ttl(
    client: Client, clock: Clock, recording: Recording
) -> None:
    where = twice(recording.uuid)
    assert "download_access_token" not in client.recordings(where).json()
    value = client.recordings(where, "?include_fields=download_access_token&ttl=60").json()
    url = value["recording_files"][0]["download_url"]
    assert client.get(url, value["download_access_token"]).status_code == 302
    clock.now += 60
    assert client.get(url, value["download_access_token"]).status_code == 401


@pytest.mark.parametrize("ttl", ["-1", "604801", "soon"])
def test_zoom_stand_in_refuses_a_ttl_when_it_is_out_of_bounds_or_no_number(
    client: Client, recording: Recording, ttl: str
) -> None:
    query = f"?include_fields=download_access_token&ttl={ttl}"
    assert client.recordings(twice(recording.uuid), query).json()["code"] == 300


@pytest.mark.parametrize("meeting", ["nobody==", "12345"])
def test_zoom_stand_in_answers_404_when_the_meeting_or_recording_is_unknown(
    client: Client, meeting: str
) -> None:
    answer = client.recordings(twice(meeting))
    assert (answer.status_code, answer.json()["code"]) == (404, 3301)


def test_zoom_stand_in_answers_code_3301_for_a_trashed_recording_and_a_page_for_its_files(
    client: Client, recording: Recording
) -> None:
    link, token = client.completed(recording)
    client.zoom.trash(recording.uuid)
    assert client.recordings(twice(recording.uuid)).json()["code"] == 3301
    assert client.get(link, token).headers["Content-Type"].startswith("text/html")


def test_zoom_stand_in_lists_files_as_processing_until_the_set_number_of_requests(
    client: Client, recording: Recording
) -> None:
    files = tuple(dataclasses.replace(file, processing_asks=2) for file in recording.files)
    client.zoom.add(dataclasses.replace(recording, files=files))
    link, token = client.completed(recording)
    seen: list[tuple[str, bool]] = []
    for _ in range(3):
        assert client.get(link, token).status_code == (302 if len(seen) > 1 else 200)
        first = client.recordings(twice(recording.uuid)).json()["recording_files"][0]
        seen.append((first["status"], first["file_size"] > 0))
    assert seen == [("processing", False), ("completed", True), ("completed", True)]
