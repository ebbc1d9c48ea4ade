"""Tests of the Zoom stand-in's lists of recordings and users."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import requests

from local.neighbours.zoom_account import (
    ACCOUNT_RECORDINGS_SCOPES,
    OLD_READ_SCOPE,
    USER_RECORDINGS_SCOPES,
    USERS_SCOPES,
)
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.local.clock import Clock
from tests.local.zoom_client import Client

DAYS = {"from": "2026-11-20", "to": "2026-11-24"}


def ask(client: Client, path: str, **query: str) -> requests.Response:
    return client.get(f"{client.zoom.api_base_url}{path}", headers=client.bearer(), params=query)


def uuids(answer: requests.Response) -> list[str]:
    return [meeting["uuid"] for meeting in answer.json()["meetings"]]


@pytest.fixture
def three(client: Client, recording: Recording) -> Client:
    """Return a client of an account with three recordings of one user, which the app may list."""
    client.zoom.grant(ACCOUNT_RECORDINGS_SCOPES[0], USER_RECORDINGS_SCOPES[0], USERS_SCOPES[0])
    client.zoom.add(dataclasses.replace(recording, uuid="two==", start_time="2026-11-22T15:00:00Z"))
    client.zoom.add(dataclasses.replace(recording, uuid="one==", start_time="2026-11-21T15:00:00Z"))
    return client


@pytest.mark.parametrize(
    ("path", "scopes"),
    [
        ("/accounts/me/recordings", ACCOUNT_RECORDINGS_SCOPES),
        ("/users/HOST/recordings", USER_RECORDINGS_SCOPES),
        ("/users", USERS_SCOPES),
    ],
)
@pytest.mark.parametrize("status", [400, 401])
def test_zoom_stand_in_refuses_a_list_when_the_app_lacks_every_scope_for_the_list(
    client: Client, recording: Recording, path: str, scopes: tuple[str, ...], status: int
) -> None:
    client.zoom.set(missing_scope_status=status)
    path = path.replace("HOST", recording.host_id)
    client.zoom.grant("meeting:read:meeting:admin")
    refused = ask(client, path, **DAYS)
    assert (refused.status_code, refused.json()["code"]) == (status, 4711)
    assert f"does not contain scopes:[{scopes[0]}]" in refused.json()["message"]
    for scope in scopes:
        client.zoom.grant(scope)
        assert ask(client, path, **DAYS).status_code == 200


def test_zoom_stand_in_refuses_a_request_for_a_list_without_a_valid_token(client: Client) -> None:
    answer = client.get(f"{client.zoom.api_base_url}/users", "made-up")
    assert (answer.status_code, answer.json()["code"]) == (401, 124)


def test_zoom_stand_in_refuses_recordings_of_the_account_when_the_app_has_only_the_classic_scope(
    client: Client,
) -> None:
    client.zoom.grant(OLD_READ_SCOPE)
    assert ask(client, "/accounts/me/recordings", **DAYS).status_code == 400


def test_zoom_stand_in_lists_recordings_of_the_requested_days_newest_first(
    three: Client, recording: Recording
) -> None:
    every = [recording.uuid, "two==", "one=="]
    assert uuids(ask(three, "/accounts/me/recordings", **DAYS)) == every
    path = f"/users/{recording.host_id}/recordings"
    assert uuids(ask(three, path, **{**DAYS, "to": "2026-11-22"})) == ["two==", "one=="]
    assert uuids(ask(three, path, **{**DAYS, "from": "2026-11-22"})) == every[:2]


def test_zoom_stand_in_does_not_list_trashed_recordings(three: Client) -> None:
    three.zoom.trash("two==")
    assert "two==" not in uuids(ask(three, "/accounts/me/recordings", **DAYS))


def test_zoom_stand_in_lists_a_recording_without_passcodes_and_token(three: Client) -> None:
    [first, *_] = ask(three, "/accounts/me/recordings", **DAYS).json()["meetings"]
    assert not {"password", "recording_play_passcode", "download_access_token"} & set(first)
    assert first["recording_files"][0]["download_url"]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-10-20", "to": "2026-11-21"},
        {"from": "2026-11-24", "to": "2026-11-20"},
        {"from": "yesterday", "to": "2026-11-24"},
        {**DAYS, "page_size": "301"},
        {**DAYS, "page_size": "0"},
        {**DAYS, "next_page_token": "made-up"},
    ],
)
def test_zoom_stand_in_refuses_a_request_for_a_list_when_the_query_is_wrong(
    three: Client, query: dict[str, str]
) -> None:
    answer = ask(three, "/accounts/me/recordings", **query)
    assert (answer.status_code, answer.json()["code"]) == (400, 300)


def test_list_of_zoom_recordings_may_span_a_month(three: Client) -> None:
    query = {"from": "2026-10-24", "to": "2026-11-24"}
    assert len(uuids(ask(three, "/accounts/me/recordings", **query))) == 3


def test_list_of_zoom_recordings_continues_with_its_page_token(
    three: Client, recording: Recording
) -> None:
    path, size = "/accounts/me/recordings", {"page_size": "2"}
    first = ask(three, path, **DAYS, **size)
    assert uuids(first) == [recording.uuid, "two=="]
    token = {"next_page_token": first.json()["next_page_token"]}
    second = ask(three, path, **DAYS, **size, **token)
    assert (uuids(second), second.json()["next_page_token"]) == (["one=="], "")


def test_zoom_page_token_is_valid_for_15_minutes_and_only_for_its_own_request(
    three: Client, clock: Clock
) -> None:
    path, size = "/accounts/me/recordings", {"page_size": "1"}
    token = {"next_page_token": ask(three, path, **DAYS, **size).json()["next_page_token"]}
    other: dict[str, Any] = {**DAYS, "to": "2026-11-23"}
    assert ask(three, path, **other, **size, **token).status_code == 400
    assert ask(three, path, **DAYS, **token).status_code == 400
    clock.now += 899
    assert ask(three, path, **DAYS, **size, **token).status_code == 200
    clock.now += 1
    assert ask(three, path, **DAYS, **size, **token).status_code == 400


def test_zoom_stand_in_lists_inactive_users_only_on_request(
    three: Client, recording: Recording
) -> None:
    def ids(**query: str) -> list[str]:
        return [user["id"] for user in ask(three, "/users", **query).json()["users"]]

    assert ids() == [recording.host_id]
    three.zoom.set_user(recording.host_id, "inactive")
    three.zoom.set_user("another", "active")
    assert ids() == ids(status="active") == ["another"]
    assert ids(status="inactive") == [recording.host_id]
    assert len(uuids(ask(three, f"/users/{recording.host_id}/recordings", **DAYS))) == 3
    assert ask(three, "/users", status="gone").status_code == 400


def test_zoom_stand_in_answers_404_when_the_user_of_recordings_is_unknown(three: Client) -> None:
    answer = ask(three, "/users/nobody/recordings", **DAYS)
    assert (answer.status_code, answer.json()["code"]) == (404, 1001)


def test_zoom_fault_at_the_api_affects_lists(three: Client) -> None:
    three.zoom.fail(Fault("status", where="api", status=429, retry_after=3))
    answer = ask(three, "/accounts/me/recordings", **DAYS)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert ask(three, "/accounts/me/recordings", **DAYS).status_code == 200
