"""Targets: Slack's commands, presses of buttons, and the answers of Slack's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web import SlackResponse

import slack
from ingester.errors import SlackRefused, SlackUnreachable
from ingester.slack.api import Members
from ingester.slack.blocks import payload
from ingester.slack.command import Window, write_button
from local.neighbours.slack_messages import Refused, read_draft
from tests.fuzz import payloads, planted
from tests.fuzz.fakes import Aws, Watch
from tests.fuzz.functions import TIMESTAMP, SlackFakes, text_of
from tests.fuzz.mutations import Mutator, encoded, filled
from tests.fuzz.target import Target, require
from tests.fuzz.zoom import proxy_event

MEMBER = "U0MEMBER"


class Everybody:
    """A fake of the allowed user groups, with one member."""

    def has(self, user_id: str, *, seconds: float) -> bool:
        assert seconds > 0
        return user_id == MEMBER


def rows() -> list[dict[str, Any]]:
    """Return rows of several recordings of a meeting."""
    return [
        {
            **payloads.status_row(),
            "zip_id": f"auto-ingest-{number}",
            "recording_id": f"{number}==",
            "recording_start_time": f"2026-10-{number:02}T15:00:00Z",
        }
        for number in range(1, 9)
    ]


def command() -> dict[str, Any]:
    return {
        "token": "gIkuvaNzQIHg97ATvDxqgjtO",
        "team_id": "T0001",
        "command": "/zip",
        "text": str(payloads.MEETING),
        "user_id": MEMBER,
        "user_name": "Steve",
        "channel_id": "C123",
        "channel_name": "zip",
        "response_url": "https://hooks.slack.com/commands/T1/2/3",
        "trigger_id": "1.2.3",
    }


def press() -> dict[str, Any]:
    value = write_button(payloads.MEETING, Window(start_index=0, count=4))
    return {
        "type": "block_actions",
        "user": {"id": MEMBER, "username": "steve"},
        "channel": {"id": "C123", "name": "zip"},
        "response_url": "https://hooks.slack.com/actions/T1/2/3",
        "actions": [{"type": "button", "action_id": "more_recordings", "value": value}],
    }


def make_request(mutator: Mutator) -> Any:
    form: Any
    if mutator.chance(0.5):
        form = mutator.value(command())
    else:
        pressed = press()
        if mutator.chance(0.4):
            action = pressed["actions"][0]
            action["value"] = encoded(mutator.value(json.loads(action["value"]))).decode()
        else:
            pressed = mutator.value(pressed)
        form = {"payload": encoded(pressed)[:50_000].decode()}
    body: Any = form if isinstance(form, dict) else {"text": form}
    return mutator.raw(body_of(body)) if mutator.chance(0.15) else body


def body_of(form: Any) -> bytes:
    """Return a form as Slack encodes it, or bytes unchanged."""
    if isinstance(form, bytes):
        return form
    fields = {filled(str(name)): filled(str(value)) for name, value in form.items()}
    return urlencode(fields, errors="surrogatepass").encode()


def signed(body: bytes) -> dict[str, Any]:
    """Return API Gateway's event for a request with this body, signed as Slack signs requests.

    A body that isn't UTF-8 gets a wrong signature.
    """
    verifier = SignatureVerifier(planted.SLACK_SECRET)
    try:
        signature = str(verifier.generate_signature(timestamp=str(TIMESTAMP), body=body))
    except UnicodeDecodeError:
        signature = "v0=0"
    headers = {"X-Slack-Request-Timestamp": str(TIMESTAMP), "X-Slack-Signature": signature}
    return proxy_event(body, headers)


def check_request(given: Any, aws: Aws | None = None) -> Iterator[str]:
    """Check that a signed request gets 200, 400 or 401, and that Slack accepts each message.

    Yield the texts that must contain no secret.
    """
    if aws is None:
        aws = Aws()
        aws.status.put(rows())
        aws.schedule.put([payloads.schedule_row()])
    fakes = SlackFakes(aws, Everybody())
    answered = slack.respond(signed(body_of(given)), fakes.deps)
    yield text_of(answered)
    require(answered.status in {200, 400, 401}, f"/slack answers {answered.status}")
    if answered.status == 200 and answered.body:
        yield from check_message(json.loads(answered.body))
    for event in fakes.invoked:
        slack.finish(msgspec.json.decode(event), fakes.deps)
    for message in fakes.posted:
        yield from check_message(payload(message))


def check_message(message: Any) -> Iterator[str]:
    yield json.dumps(message)
    try:
        problems: Any = read_draft(message).problems
    except Refused as refused:
        problems = (refused.error, *refused.messages)
    require(not problems, f"Slack refuses a message: {problems}")


class GroupsApi:
    """A fake of Slack's client, with mutated answers."""

    token, base_url = planted.SLACK_TOKEN, "https://slack.com/api/"

    def __init__(self, given: Any) -> None:
        self._given = given

    def usergroups_list(self) -> SlackResponse:
        return self._answer("list")

    def usergroups_users_list(self, **_: Any) -> SlackResponse:
        return self._answer("users")

    def _answer(self, name: str) -> SlackResponse:
        found = self._given.get(name) if isinstance(self._given, dict) else None
        data = found if isinstance(found, dict) else {"ok": True}
        # If an answer named a next page, Slack's SDK would request that page over HTTP.
        data = {key: value for key, value in data.items() if key != "response_metadata"}
        made = SlackResponse(
            client=self,
            http_verb="GET",
            api_url=f"https://slack.com/api/{name}",
            req_args={},
            data=data,
            headers={"Retry-After": str(data.get("wait", "1"))},
            status_code=200 if data.get("ok") else 429,
        )
        if data.get("ok") is not True:
            raise SlackApiError("refused", made)  # type: ignore[no-untyped-call]
        return made


def make_groups(mutator: Mutator) -> Any:
    groups = {"ok": True, "usergroups": [{"id": "S1", "handle": "producers", "users": ["U1"]}]}
    refused = {"ok": False, "error": "missing_scope", "needed": "usergroups:read", "wait": "3"}
    good = {"list": groups, "users": {"ok": True, "users": [MEMBER, "U2"]}}
    if mutator.chance(0.3):
        good[mutator.one_of(("list", "users"))] = refused
    return mutator.value(good)


def check_groups(given: Any) -> Iterator[str]:
    """Check that a look-up of a member returns a result or raises an expected error.

    Yield the texts that must contain no secret.
    """
    client, watch = cast(Any, GroupsApi(given)), Watch()
    members = Members(client, ["@Producers"], sleep=watch.sleep, monotonic=watch)
    try:
        yield str(members.has(MEMBER, seconds=5.0))
    except (SlackUnreachable, SlackRefused) as error:
        yield str(error)


TARGETS = (
    Target("slack-request", 8, make_request, check_request),
    Target("slack-groups", 2, make_groups, check_groups),
)
