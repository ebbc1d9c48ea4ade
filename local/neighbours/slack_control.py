"""The Slack stand-in's own paths, for whoever plays its people from another process.

POST   /_control/command     {"user", "channel", "text"?, "command"?, "forge"?, "url"?}: types it,
                             answers {"status", "body", "seconds", "error", "ts"}
POST   /_control/press       {"user", "ts", "action_id", "forge"?, "url"?}: presses a button
GET    /_control/messages    ?user=, ?channel=: what is there, what one sees; DELETE: none any more
GET    /_control/refused     messages that Slack didn't take, and why
GET    /_control/problems    {a message's ts: what its readers would see wrong}
GET    /_control/users       POST: add one, in place of one of the same id
GET    /_control/groups      POST: the same
GET    /_control/channels    POST: the same
POST   /_control/app         {"request_url"?, "scopes"?}
POST   /_control/expire      every response_url given out so far has expired
GET    /_control/health, requests, faults   as with every stand-in (host.py); places of faults are
                             methods' names, and response_url
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from local.neighbours.host import Route, read_body
from local.neighbours.https_server import Request
from local.neighbours.slack_api import LIFETIME_SECONDS
from local.neighbours.slack_player import Player, Pressed, Typed
from local.neighbours.slack_workspace import Channel, Group, Message, User, Workspace


class AppChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of the app."""

    request_url: str | None = None
    scopes: tuple[str, ...] | None = None


def control_paths(
    workspace: Workspace, player: Callable[[], Player]
) -> Mapping[tuple[str, str], Route]:
    """The paths below `/_control/`."""
    control = _Control(workspace)
    return {
        ("POST", "command"): lambda request: player().command(read_body(request, Typed)),
        ("POST", "press"): lambda request: player().press(read_body(request, Pressed)),
        ("GET", "messages"): control.messages,
        ("DELETE", "messages"): lambda _: workspace.messages.clear(),
        ("GET", "refused"): lambda _: workspace.refused,
        ("GET", "problems"): lambda _: {m.ts: m.problems for m in workspace.messages if m.problems},
        ("GET", "users"): lambda _: list(workspace.users.values()),
        ("POST", "users"): lambda request: workspace.add_user(read_body(request, User)),
        ("GET", "groups"): lambda _: list(workspace.groups.values()),
        ("POST", "groups"): control.add_group,
        ("GET", "channels"): lambda _: list(workspace.channels.values()),
        ("POST", "channels"): control.add_channel,
        ("POST", "app"): control.change_app,
        ("POST", "expire"): control.expire,
    }


class _Control:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def messages(self, request: Request) -> list[Message]:
        with self._workspace.lock:
            named = request.query.get("user")
            user = self._workspace.user(named) if named else None
            where = request.query.get("channel")
            nobody = User("U0", "")
            channel = self._workspace.channel(where, user or nobody) if where else None
            return self._workspace.seen_by(user, channel)

    def add_group(self, request: Request) -> None:
        group = read_body(request, Group)
        with self._workspace.lock:
            self._workspace.groups[group.id] = group

    def add_channel(self, request: Request) -> None:
        channel = read_body(request, Channel)
        with self._workspace.lock:
            self._workspace.channels[channel.id] = channel

    def change_app(self, request: Request) -> None:
        change = read_body(request, AppChange)
        with self._workspace.lock:
            app = self._workspace.app
            self._workspace.app = replace(
                app,
                request_url=app.request_url if change.request_url is None else change.request_url,
                scopes=app.scopes if change.scopes is None else change.scopes,
            )

    def expire(self, _: Request) -> None:
        with self._workspace.lock:
            for hook in self._workspace.response_urls.values():
                hook.made_at -= LIFETIME_SECONDS + 1
