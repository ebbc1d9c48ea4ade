"""Tests of the Slack stand-in's Web API."""

import ssl
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from local.authority import Authority
from local.neighbours.faults import Fault
from tests.local.clock import Clock
from tests.local.slack.client import TOKEN, Client


def test_slack_stand_in_lists_groups_and_their_members(client: Client) -> None:
    groups = client.call("usergroups.list").json()["usergroups"]
    assert [group["handle"] for group in groups] == ["zip-users", "staff", "everyone-else"]
    members = client.call("usergroups.users.list", data={"usergroup": groups[0]["id"]}).json()
    assert members == {"ok": True, "users": ["U0PRODUCER"]}


def test_client_library_of_slack_can_list_groups_and_members(
    client: Client, tls: Authority
) -> None:
    sdk = WebClient(TOKEN, base_url=client.slack.api_base_url, ssl=_context(tls))
    groups = sdk.usergroups_list()["usergroups"]
    assert sdk.usergroups_users_list(usergroup=groups[0]["id"])["users"] == ["U0PRODUCER"]
    with pytest.raises(SlackApiError, match="no_such_subteam"):
        sdk.usergroups_users_list(usergroup="S0NOBODY")


@pytest.mark.parametrize(
    ("method", "token", "more", "error"),
    [
        ("usergroups.list", None, {}, "not_authed"),
        ("usergroups.list", "xoxb-other", {}, "invalid_auth"),
        ("usergroups.list", None, {"verb": "GET", "params": {"token": TOKEN}}, "not_authed"),
        ("usergroups.list", None, {"params": {"token": TOKEN}}, "not_authed"),
        ("usergroups.list", TOKEN, {"verb": "DELETE"}, "invalid_request_method"),
        ("usergroups.list", TOKEN, {"data": b"<a/>"}, "invalid_post_type"),
        ("usergroups.users.list", TOKEN, {}, "invalid_arguments"),
        # Only Slack's write methods accept JSON (https://docs.slack.dev/apis/web-api).
        ("usergroups.users.list", TOKEN, {"json": {"usergroup": "S0"}}, "invalid_arguments"),
        ("usergroups.users.list", TOKEN, {"data": {"usergroup": "staff"}}, "no_such_subteam"),
        ("users.list", TOKEN, {}, "unknown_method"),
        ("", TOKEN, {}, "unknown_method"),
    ],
)
def test_slack_api_method_returns_its_error_with_status_200(
    client: Client, method: str, token: str | None, more: dict[str, Any], error: str
) -> None:
    answer = client.call(method, token, **more)
    assert answer.status_code == 200
    assert (answer.json()["ok"], answer.json()["error"]) == (False, error)


def test_slack_stand_in_refuses_a_method_when_the_app_lacks_the_scope(client: Client) -> None:
    client.control("POST", "app", json={"scopes": ["commands"]})
    answer = client.call("usergroups.list").json()
    assert answer == {
        "ok": False,
        "error": "missing_scope",
        "needed": "usergroups:read",
        "provided": "commands",
    }


def test_slack_stand_in_limits_each_api_method_to_20_calls_per_minute(
    client: Client, clock: Clock
) -> None:
    assert all(client.call("usergroups.list").json()["ok"] for _ in range(20))
    answer = client.call("usergroups.list")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")
    assert answer.json() == {"ok": False, "error": "ratelimited"}
    members = client.call("usergroups.users.list", data={"usergroup": "S0ALLOWED0"})
    assert members.json()["ok"]
    clock.now += 60
    assert client.call("usergroups.list").json()["ok"]


def test_slack_stand_in_applies_a_fault_to_its_method_only(client: Client) -> None:
    client.slack.fail(Fault(kind="status", status=429, retry_after=7, where="usergroups.list"))
    client.slack.fail(Fault(kind="status", status=503, where="usergroups.list", skip=1))
    assert client.call("usergroups.users.list").status_code == 200
    first = client.call("usergroups.list")
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert client.call("usergroups.list").status_code == 200
    assert client.call("usergroups.list").status_code == 503
    assert client.call("usergroups.list").status_code == 200
    seen = [(seen.where, seen.status, seen.fault) for seen in client.slack.requests]
    assert seen[1] == ("usergroups.list", 429, "status")


def test_slack_stand_in_refuses_a_fault_for_an_unknown_method(client: Client) -> None:
    answer = client.control("POST", "faults", json={"kind": "slow", "where": "users.list"})
    assert answer.status_code == 400
    assert "usergroups.users.list" in answer.json()["message"]


def _context(tls: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(tls.ca_bundle))
