"""A stand-in for Slack, with the Web API, and users who type commands and press buttons.

The stand-in refuses wrong requests as Slack does.

    python -m local.neighbours.slack --port 9445 --tls-dir .local/tls

Control requests have the header `Authorization: Bearer <LOCAL_CONTROL_TOKEN>`.

POST   /_control/command    a Typed: types a command as a user, and returns the Outcome
POST   /_control/press      a Pressed: presses a button as a user, and returns the Outcome
GET    /_control/messages   ?user=: returns the messages that a user sees
GET    /_control/refused    returns Slack's refusals of messages, with reasons
POST   /_control/app        {"scopes": […]}: changes the app's scopes
POST   /_control/faults     a Fault: makes requests fail. Places: methods, and `response_url`
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from local import authority
from local.authority import Authority, ensure_authority
from local.neighbours.faults import ApiStandIn
from local.neighbours.https_server import Request
from local.neighbours.slack_api import SlackApi
from local.neighbours.slack_player import TIMEOUT_SECONDS, Outcome, Player, Pressed, Typed
from local.neighbours.slack_workspace import Message, SlackApp, Workspace, default_workspace
from local.neighbours.stand_in import CONTROL_TOKEN, Route, read_body, run


class AppChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of the app's scopes."""

    scopes: tuple[str, ...]


class SlackStandIn(ApiStandIn):
    """A stand-in for Slack, with one workspace and one app.

    `trust` is a PEM file of the authorities to trust when commands are sent, by default the local
    authority's. Slack waits `timeout` seconds for the app's answer.
    """

    def __init__(
        self,
        *,
        tls: Authority,
        workspace: Workspace,
        port: int = 0,
        control_token: str = "",
        trust: Path | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(SlackApi(workspace), tls, port, control_token)
        self.workspace = workspace
        self.timeout = timeout
        self._trust = trust or tls.ca_bundle

    @property
    def api_base_url(self) -> str:
        """The prefix of the Web API's methods, with a slash at the end."""
        return f"{self.url}/api/"

    def command(self, typed: Typed) -> Outcome:
        """Type a command as a user, and return the outcome.

        For errors, see `slack_player.Player.command`.
        """
        return self._player.command(typed)

    def press(self, pressed: Pressed) -> Outcome:
        """Press a button as a user, and return the outcome.

        For errors, see `slack_player.Player.press`.
        """
        return self._player.press(pressed)

    def messages(self, user: str) -> list[Message]:
        """Return the messages that a user sees. `user` is an id or a name.

        Raises:
            KeyError: No user has this id or name.
        """
        with self.workspace.lock:
            return self.workspace.seen_by(self.workspace.user(user))

    def control(self) -> Mapping[tuple[str, str], Route]:
        """Return the routes that the module's docstring lists."""
        return {
            **super().control(),
            ("POST", "command"): lambda request: self.command(read_body(request, Typed)),
            ("POST", "press"): lambda request: self.press(read_body(request, Pressed)),
            ("GET", "messages"): lambda request: self.messages(request.query.get("user", "")),
            ("GET", "refused"): lambda _: self.workspace.refused,
            ("POST", "app"): self._change_app,
        }

    def _change_app(self, request: Request) -> None:
        scopes = read_body(request, AppChange).scopes
        with self.workspace.lock:
            self.workspace.app = replace(self.workspace.app, scopes=scopes)

    @property
    def _player(self) -> Player:
        return Player(self.workspace, self.url, self._trust, self.timeout)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the stand-in until SIGTERM or SIGINT, and return the exit code.

    The secrets `SLACK_SIGNING_SECRET`, `SLACK_API_TOKEN` and `LOCAL_CONTROL_TOKEN` come from the
    environment, where other users can't read them.
    """
    options = _arguments(argv)
    given = {
        "signing_secret": environ.get("SLACK_SIGNING_SECRET", ""),
        "bot_token": environ.get("SLACK_API_TOKEN", ""),
        "request_url": options.request_url,
    }
    app = SlackApp(**{name: value for name, value in given.items() if value})
    slack = SlackStandIn(
        tls=ensure_authority(options.tls_dir),
        workspace=default_workspace(
            app, time.time, groups=options.group, channel=options.channel.removeprefix("#")
        ),
        port=options.port,
        control_token=environ.get(CONTROL_TOKEN, ""),
        trust=options.trust,
    )
    return run(slack, "The Slack stand-in")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.neighbours.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--tls-dir", type=Path, default=authority.DEFAULT_FOLDER)
    parser.add_argument("--trust", type=Path, help="PEM file to trust when commands are sent")
    parser.add_argument("--request-url", default="", help="the app's URL")
    parser.add_argument("--channel", default="zip", help="a channel's name")
    parser.add_argument("--group", action="append", default=[], help="a group's handle")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
