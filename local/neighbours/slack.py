"""A stand-in for Slack: its Web API, its people who type commands and press buttons, and what they
are shown.

It refuses what Slack refuses, records what it is asked, and fails when told to.

In a test:      with SlackStandIn(tls=ensure_authority(folder), workspace=workspace) as slack: ...
As a process:   python -m local.neighbours.slack --port 9445 --tls-dir .local/tls
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from local import authority
from local.authority import Authority, ensure_authority
from local.neighbours.host import Host, StandIn, run
from local.neighbours.slack_api import SlackApi
from local.neighbours.slack_control import control_paths
from local.neighbours.slack_player import PATIENCE_SECONDS, Outcome, Player, Pressed, Typed
from local.neighbours.slack_workspace import Message, SlackApp, Workspace, default_workspace


class SlackStandIn(StandIn):
    """Slack for one workspace and app, from `with` (or `start`) on.

    `trust` is a PEM file for sending commands, by default the authority's. `patience` is how long
    (seconds) Slack waits for the app.
    """

    def __init__(
        self,
        *,
        tls: Authority,
        workspace: Workspace,
        port: int = 0,
        trust: Path | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.workspace = workspace
        self.patience = patience
        self._trust = trust or tls.ca_bundle
        host = Host(SlackApi(workspace), tls=tls, port=port, clock=workspace.clock)
        host.control_with(control_paths(workspace, lambda: self._player))
        super().__init__(host)

    @property
    def api_base_url(self) -> str:
        """Where the Web API's methods are, with a slash at the end."""
        return f"{self.url}/api/"

    def command(self, typed: Typed) -> Outcome:
        """A user types a command (`slack_player.Player.command`)."""
        return self._player.command(typed)

    def press(self, pressed: Pressed) -> Outcome:
        """A user presses a button (`slack_player.Player.press`)."""
        return self._player.press(pressed)

    def messages(self, user: str) -> list[Message]:
        """What a user, by id or name, sees in all channels."""
        with self.workspace.lock:
            return self.workspace.seen_by(self.workspace.user(user), None)

    @property
    def _player(self) -> Player:
        return Player(self.workspace, self.url, self._trust, self.patience)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the stand-in until SIGTERM or SIGINT. Says where it listens in one line of JSON.

    Secrets come from the environment only, where other processes' users can't read them:
    `SLACK_SIGNING_SECRET` and `SLACK_API_TOKEN`.
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
        trust=options.trust,
    )
    return run(slack, "Slack")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.neighbours.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--tls-dir", type=Path, default=authority.DEFAULT_FOLDER)
    parser.add_argument("--trust", type=Path, help="PEM file to trust when commands are sent")
    parser.add_argument("--request-url", default="", help="where commands and presses go")
    parser.add_argument("--channel", default="zip", help="a channel's name")
    parser.add_argument("--group", action="append", default=[], help="a group's handle")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
