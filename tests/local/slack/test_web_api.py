"""Slack's Web API as an app meets it."""

import ssl
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from local.authority import Authority
from local.neighbours.host import Fault
from local.neighbours.slack_workspace import Group
from tests.local.clock import Clock
from tests.local.slack.client import TOKEN, Client


def test_groups_by_handle_and_their_members(client: Client) -> None:
    groups = client.call("usergroups.list").json()["usergroups"]
    assert [group["handle"] for group in groups] == ["zip-users", "staff", "everyone-else"]
    assert "users" not in groups[0]
    assert "user_count" not in groups[0]
    told = client.call("usergroups.users.list", data={"usergroup": groups[0]["id"]}).json()
    assert told == {"ok": True, "users": ["U0PRODUCER"]}


def test_members_and_counts_come_with_the_list_if_asked(client: Client) -> None:
    asked = {"include_users": "true", "include_count": "1"}
    first = client.call("usergroups.list", verb="GET", params=asked).json()["usergroups"][0]
    assert (first["users"], first["user_count"]) == (["U0PRODUCER"], 1)


def test_a_disabled_group_has_to_be_asked_for(client: Client) -> None:
    client.slack.workspace.groups["S0GONE"] = Group("S0GONE", "gone", ("U0PRODUCER",), "", True)
    plain = client.call("usergroups.list").json()["usergroups"]
    every = client.call("usergroups.list", data={"include_disabled": "1"}).json()["usergroups"]
    assert len(every) == len(plain) + 1
    answer = client.call("usergroups.users.list", data={"usergroup": "S0GONE"}).json()
    assert answer["error"] == "no_such_subteam"


def test_slack_s_own_client_is_content(client: Client, tls: Authority) -> None:
    sdk = WebClient(TOKEN, base_url=client.slack.api_base_url, ssl=_context(tls))
    groups = sdk.usergroups_list(include_users=True)["usergroups"]
    assert groups[0]["users"] == ["U0PRODUCER"]
    assert sdk.usergroups_users_list(usergroup=groups[0]["id"])["users"] == ["U0PRODUCER"]
    assert sdk.auth_test()["team_id"] == "T0LOCALZIP"
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
        ("usergroups.list", TOKEN, {"data": {"include_users": "yes"}}, "invalid_arguments"),
        ("usergroups.users.list", TOKEN, {}, "invalid_arguments"),
        # Methods that read take no JSON.
        ("usergroups.users.list", TOKEN, {"json": {"usergroup": "S0"}}, "invalid_arguments"),
        ("usergroups.users.list", TOKEN, {"data": {"usergroup": "staff"}}, "no_such_subteam"),
        ("users.list", TOKEN, {}, "unknown_method"),
        ("", TOKEN, {}, "unknown_method"),
    ],
)
def test_errors_have_status_200(
    client: Client, method: str, token: str | None, more: dict[str, Any], error: str
) -> None:
    answer = client.call(method, token, **more)
    assert answer.status_code == 200
    assert (answer.json()["ok"], answer.json()["error"]) == (False, error)


def test_a_token_may_also_come_in_a_form(client: Client) -> None:
    assert client.call("auth.test", None, data={"token": TOKEN}).json()["ok"]


def test_a_scope_that_the_app_lacks_is_named(client: Client) -> None:
    client.control("POST", "app", json={"scopes": ["commands"]})
    answer = client.call("usergroups.list").json()
    assert answer == {
        "ok": False,
        "error": "missing_scope",
        "needed": "usergroups:read",
        "provided": "commands",
    }
    assert client.call("auth.test").json()["ok"]


def test_twenty_calls_a_minute_and_no_more(client: Client, clock: Clock) -> None:
    assert all(client.call("usergroups.list").json()["ok"] for _ in range(20))
    answer = client.call("usergroups.list")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")
    assert answer.json() == {"ok": False, "error": "ratelimited"}
    assert client.call("auth.test").json()["ok"]
    clock.now += 60
    assert client.call("usergroups.list").json()["ok"]


def test_it_fails_where_and_as_often_as_it_is_told(client: Client) -> None:
    client.slack.fail(Fault(kind="status", status=429, retry_after=7, where="usergroups.list"))
    client.slack.fail(Fault(kind="status", status=503, where="usergroups.list", skip=1))
    assert client.call("auth.test").status_code == 200
    first = client.call("usergroups.list")
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert client.call("usergroups.list").status_code == 200
    assert client.call("usergroups.list").status_code == 503
    assert client.call("usergroups.list").status_code == 200
    told = [(seen.where, seen.status, seen.fault) for seen in client.slack.requests]
    assert told[1] == ("usergroups.list", 429, "status")


def test_a_place_that_there_is_none_of_is_refused(client: Client) -> None:
    answer = client.control("POST", "faults", json={"kind": "slow", "where": "users.list"})
    assert answer.status_code == 400
    assert "usergroups.users.list" in answer.json()["message"]


def _context(tls: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(tls.ca_bundle))
