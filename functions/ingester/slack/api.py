"""Slack's requests, the members of Slack's user groups, and messages to a `response_url`.

Sources: https://docs.slack.dev/authentication/verifying-requests-from-slack,
https://docs.slack.dev/interactivity/implementing-slash-commands,
https://docs.slack.dev/interactivity/handling-user-interaction,
https://docs.slack.dev/reference/methods/usergroups.list and
https://docs.slack.dev/reference/methods/usergroups.users.list
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import msgspec
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.web import SlackResponse, WebClient

from ingester.errors import (
    UNREADABLE_JSON,
    BadRequest,
    SlackRefused,
    SlackUnreachable,
    Unauthorized,
    WrongSignature,
)
from ingester.retry import Sleep, retrying
from ingester.slack.blocks import Message, payload

logger = logging.getLogger("ingester.slack")

SIGNATURE_HEADER = "x-slack-signature"
TIMESTAMP_HEADER = "x-slack-request-timestamp"

API_SECONDS = 8
"""Timeout of a call to Slack's API, in seconds."""

GROUPS_SECONDS = 300.0
"""Time for which the members of the groups are cached, in seconds."""

DIRECT_MESSAGE = "directmessage"
"""Slack's name for the channel of a direct message."""

MAX_FIELDS = 100
MIN_SERVER_ERROR = 500

PASSING = frozenset(
    {
        "fatal_error",
        "internal_error",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)
"""Codes of temporary errors of Slack's API, after which a retry may succeed."""


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a user in a channel. `response_url` accepts five messages in 30 minutes."""

    user_id: str
    channel_id: str
    channel_name: str
    response_url: str

    @property
    def is_direct_message(self) -> bool:
        """Whether the request comes from a direct message.

        The channel's id is checked too, because any channel may have the name "directmessage".
        """
        return self.channel_name == DIRECT_MESSAGE and self.channel_id.startswith("D")


class Command(Interaction, frozen=True, kw_only=True, tag="command"):
    """A slash command. `text` is the text after the command's name."""

    text: str = ""


class Press(Interaction, frozen=True, kw_only=True, tag="press"):
    """A press of a button. `value` is the button's value."""

    value: str


class Nothing(msgspec.Struct, frozen=True):
    """A request that needs no answer except the status 200."""


class _User(msgspec.Struct, frozen=True):
    id: str


class _Channel(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class _Action(msgspec.Struct, frozen=True):
    value: str = ""


class _Payload(msgspec.Struct, frozen=True):
    type: str


class _BlockActions(msgspec.Struct, frozen=True):
    user: _User
    channel: _Channel
    response_url: str
    actions: list[_Action]


_GROUP_ID = re.compile(r"S(?=[A-Z]*[0-9])[A-Z0-9]{8,}")
"""Pattern of the id of a user group, such as S0615G0KT. Handles are in lower case."""


class _Group(msgspec.Struct, frozen=True):
    id: str
    handle: str = ""


class _Groups(msgspec.Struct, frozen=True):
    usergroups: list[_Group]


class _Users(msgspec.Struct, frozen=True):
    users: list[str]


_Answer = TypeVar("_Answer", bound=msgspec.Struct)


class _FixedClock(Clock):
    """A clock for the SDK that always returns the same time."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Verify that Slack signed `body` with `secret` within five minutes of `now`.

    Args:
        secret: Slack's signing secret.
        headers: Headers with names in lower case.
        body: The request's raw body.
        now: Current time in seconds since 1970.

    Raises:
        Unauthorized: The request isn't signed.
        WrongSignature: The signature is wrong, the body is no text, or the timestamp is malformed
            or more than five minutes before or after `now`.
    """
    signature, timestamp = headers.get(SIGNATURE_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
    if not signature or not timestamp:
        raise Unauthorized("The request is not signed.")
    # The SDK's verifier raises ValueError or TypeError if a header is malformed.
    is_sane = signature.isascii() and re.fullmatch(r"[0-9]{1,12}", timestamp, re.ASCII)
    verifier = SignatureVerifier(secret, _FixedClock(now))
    try:
        if is_sane and verifier.is_valid(body, timestamp, signature):
            return
    except UnicodeDecodeError:
        logger.info("The request's body is no text")
    raise WrongSignature("The request's signature is wrong or too old.")


def parse(body: bytes, base_url: str) -> Command | Press | Nothing:
    """Parse the form that Slack sends.

    Args:
        body: The request's body.
        base_url: Address of Slack's API. A `response_url` has to be on the API's host or a
            subdomain.

    Raises:
        BadRequest: The body isn't one of Slack's forms, or the `response_url` isn't Slack's.
    """
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise BadRequest("The body is not a form.") from error
    form = {name: values[0] for name, values in fields.items()}
    if "payload" in form:
        return _interaction(form["payload"], base_url)
    if "ssl_check" in form:
        return Nothing()
    try:
        command = msgspec.convert(form, Command)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The body is no slash command: {error}.") from error
    return _checked(command, base_url)


def _interaction(text: str, base_url: str) -> Press | Nothing:
    try:
        if msgspec.json.decode(text, type=_Payload).type != "block_actions":
            return Nothing()
        sent = msgspec.json.decode(text, type=_BlockActions)
    except UNREADABLE_JSON as error:
        raise BadRequest(f"The payload can't be read: {error}.") from error
    if not sent.actions:
        return Nothing()
    return _checked(
        Press(
            user_id=sent.user.id,
            channel_id=sent.channel.id,
            channel_name=sent.channel.name,
            response_url=sent.response_url,
            value=sent.actions[0].value,
        ),
        base_url,
    )


_Checked = TypeVar("_Checked", Command, Press)


def _checked(asked: _Checked, base_url: str) -> _Checked:
    if not _is_slack_url(asked.response_url, base_url):
        raise BadRequest("The response_url is not an https address of Slack's.")
    return asked


def _is_slack_url(url: str, base_url: str) -> bool:
    """Return whether a URL is https on the host of Slack's API, or on a subdomain of that host.

    A URL with user information, a backslash, or a character that isn't printable ASCII isn't
    accepted.
    """
    slack = urlsplit(base_url).hostname or ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and "\\" not in url and "@" not in parts.netloc
    return is_plain and parts.scheme == "https" and (host == slack or host.endswith(f".{slack}"))


class Members:
    """Members of some user groups of the workspace. `groups` are the groups' ids or handles.

    An id always names the same group. A handle can move from one group to another.
    """

    def __init__(
        self,
        client: WebClient,
        groups: Sequence[str],
        *,
        sleep: Sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._ids = frozenset(group for group in groups if _GROUP_ID.fullmatch(group))
        self._handles = frozenset(group.lower() for group in groups if group not in self._ids)
        self._sleep = sleep
        self._monotonic = monotonic
        self._known: tuple[float, frozenset[str]] | None = None

    def has(self, user_id: str, *, seconds: float) -> bool:
        """Return whether a user is in one of the groups. Members are cached for five minutes.

        Args:
            user_id: Slack's id of the user.
            seconds: Time after which no retry begins.

        Raises:
            SlackUnreachable: Slack's API gives no usable answer.
            SlackRefused: Slack's API refuses the request.
        """
        known = self._known
        if known is None or self._monotonic() - known[0] >= GROUPS_SECONDS:
            attempt = retrying(
                SlackUnreachable,
                attempts=3,
                seconds=seconds,
                sleep=self._sleep,
                monotonic=self._monotonic,
            )
            known = (self._monotonic(), attempt(self._ask))
            self._known = known
        return user_id in known[1]

    def with_cached_groups_of(self, other: Members) -> Members:
        """Return `other`, which may have cached members, if groups, token and URL are the same.

        Otherwise return this object.
        """
        mine, theirs = self._client, other._client
        same = (mine.token, mine.base_url) == (theirs.token, theirs.base_url)
        same_groups = (self._ids, self._handles) == (other._ids, other._handles)
        return other if same and same_groups else self

    def _ask(self) -> frozenset[str]:
        try:
            groups = [
                group
                for page in _pages(self._client.usergroups_list(), _Groups)
                for group in page.usergroups
                if group.id in self._ids or group.handle.lower() in self._handles
            ]
            found = {name for group in groups for name in (group.id, group.handle.lower())}
            missing = (self._ids | self._handles) - found
            if missing:
                logger.warning("Slack has no user group %s", ", ".join(sorted(missing)))
            return frozenset(
                user
                for group in groups
                for page in _pages(self._client.usergroups_users_list(usergroup=group.id), _Users)
                for user in page.users
            )
        except SlackApiError as error:
            raise _convert_error(error) from error
        except (SlackClientError, OSError, http.client.HTTPException, ValueError) as error:
            raise SlackUnreachable(f"Slack's API gives no answer ({_kind(error)}).") from error


def web_client(token: str, base_url: str, context: ssl.SSLContext) -> WebClient:
    """Make a client of Slack's API that neither retries nor logs."""
    return WebClient(
        token=token,
        base_url=base_url,
        timeout=API_SECONDS,
        ssl=context,
        retry_handlers=[],
        logger=_silent_logger(),
    )


def post(url: str, message: Message, *, context: ssl.SSLContext, seconds: float) -> None:
    """Send a message to a `response_url`, without retries.

    A retry after a lost answer could show the message twice. `seconds` is the timeout of each step:
    to connect, to send, and to wait for bytes.

    Raises:
        SlackUnreachable: Slack gives no answer, or 429 or 5xx.
        SlackRefused: Slack rejects the message.
    """
    request = Request(  # noqa: S310  # `slack.api.parse` checks the URL
        url,
        data=json.dumps(payload(message)).encode(),
        headers={"Content-Type": "application/json;charset=utf-8"},
    )
    opener = build_opener(HTTPSHandler(context=context), _NoRedirects())
    try:
        with opener.open(request, timeout=seconds):
            return
    except HTTPError as error:
        text = f"Slack answered {error.code} to a message{_reason(error)}."
        if error.code == http.client.TOO_MANY_REQUESTS or error.code >= MIN_SERVER_ERROR:
            raise SlackUnreachable(text) from error
        raise SlackRefused(text) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SlackUnreachable(f"Slack didn't take a message ({_kind(error)}).") from error


class _NoRedirects(HTTPRedirectHandler):
    """A handler that follows no redirect, because a redirect could lead to any host."""

    def redirect_request(self, *_: object) -> None:
        return None


def _reason(error: HTTPError) -> str:
    """Return a comma and Slack's code for an error, such as `expired_url`; "" without a code."""
    try:
        word = error.read(100).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
    return f", {word}" if re.fullmatch(r"[a-z_]{1,60}", word) else ""


def _pages(first: SlackResponse, page_type: type[_Answer]) -> Iterator[_Answer]:
    """Yield the pages of an answer, beginning with `first`. The SDK requests the other pages.

    Raises:
        SlackUnreachable: A page is malformed.
        SlackApiError: Slack answers the request for another page with an error.
        SlackClientError, OSError, http.client.HTTPException, ValueError: The request for another
            page gets no usable answer.
    """
    for page in first:
        try:
            yield msgspec.convert(page.data, page_type)
        except msgspec.ValidationError as error:
            raise SlackUnreachable(
                f"Slack's API gave an answer that can't be read: {error}."
            ) from error


def _convert_error(error: SlackApiError) -> SlackUnreachable | SlackRefused:
    response = error.response
    code, status = str(response.get("error"))[:200], response.status_code
    if status == 429 or status >= 500 or code in PASSING:
        headers = {name.lower(): str(value) for name, value in response.headers.items()}
        text = headers.get("retry-after", "")
        wait = float(text) if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else None
        return SlackUnreachable(f"Slack's API answered {status}, {code}.", wait)
    needed = f" It needs the scope {response.get('needed')}." if response.get("needed") else ""
    return SlackRefused(
        f"Slack's API refused to tell groups: {code}.{needed} Check SLACK_API_TOKEN and the "
        "Slack app's scopes."
    )


def _silent_logger() -> logging.Logger:
    """Return a silent logger for the SDK, whose log records contain addresses that are secrets."""
    quiet = logging.getLogger("ingester.slack.sdk")
    quiet.setLevel(logging.CRITICAL)
    return quiet


def _kind(error: Exception) -> str:
    """Return the name of the type of an error's reason, or else of the error.

    The error's text may contain a secret address.
    """
    return type(getattr(error, "reason", error)).__name__
