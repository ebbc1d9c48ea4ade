"""What the Slack stand-in holds: an app, people, groups, channels, and what is written there."""

import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Kind = Literal["public", "private", "direct", "group"]
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of the workspace; `id` begins with U or W."""

    id: str
    name: str


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user group: `users` are ids. A disabled one isn't listed unless it is asked for."""

    id: str
    handle: str
    users: tuple[str, ...] = ()
    name: str = ""
    disabled: bool = False


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A conversation."""

    id: str
    name: str
    kind: Kind = "public"

    @property
    def told(self) -> str:
        """The name that an app is told: of a private channel or a direct message only the kind."""
        return {"private": "privategroup", "direct": "directmessage"}.get(self.kind, self.name)


@dataclass(frozen=True)
class SlackApp:
    """The app as it is installed. The first three are secrets.

    `verification_token` is the one that Slack has given up but still sends. `request_url` is where
    commands and button presses go.
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
    """A message as people see it.

    `only_for` is the one user who sees it, None: everyone in the channel. `asked` is the command
    that it answers, which is shown above it. `author` is the app, or slackbot with an error.
    `controls` are the links, mentions and dates in it, `problems` what its readers would see wrong.
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
    """A message that Slack didn't take: nobody sees it. `how`: at once, or by a response_url."""

    how: Literal["answer", "response_url"]
    error: str
    messages: tuple[str, ...]
    channel: str
    user: str


@dataclass
class ResponseUrl:
    """An address for answers to one command or press, by `source` (a message's ts) if a press."""

    path: str
    channel: str
    user: str
    made_at: float
    asked: str = ""
    source: str | None = None
    uses: int = 0


class Workspace:
    """A workspace in memory. Whoever touches it holds `lock`. `clock`: seconds since 1970."""

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
        """A member, and the direct messages between it and the app."""
        self.users[user.id] = user
        direct = Channel(f"D{user.id[1:]}", user.name, "direct")
        self.channels[direct.id] = direct

    def user(self, named: str) -> User:
        """A user by id or name. KeyError with a sentence if there is none."""
        for user in self.users.values():
            if named in {user.id, user.name}:
                return user
        raise KeyError(f"no user {named}; known: {', '.join(self.users)}")

    def channel(self, named: str, user: User) -> Channel:
        """A channel by id or name; "direct" is the user's direct messages with the app."""
        if named == "direct":
            return self.channels[f"D{user.id[1:]}"]
        for channel in self.channels.values():
            if named.removeprefix("#") in {channel.id, channel.name} or named == channel.id:
                return channel
        raise KeyError(f"no channel {named}; known: {', '.join(self.channels)}")

    def ts(self) -> str:
        """A time stamp that no other message has."""
        self._last = max(self._last + 1, int(self.clock() * 1_000_000))
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    def seen_by(self, user: User | None, channel: Channel | None) -> list[Message]:
        """The messages that are there, or those that a user sees, or those of a channel."""
        return [
            message
            for message in self.messages
            if (user is None or message.only_for in {None, user.id})
            and (channel is None or message.channel == channel.id)
        ]

    def message(self, ts: str) -> Message | None:
        """The message with this time stamp, if it is there (still)."""
        return next((message for message in self.messages if message.ts == ts), None)

    def response_url(self, channel: Channel, user: User, **more: Any) -> ResponseUrl:
        """A new address for answers, under a secret path."""
        kind = "actions" if "source" in more else "commands"
        path = f"/{kind}/{self.app.team_id}/{secrets.randbelow(10**13)}/{secrets.token_hex(12)}"
        made = ResponseUrl(path, channel.id, user.id, self.clock(), **more)
        self.response_urls[path] = made
        return made


def default_workspace(
    app: SlackApp, clock: Callable[[], float], *, groups: Iterable[str], channel: str
) -> Workspace:
    """Two users: `producer` is in each of the groups, `stranger` in none of them.

    The channel, #general, a private channel, and everyone's direct messages with the app.
    """
    made = Workspace(app, clock)
    made.add_user(User("U0PRODUCER", "producer"))
    made.add_user(User("U0STRANGER", "stranger"))
    for number, handle in enumerate(dict.fromkeys(groups)):
        group = Group(f"S0ALLOWED{number}", handle, ("U0PRODUCER",), handle.title())
        made.groups[group.id] = group
    made.groups["S0EVERYONE"] = Group("S0EVERYONE", "everyone-else", ("U0STRANGER",), "Others")
    for each in (
        Channel("C0ZIPCHAN", channel),
        Channel("C0GENERAL", "general"),
        Channel("C0PRIVATE", "secret", "private"),
    ):
        made.channels[each.id] = each
    return made


def short_id() -> str:
    """An id as Slack gives blocks and elements that have none."""
    return "".join(secrets.choice(_LETTERS) for _ in range(5))
