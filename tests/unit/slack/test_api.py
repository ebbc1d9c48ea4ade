"""Requests from Slack, and our calls to Slack's API over HTTPS."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.errors import BadRequest, SlackRefused, SlackUnreachable
from ingester.slack.api import (
    API_SECONDS,
    GROUPS_SECONDS,
    MAX_FIELDS,
    PASSING,
    Command,
    Members,
    Nothing,
    Press,
    parse,
    post,
    web_client,
)
from ingester.slack.blocks import note
from local.authority import Authority
from local.neighbours.https_server import Answer, Request, json_answer, text_answer
from tests.neighbours import Page, Web, web_server
from tests.waits import Sleeper, Stopwatch

FIELDS = {
    "user_id": "U1",
    "channel_id": "C1",
    "channel_name": "zip",
    "response_url": "https://hooks.slack.com/commands/T1/1/x",
    "text": "123 456 7890",
    "command": "/zip",
    "token": "t",
}
PAYLOAD = {
    "type": "block_actions",
    "user": {"id": "U1", "name": "n"},
    "channel": {"id": "C1", "name": "zip"},
    "response_url": "https://hooks.slack.com/actions/T1/1/x",
    "actions": [{"action_id": "more", "value": "v"}],
}


@pytest.fixture(scope="module")
def context(tls: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(tls.ca_bundle))


@pytest.fixture(scope="module")
def server(tls: Authority) -> Iterator[Web]:
    with web_server(tls) as made:
        yield made


@pytest.fixture
def web(server: Web) -> Web:
    server.forget()
    return server


@dataclass
class Groups:
    """A harness with a web server that answers about user groups as Slack's API does."""

    web: Web
    context: ssl.SSLContext
    timer: Stopwatch = field(default_factory=lambda: Stopwatch(now=0.0))
    sleeper: Sleeper = field(default_factory=Sleeper)

    def members(self, *handles: str) -> Members:
        client = web_client("xoxb-1", f"{self.web.url}/api", self.context)
        return Members(client, handles, sleep=self.sleeper, monotonic=self.timer)

    def set_lists(self, *lists: Page) -> None:
        self.web.pages["/api/usergroups.list"] = list(lists)


@pytest.fixture
def groups(web: Web, context: ssl.SSLContext) -> Groups:
    made = Groups(web, context)
    made.set_lists(listed(S1="staff", S2="chairs", S3="Others"))
    web.pages["/api/usergroups.users.list"] = users(S1=["U1"], S2=["U2"], S3=["U3"])
    return made


def listed(**handles: str) -> Answer:
    found = [{"id": id_, "handle": handle, "name": "n"} for id_, handle in handles.items()]
    return json_answer(200, {"ok": True, "usergroups": found})


def users(**of: list[str]) -> Callable[[Request], Answer]:
    def tell(request: Request) -> Answer:
        asked = dict(parse_qsl(request.body.decode()))["usergroup"]
        return json_answer(200, {"ok": True, "users": of[asked]})

    return tell


def test_slash_command_of_slack_is_parsed() -> None:
    assert read(urlencode(FIELDS).encode()) == Command(
        user_id="U1",
        channel_id="C1",
        channel_name="zip",
        response_url=FIELDS["response_url"],
        text="123 456 7890",
    )


def test_press_of_a_slack_button_is_parsed() -> None:
    assert read(pressed(PAYLOAD)) == Press(
        user_id="U1",
        channel_id="C1",
        channel_name="zip",
        response_url="https://hooks.slack.com/actions/T1/1/x",
        value="v",
    )


API = "https://slack.com/api"


def read(body: bytes) -> Command | Press | Nothing:
    """Parse the body of a request whose response URL has to belong to slack.com."""
    return parse(body, API)


def pressed(payload: object) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


@pytest.mark.parametrize(
    "payload",
    [{"type": "view_submission"}, {"type": "shortcut", "x": 1}, {**PAYLOAD, "actions": []}],
)
def test_slack_interaction_needs_no_answer_when_it_is_neither_a_command_nor_a_press(
    payload: object,
) -> None:
    assert read(pressed(payload)) == Nothing()
    assert read(b"ssl_check=1") == Nothing()


@pytest.mark.parametrize("name", ["user_id", "channel_id", "channel_name", "response_url"])
def test_slash_command_is_refused_when_a_required_field_is_missing(name: str) -> None:
    with pytest.raises(BadRequest, match=name):
        read(urlencode({key: value for key, value in FIELDS.items() if key != name}).encode())


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/x",
        "file:///etc/passwd",
        "",
        "https://169.254.169.254/latest/meta-data",
        "https://evil.example/hooks.slack.com",
        "https://hooks.slack.com.evil.example/x",
        "https://evilslack.com/x",
        "https://slack.com@evil.example/x",
        "https://evil.example\\@hooks.slack.com/x",
        "https://[::1]/x",
        "https://hooks.slack.com:x/",
    ],
)
def test_slack_request_is_refused_when_its_response_url_is_not_an_https_address_of_slack(
    url: str,
) -> None:
    for body in (
        urlencode({**FIELDS, "response_url": url}).encode(),
        pressed({**PAYLOAD, "response_url": url}),
    ):
        with pytest.raises(BadRequest, match="https"):
            read(body)


def test_form_of_a_slack_request_is_refused_when_it_has_too_many_fields() -> None:
    many = {f"f{number}": "" for number in range(MAX_FIELDS - len(FIELDS) + 1)}
    with pytest.raises(BadRequest, match="not a form"):
        read(urlencode({**FIELDS, **many}).encode())
    many.popitem()
    assert isinstance(read(urlencode({**FIELDS, **many}).encode()), Command)


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.dictionaries(st.sampled_from([*FIELDS, "payload"]), st.text()).map(
        lambda form: urlencode(form, errors="replace").encode()
    )
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(PAYLOAD)), inner),
    ).map(pressed)
)
def test_slack_request_is_parsed_or_refused_whatever_its_body(body: bytes) -> None:
    with suppress(BadRequest):
        assert isinstance(read(body), Command | Press | Nothing)


def test_members_are_the_users_of_every_slack_group_that_is_named_by_its_handle(
    groups: Groups,
) -> None:
    members = groups.members("STAFF", "others")
    assert [members.has(user, seconds=5) for user in ("U1", "U2", "U3", "")] == [
        True,
        False,
        True,
        False,
    ]
    assert len(groups.web.seen) == 3
    assert {token for _, token in groups.web.tokens()} == {"Bearer xoxb-1"}


def test_members_are_the_users_of_a_slack_group_that_is_named_by_its_id_whatever_its_handle(
    groups: Groups,
) -> None:
    # A handle can pass to another group, whose members then get access, but an id can't.
    groups.set_lists(listed(S0615G0KT="renamed", S0999ABCD="s0615g0kt", S2="chairs"))
    users_of = users(S0615G0KT=["U1"], S0999ABCD=["U2"], S2=["U3"])
    groups.web.pages["/api/usergroups.users.list"] = users_of
    members = groups.members("S0615G0KT", "CHAIRS")
    assert [members.has(user, seconds=5) for user in ("U1", "U2", "U3")] == [True, False, True]


def test_members_of_a_slack_group_are_read_again_after_five_minutes(groups: Groups) -> None:
    members = groups.members("staff")
    assert not members.has("U9", seconds=5)
    groups.web.pages["/api/usergroups.users.list"] = users(S1=["U9"])
    groups.timer.now = GROUPS_SECONDS - 1
    assert not members.has("U9", seconds=5)
    groups.timer.now = GROUPS_SECONDS
    assert members.has("U9", seconds=5)


@pytest.mark.parametrize(
    ("token", "path", "handles", "is_kept"),
    [
        ("xoxb-1", "/api", ("STAFF",), True),
        ("xoxb-2", "/api", ("staff",), False),
        ("xoxb-1", "/other", ("staff",), False),
        ("xoxb-1", "/api", ("staff", "chairs"), False),
        ("xoxb-1", "/api", ("S0615G0KT",), False),
    ],
)
def test_cached_members_are_kept_only_when_slack_groups_token_and_api_url_are_the_same(
    groups: Groups, token: str, path: str, handles: tuple[str, ...], is_kept: bool
) -> None:
    known = groups.members("staff")
    client = web_client(token, f"{groups.web.url}{path}", groups.context)
    newer = Members(client, handles, sleep=groups.sleeper)
    assert newer.with_cached_groups_of(known) is (known if is_kept else newer)


def test_cached_members_expire_five_minutes_after_the_call_to_slack_began(groups: Groups) -> None:
    # A user who leaves a group during the call keeps access for five minutes at most.
    def slow(_request: Request) -> Answer:
        groups.timer.now += 10
        return listed(S1="staff")

    groups.set_lists(slow)
    members = groups.members("staff")
    assert members.has("U1", seconds=60)
    groups.web.pages["/api/usergroups.users.list"] = users(S1=[])
    groups.timer.now = GROUPS_SECONDS
    assert not members.has("U1", seconds=60)


def test_members_of_a_slack_group_are_read_from_every_page_of_the_answer(groups: Groups) -> None:
    def page(request: Request) -> Answer:
        cursor = dict(parse_qsl(request.body.decode())).get("cursor", "")
        following = {"": "2", "2": "3", "3": ""}[cursor]
        answer = {
            "ok": True,
            "users": [f"U{cursor}"],
            "response_metadata": {"next_cursor": following},
        }
        return json_answer(200, answer)

    groups.web.pages["/api/usergroups.users.list"] = page
    members = groups.members("staff")
    assert all(members.has(user, seconds=5) for user in ("U", "U2", "U3"))


def test_missing_slack_group_is_logged_and_has_no_members(
    groups: Groups, caplog: pytest.LogCaptureFixture
) -> None:
    assert not groups.members("stuff").has("U1", seconds=5)
    assert "no user group stuff" in caplog.text


def test_call_to_slack_is_retried_when_slack_is_busy(groups: Groups) -> None:
    busy = json_answer(429, {"ok": False, "error": "ratelimited"}, ("Retry-After", "2"))
    groups.set_lists(busy, json_answer(503, {"ok": False}), listed(S1="staff"))
    assert groups.members("staff").has("U1", seconds=60)
    assert groups.sleeper.slept[0] == 2


def test_call_to_slack_fails_when_retry_after_exceeds_the_remaining_seconds(groups: Groups) -> None:
    groups.set_lists(json_answer(429, {"ok": False, "error": "ratelimited"}, ("Retry-After", "30")))
    with pytest.raises(SlackUnreachable):
        groups.members("staff").has("U1", seconds=20)
    assert groups.sleeper.slept == []


def test_call_to_slack_is_not_retried_when_the_time_for_the_call_is_over(groups: Groups) -> None:
    def slow(_: Request) -> Answer:
        groups.timer.now += 30
        return json_answer(503, {"ok": False})

    groups.set_lists(slow)
    with pytest.raises(SlackUnreachable):
        groups.members("staff").has("U1", seconds=20)
    assert groups.sleeper.slept == []


@pytest.mark.parametrize(
    ("page", "word"),
    [
        *((json_answer(200, {"ok": False, "error": code}), code) for code in sorted(PASSING)),
        (json_answer(200, {"ok": False, "error": "ratelimited"}), "ratelimited"),
        (json_answer(500, {}), "500"),
        (text_answer(502, "text/html", b"<html>"), "502"),
        (json_answer(200, {"ok": True, "usergroups": "x"}), "can't be read"),
        (json_answer(200, {"ok": True}), "can't be read"),
    ],
)
def test_slack_unreachable_is_raised_when_an_answer_of_slack_is_unusable(
    groups: Groups, page: Answer, word: str
) -> None:
    groups.set_lists(page)
    with pytest.raises(SlackUnreachable, match=word):
        groups.members("staff").has("U1", seconds=0)


def test_slack_unreachable_is_raised_when_the_connection_is_refused(
    groups: Groups, context: ssl.SSLContext
) -> None:
    client = web_client("xoxb-1", "https://127.0.0.1:9/api", context)
    with pytest.raises(SlackUnreachable, match="ConnectionRefusedError"):
        Members(client, ["staff"], sleep=groups.sleeper).has("U1", seconds=0)


@pytest.mark.parametrize(
    ("problem", "word"),
    [
        ({"ok": False, "error": "invalid_auth"}, "invalid_auth. Check SLACK_API_TOKEN"),
        (
            {"ok": False, "error": "missing_scope", "needed": "usergroups:read"},
            "scope usergroups:read",
        ),
    ],
)
def test_error_names_the_problem_when_slack_rejects_a_call_to_its_api(
    groups: Groups, problem: dict[str, object], word: str
) -> None:
    groups.set_lists(json_answer(200, problem))
    with pytest.raises(SlackRefused, match=word):
        groups.members("staff").has("U1", seconds=5)
    assert len(groups.web.seen) == 1


def test_message_to_slack_is_posted_to_the_response_url(web: Web, context: ssl.SSLContext) -> None:
    web.pages["/respond"] = Answer(200, body=b"ok")
    post(f"{web.url}/respond", note("hello"), context=context, seconds=5)
    (request,) = web.seen
    assert request.method == "POST"
    assert json.loads(request.body) == {
        "response_type": "ephemeral",
        "replace_original": False,
        "text": "hello",
    }


def test_redirect_of_a_response_url_is_not_followed(web: Web, context: ssl.SSLContext) -> None:
    web.pages["/respond"] = Answer(302, (("Location", f"{web.url}/elsewhere"),))
    web.pages["/elsewhere"] = Answer(200, body=b"ok")
    with pytest.raises(SlackRefused, match="302"):
        post(f"{web.url}/respond", note("hello"), context=context, seconds=5)
    assert [request.path for request in web.seen] == ["/respond"]


def test_error_of_a_post_names_the_error_code_of_slack_and_no_other_text_of_the_answer(
    web: Web, context: ssl.SSLContext
) -> None:
    web.pages["/respond"] = Answer(404, body=b"used_url")
    with pytest.raises(SlackRefused, match="404 to a message, used_url"):
        post(f"{web.url}/respond", note("hello"), context=context, seconds=5)
    web.pages["/respond"] = Answer(404, body=b"ami-id: secret")
    with pytest.raises(SlackRefused) as raised:
        post(f"{web.url}/respond", note("hello"), context=context, seconds=5)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (Answer(404, body=b"used_url"), SlackRefused),
        (Answer(429), SlackUnreachable),
        (Answer(503), SlackUnreachable),
    ],
)
def test_post_of_a_message_fails_when_slack_does_not_accept_it(
    web: Web, context: ssl.SSLContext, page: Answer, kind: type[Exception]
) -> None:
    web.pages["/respond"] = page
    with pytest.raises(kind):
        post(f"{web.url}/respond", note("hello"), context=context, seconds=5)
    assert len(web.seen) == 1


def test_log_contains_no_secret_of_slack(
    groups: Groups, context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    # At DEBUG, Slack's SDK would log headers and response URLs, which contain secrets.
    groups.web.pages["/actions/T1/key"] = Answer(200, body=b"ok")
    with caplog.at_level(logging.DEBUG):
        post(f"{groups.web.url}/actions/T1/key", note("hello"), context=context, seconds=5)
        assert groups.members("staff").has("U1", seconds=5)
    assert groups.web.seen[0].path == "/actions/T1/key"
    assert not [word for word in ("key", "xoxb-1", "hello") if word in caplog.text]


def test_client_of_the_slack_api_has_a_timeout(context: ssl.SSLContext) -> None:
    assert web_client("xoxb-1", "https://127.0.0.1:9/api", context).timeout == API_SECONDS


def test_error_of_a_post_does_not_contain_the_response_url(context: ssl.SSLContext) -> None:
    with pytest.raises(SlackUnreachable) as raised:
        post("https://127.0.0.1:9/actions/T1/key", note("hello"), context=context, seconds=5)
    assert "key" not in str(raised.value)
