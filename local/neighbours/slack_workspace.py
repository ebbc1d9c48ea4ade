"""The data of the Slack stand-in, with an app, users, groups, channels and messages."""

import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Kind = Literal["public", "private", "direct"]
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class User(msgspec.Struct, frozen=True):
    """A member of the workspace, whose `id` begins with U or W."""

    id: str
    name: str


class Group(msgspec.Struct, frozen=True):
    """A user group. `users` has the ids of the members."""

    id: str
    handle: str
    users: tuple[str, ...] = ()


class Channel(msgspec.Struct, frozen=True):
    """A public or private channel, or a user's direct messages with the app."""

    id: str
    name: str
    kind: Kind = "public"

    @property
    def name_for_apps(self) -> str:
        """The name in requests to apps: only the kind for a private channel or direct messages."""
        return {"private": "privategroup", "direct": "directmessage"}.get(self.kind, self.name)


@dataclass(frozen=True)
class SlackApp:
    """The app as installed in the workspace. The first three fields are secrets.

    Slack still sends the deprecated `verification_token`:
    https://docs.slack.dev/authentication/verifying-requests-from-slack
    Slack sends commands and presses to `request_url`.
    """

    signing_secret: str = field(default="local-signing-secret", repr=False)
    bot_token: str = field(default="xoxb-local", repr=False)
    verification_token: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    request_url: str = ""
    scopes: tuple[str, ...] = ("commands", "usergroups:read")
    command: str = "/zip"
    app_id: str = "A0LOCALZIP"
    bot_id: str = "B0LOCALZIP"
    bot_user_id: str = "U0LOCALZIP"
    team_id: str = "T0LOCALZIP"
    team_domain: str = "local"


class Message(msgspec.Struct, kw_only=True):
    """A message as users see it.

    Only the user `only_for` sees the message, or everyone in the channel if `only_for` is None.
    `asked` is the command that Slack shows above the message. An error has the author `slackbot`.
    `edited` counts the changes of the message. `controls` are the links, mentions and dates that
    users see. `problems` are sentences about mistakes that Slack accepts.
    """

    ts: str
    channel: str
    text: str
    blocks: list[dict[str, Any]]
    only_for: str | None
    asked: str = ""
    author: Literal["app", "slackbot"] = "app"
    edited: int = 0
    controls: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """Slack's refusal of a message, which the app sent as an answer or to a response_url (`how`).

    `messages` are Slack's reasons, if there are any.
    """

    how: Literal["answer", "response_url"]
    error: str
    messages: tuple[str, ...]
    channel: str
    user: str


@dataclass
class ResponseUrl:
    """A URL for messages after one command (`asked`), or after a press in the message `source`.

    `asked` is "" after a press, and `source` is None after a command. `made_at` is in seconds since
    1970.
    """

    path: str
    channel: str
    user: str
    made_at: float
    asked: str = ""
    source: str | None = None
    uses: int = 0


class Workspace:
    """Users, groups, channels and messages of Slack.

    Several threads use the workspace, so a change needs `lock`. `clock` returns seconds since 1970.
    """

    def __init__(self, app: SlackApp, clock: Callable[[], float]) -> None:
        self.app = app
        self.clock = clock
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: list[Message] = []
        self.refused: list[Refusal] = []
        self.response_urls: dict[str, ResponseUrl] = {}
        self._last = 0

    def add_user(self, user: User) -> None:
        """Add a member, and a channel for the member's direct messages with the app."""
        self.users[user.id] = user
        direct = Channel(f"D{user.id[1:]}", user.name, "direct")
        self.channels[direct.id] = direct

    def user(self, named: str) -> User:
        """Return a user by id or name.

        Raises:
            KeyError: No user has the id or name. The text names the known users.
        """
        for user in self.users.values():
            if named in {user.id, user.name}:
                return user
        raise KeyError(f"no user {named}; known: {', '.join(self.users)}")

    def channel(self, named: str, user: User) -> Channel:
        """Return a channel by id or name, or the user's direct messages with the app ("direct").

        Raises:
            KeyError: No channel has the id or name. The text names the known channels.
        """
        if named == "direct":
            return self.channels[f"D{user.id[1:]}"]
        for channel in self.channels.values():
            if named.removeprefix("#") in {channel.id, channel.name} or named == channel.id:
                return channel
        raise KeyError(f"no channel {named}; known: {', '.join(self.channels)}")

    def ts(self) -> str:
        """Return a new timestamp, which no message has yet."""
        self._last = max(self._last + 1, int(self.clock() * 1_000_000))
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    def seen_by(self, user: User) -> list[Message]:
        """Return the messages that a user sees.

        A user sees the messages of all channels and the user's own direct messages, except messages
        that only another user sees.
        """
        direct = self.channel("direct", user)
        return [
            message
            for message in self.messages
            if message.only_for in {None, user.id}
            and (message.channel == direct.id or self.channels[message.channel].kind != "direct")
        ]

    def message(self, ts: str) -> Message | None:
        """Return the message with the timestamp `ts`, or None if no message has the timestamp."""
        return next((message for message in self.messages if message.ts == ts), None)

    def response_url(self, channel: Channel, user: User, **more: Any) -> ResponseUrl:
        """Add a response_url with a secret path to the workspace, and return the response_url."""
        kind = "actions" if "source" in more else "commands"
        path = f"/{kind}/{self.app.team_id}/{secrets.randbelow(10**13)}/{secrets.token_hex(12)}"
        made = ResponseUrl(path, channel.id, user.id, self.clock(), **more)
        self.response_urls[path] = made
        return made


def default_workspace(
    app: SlackApp, clock: Callable[[], float], *, groups: Iterable[str], channel: str
) -> Workspace:
    """Return a workspace with the user `producer` in all of `groups`, and a user `stranger`.

    `stranger` is in the group `everyone-else`. The workspace has the channel with the name
    `channel`, #general, the private channel `secret`, and direct messages with the app.
    """
    made = Workspace(app, clock)
    made.add_user(User("U0PRODUCER", "producer"))
    made.add_user(User("U0STRANGER", "stranger"))
    for number, handle in enumerate(dict.fromkeys(groups)):
        group = Group(f"S0ALLOWED{number}", handle, ("U0PRODUCER",))
        made.groups[group.id] = group
    made.groups["S0EVERYONE"] = Group("S0EVERYONE", "everyone-else", ("U0STRANGER",))
    for conversation in (
        Channel("C0ZIPCHAN", channel),
        Channel("C0GENERAL", "general"),
        Channel("C0PRIVATE", "secret", "private"),
    ):
        made.channels[conversation.id] = conversation
    return made


def short_id() -> str:
    """Return a random id like those that Slack gives to blocks and elements without an id."""
    return "".join(secrets.choice(_LETTERS) for _ in range(5))
