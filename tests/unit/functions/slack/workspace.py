"""The slack function between a Slack stand-in over HTTPS and an in-process AWS."""

from __future__ import annotations

import json
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import msgspec
from slack_sdk.signature import SignatureVerifier

import slack
from ingester.runtime.api_gateway import Answer
from ingester.schedule.table import ScheduleTable
from ingester.settings import SlackSecrets, SlackSettings
from ingester.slack import api as wire
from ingester.status.table import StatusTable
from local.authority import Authority
from local.neighbours import slack_workspace
from local.neighbours.https_server import Answer as HttpAnswer
from local.neighbours.https_server import Request, json_answer
from local.neighbours.slack_api import SlackApi
from local.neighbours.slack_messages import Refused, read_draft
from tests.cloud import Clock, Cloud
from tests.neighbours import Page, Web
from tests.waits import Sleeper

SIGNING_SECRET = "signing-secret"
TOKEN = "xoxb-token"
MEMBER = "U111"
STRANGER = "U999"
MEETING = 12345678901
GROUPS = {"S1": ("producers", [MEMBER]), "S2": ("staff", ["U222"]), "S3": ("others", [STRANGER])}


@dataclass
class Workspace:
    """A workspace with user groups, which uses the Slack stand-in's answers and checks.

    `before` is called before each answer about groups, and may wait. Each workspace has its own
    paths on the server, because threads of earlier tests may still call the server.
    """

    web: Web
    groups: Mapping[str, tuple[str, list[str]]] = field(default_factory=lambda: dict(GROUPS))
    messages: list[dict[str, Any]] = field(default_factory=list)
    before: Callable[[], object] = lambda: None
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def open(self) -> None:
        self.web.forget()
        self.answer("/api/usergroups.list", self._call)
        self.answer("/api/usergroups.users.list", self._call)
        self.answer("/respond", self.take)

    @property
    def url(self) -> str:
        return f"{self.web.url}/{self.name}"

    def answer(self, path: str, *pages: Page) -> None:
        """Make a path answer with `pages` in order, and then always with the last page."""
        self.web.pages[f"/{self.name}{path}"] = list(pages)

    @property
    def asked(self) -> list[str]:
        """The paths of the requests so far."""
        start = f"/{self.name}"
        paths = [request.path for request in self.web.seen]
        return [path.removeprefix(start) for path in paths if path.startswith(start)]

    @property
    def asked_for_groups(self) -> int:
        return self.asked.count("/api/usergroups.list")

    def _call(self, request: Request) -> HttpAnswer:
        self.before()
        app = slack_workspace.SlackApp(bot_token=TOKEN)
        workspace = slack_workspace.Workspace(app, time.time)
        for id_, (handle, users) in self.groups.items():
            workspace.groups[id_] = slack_workspace.Group(id_, handle, tuple(users))
        path = request.path.removeprefix(f"/{self.name}")
        return SlackApi(workspace).answer(replace(request, path=path))

    def take(self, request: Request) -> HttpAnswer:
        """Accept a message at the `response_url`, or answer 400 if the stand-in finds a problem."""
        message = json.loads(request.body)
        try:
            problems = read_draft(message).problems
        except Refused as refused:
            problems = (refused.error, *refused.messages)
        if problems:
            return json_answer(400, {"ok": False, "error": "; ".join(problems)})
        self.messages.append(message)
        return HttpAnswer(200, body=b"ok")


@dataclass
class Harness:
    """The sender of Slack's signed requests.

    `invoked` holds the events of second invocations, which the function requests from Lambda.
    """

    aws: Cloud
    clock: Clock
    workspace: Workspace
    tls: Authority
    deps: slack.Dependencies = field(init=False)
    invoked: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.set_up()

    def set_up(
        self, *, secret: str = SIGNING_SECRET, token: str = TOKEN, **settings: Any
    ) -> slack.Dependencies:
        chosen = SlackSettings(
            **{
                "stack_name": "test",
                "secrets_path": "/zoom-ingester/test",
                "status_table": self.aws.status.name,
                "schedule_table": self.aws.schedule.name,
                "own_alias": "test-slack:live",
                "slack_api_base_url": f"{self.workspace.url}/api",
                "slack_zip_channel": "zip",
                "slack_allowed_groups": "@Producers, staff",
                **settings,
            }
        )
        context = ssl.create_default_context(cafile=str(self.tls.ca_bundle))
        client = wire.web_client(token, chosen.slack_api_base_url, context)
        self.deps = slack.Dependencies(
            settings=chosen,
            secrets=SlackSecrets(slack_signing_secret=secret, slack_api_token=token),
            members=wire.Members(client, chosen.groups, sleep=Sleeper()),
            status=StatusTable(self.aws.status, self.clock),
            schedule=ScheduleTable(self.aws.schedule),
            invoke=self.invoked.append,
            post=lambda url, message, seconds: wire.post(
                url, message, context=context, seconds=seconds
            ),
            clock=self.clock,
        )
        return self.deps

    def command(self, text: str = "", **changes: str) -> dict[str, Any]:
        """Send a slash command, check that Slack accepts the answer, and return the message."""
        fields = {
            "command": "/zip",
            "text": text,
            "user_id": MEMBER,
            "channel_id": "C1",
            "channel_name": "zip",
            "response_url": f"{self.workspace.url}/respond",
            **changes,
        }
        answer = self.post(urlencode(fields).encode())
        assert answer.status == 200, answer
        message = dict(json.loads(answer.body))
        assert read_draft(message).problems == ()
        return message

    def press(self, value: str, **changes: Any) -> list[dict[str, Any]]:
        """Press a button, check the acknowledgement, and return the messages that come later."""
        before = len(self.workspace.messages)
        self.acknowledged(value, **changes)
        assert self.workspace.messages[before:] == []
        return self.finish()

    def acknowledged(self, value: str, **changes: Any) -> None:
        """Press a button, and check that the answer to Slack is an empty 200."""
        payload = {
            "type": "block_actions",
            "user": {"id": MEMBER},
            "channel": {"id": "C1", "name": "zip"},
            "response_url": f"{self.workspace.url}/respond",
            "actions": [{"type": "button", "action_id": "more_recordings", "value": value}],
            **changes,
        }
        answer = self.post(urlencode({"payload": json.dumps(payload)}).encode())
        assert (answer.status, answer.body) == (200, "")

    def event(self, body: bytes, secret: str = SIGNING_SECRET, **event: Any) -> dict[str, Any]:
        """Return API Gateway's event about a signed request."""
        stamp = str(int(self.clock().timestamp()))
        signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
        assert signature
        headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}
        return {"headers": headers, "body": body.decode(), **event}

    def post(self, body: bytes, secret: str = SIGNING_SECRET, **event: Any) -> Answer:
        return slack.respond(self.event(body, secret, **event), self.deps)

    def finish(self) -> list[dict[str, Any]]:
        """Run the second invocation, and return the messages that this invocation posts."""
        before = len(self.workspace.messages)
        slack.finish(msgspec.json.decode(self.invoked.pop()), self.deps)
        return self.workspace.messages[before:]
