"""A fake app that the Slack stand-in calls, and a client of the stand-in."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import requests

from local.neighbours.https_server import Answer, Request, json_answer
from local.neighbours.slack import SlackStandIn
from local.neighbours.slack_player import Outcome, Pressed, Typed
from local.neighbours.slack_workspace import Message
from tests.neighbours import CONTROL

SECRET, TOKEN = "signing", "xoxb-token"
Reply = Callable[[Request], Answer]


@dataclass
class App:
    """A fake app that records requests, and answers with the result of `reply`."""

    url: str = ""
    reply: Reply = lambda _: Answer(200)
    seen: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        self.seen.append(request)
        return self.reply(request)

    def says(self, **message: Any) -> None:
        """Make the app answer with a message from now on."""
        self.reply = lambda _: json_answer(200, message)

    @property
    def form(self) -> dict[str, str]:
        """The last form that the app received."""
        fields = parse_qs(self.seen[-1].body.decode(), keep_blank_values=True, strict_parsing=True)
        return {name: value for name, (value,) in fields.items()}

    @property
    def payload(self) -> dict[str, Any]:
        """The payload of the last press that the app received."""
        pressed: dict[str, Any] = json.loads(self.form["payload"])
        return pressed


@dataclass(frozen=True)
class Client:
    """A client of the Slack stand-in, and the app that the stand-in calls."""

    slack: SlackStandIn
    app: App
    session: requests.Session

    def call(self, method: str, token: str | None = TOKEN, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= more.pop("headers", {})
        url = f"{self.slack.api_base_url}{method}"
        return self.session.request(
            more.pop("verb", "POST"), url, headers=headers, timeout=10, **more
        )

    def types(
        self, text: str = "", user: str = "producer", channel: str = "zip", **more: Any
    ) -> Outcome:
        return self.slack.command(Typed(user=user, channel=channel, text=text, **more))

    def presses(self, ts: str, action_id: str = "next", user: str = "producer") -> Outcome:
        return self.slack.press(Pressed(user=user, ts=ts, action_id=action_id))

    def response_url(self) -> str:
        """Type a command, to which the app sends an empty answer, and return the response_url."""
        self.app.reply = lambda _: Answer(200)
        assert self.types("1").error is None
        return self.app.form["response_url"]

    def button(self) -> Message:
        """Type a command, and return the answer's message, which has the button `next`.

        From then on, the app sends empty answers.
        """
        self.app.says(response_type="in_channel", blocks=[section("more"), actions("next")])
        outcome = self.types("123 456 7890")
        assert outcome.ts, outcome
        self.app.reply = lambda _: Answer(200)
        return self.message(outcome.ts)

    def message(self, ts: str) -> Message:
        (found,) = [message for message in self.slack.workspace.messages if message.ts == ts]
        return found

    def respond(self, url: str, **message: Any) -> requests.Response:
        return self.session.post(url, json=message, timeout=10)

    def seen_by(self, user: str) -> list[str]:
        return [message.text for message in self.slack.messages(user)]

    def control(self, method: str, path: str, **more: Any) -> requests.Response:
        url = f"{self.slack.url}/_control/{path}"
        return self.session.request(method, url, headers=CONTROL, timeout=10, **more)


def section(text: str, kind: str = "mrkdwn") -> dict[str, Any]:
    return {"type": "section", "text": {"type": kind, "text": text}}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def button(action_id: str, **more: Any) -> dict[str, Any]:
    made = {"type": "button", "text": plain("Next"), "action_id": action_id, "value": "v"}
    return {**made, **more}


def actions(*action_ids: str) -> dict[str, Any]:
    return {"type": "actions", "elements": [button(action_id) for action_id in action_ids]}
