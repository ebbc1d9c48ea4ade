"""Send the commands that users type, and the users' presses of buttons, to the app.

Requests are built and signed as Slack's are. Slack waits three seconds for an answer.
https://api.slack.com/interactivity/slash-commands
https://api.slack.com/reference/interaction-payloads/block-actions
https://api.slack.com/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
import requests

from local.neighbours.slack_messages import Refused, read_draft, show
from local.neighbours.slack_workspace import (
    Channel,
    Message,
    Refusal,
    ResponseUrl,
    User,
    Workspace,
)

TIMEOUT_SECONDS = 3.0
OLD_SECONDS = 360
Forgery = Literal["wrong_secret", "old_timestamp", "unsigned", "other_body"]


class Typed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command `/zip <text>` that a user types in a channel. User and channel are ids or names.

    The channel "direct" stands for the user's direct messages with the app. `forge` makes the
    request invalid. The request then has the signature of another secret, a timestamp six minutes
    ago (a replay), no signature, or another body than the signed body.
    """

    user: str
    channel: str
    text: str = ""
    forge: Forgery | None = None


class Pressed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A press of the button `action_id` of the message `ts`. `forge` is as in Typed."""

    user: str
    ts: str
    action_id: str
    forge: Forgery | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The app's answer after `seconds`.

    Without an answer before the timeout, `status` is None and `body` is "". `error` is the error
    that Slack shows, such as `operation_timeout`, or None without an error. `ts` names the message
    that the answer shows, or is None without such a message.
    """

    status: int | None
    body: str
    seconds: float
    error: str | None = None
    ts: str | None = None


class Player:
    """A sender of commands and presses, which waits at most `timeout` seconds for each answer.

    `base` is the stand-in's own URL, and `trust` is a PEM file of the authorities to trust.
    """

    def __init__(self, workspace: Workspace, base: str, trust: Path, timeout: float) -> None:
        self._workspace = workspace
        self._base = base
        self._trust = trust
        self._timeout = timeout

    def command(self, typed: Typed) -> Outcome:
        """Send a command, show the message in the answer or an error, and return the outcome.

        Raises:
            KeyError: The user or the channel is unknown.
            ValueError: The app's address doesn't begin with https.
        """
        workspace = self._workspace
        with workspace.lock:
            user = workspace.user(typed.user)
            channel = workspace.channel(typed.channel, user)
            asked = f"{workspace.app.command} {typed.text}".strip()
            hook = workspace.response_url(channel, user, asked=asked)
        form = self._command(typed.text.strip(), user, channel, hook)
        outcome, kind = self._post(form, typed.forge)
        if outcome.error is None:
            outcome = self._show(outcome, kind, hook)
        if outcome.error:
            self._show_error(hook, outcome.error)
        return outcome

    def press(self, pressed: Pressed) -> Outcome:
        """Send the press of a button, and return the outcome. Slack doesn't show the answer.

        Raises:
            KeyError: The user is unknown or doesn't see the message, or the message doesn't have
                the button.
            ValueError: The app's address doesn't begin with https.
        """
        workspace = self._workspace
        with workspace.lock:
            user = workspace.user(pressed.user)
            message = workspace.message(pressed.ts)
            if message is None or message not in workspace.seen_by(user):
                raise KeyError(f"{user.name} sees no message {pressed.ts}")
            block_id, button = _button(message, pressed.action_id)
            channel = workspace.channels[message.channel]
            hook = workspace.response_url(channel, user, source=message.ts)
            payload = self._block_actions_payload(user, channel, message, hook)
            payload["actions"] = [
                {
                    **{k: v for k, v in button.items() if k in {"action_id", "text", "value"}},
                    **{k: v for k, v in button.items() if k in {"style", "url"}},
                    "block_id": block_id,
                    "type": "button",
                    "action_ts": workspace.ts(),
                }
            ]
        return self._post({"payload": _compact(payload)}, pressed.forge)[0]

    def _command(
        self, text: str, user: User, channel: Channel, hook: ResponseUrl
    ) -> dict[str, str]:
        app = self._workspace.app
        return {
            "token": app.verification_token,
            "team_id": app.team_id,
            "team_domain": app.team_domain,
            "channel_id": channel.id,
            "channel_name": channel.name_for_apps,
            "user_id": user.id,
            "user_name": user.name,
            "command": app.command,
            "text": text,
            "api_app_id": app.app_id,
            "is_enterprise_install": "false",
            "response_url": self._base + hook.path,
            "trigger_id": _trigger(),
        }

    def _block_actions_payload(
        self, user: User, channel: Channel, message: Message, hook: ResponseUrl
    ) -> dict[str, Any]:
        """Return the payload of a button press, without the key `actions`."""
        app = self._workspace.app
        payload: dict[str, Any] = {
            "type": "block_actions",
            "user": {
                "id": user.id,
                "username": user.name,
                "name": user.name,
                "team_id": app.team_id,
            },
            "api_app_id": app.app_id,
            "token": app.verification_token,
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": channel.id,
                "is_ephemeral": message.only_for is not None,
            },
            "trigger_id": _trigger(),
            "team": {"id": app.team_id, "domain": app.team_domain},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": channel.id, "name": channel.name_for_apps},
            "state": {"values": {}},
            "response_url": self._base + hook.path,
        }
        if message.only_for is None:
            # Slack doesn't store an ephemeral message. So only other messages are in the payload.
            payload["message"] = {
                "bot_id": app.bot_id,
                "app_id": app.app_id,
                "type": "message",
                "text": message.text,
                "user": app.bot_user_id,
                "ts": message.ts,
                "team": app.team_id,
                "blocks": message.blocks,
            }
        return payload

    def _post(self, form: dict[str, str], forge: Forgery | None) -> tuple[Outcome, str]:
        """Sign and POST a form, and return the outcome and the answer's content type.

        Raises:
            ValueError: The app's address doesn't begin with https.
        """
        body = urlencode(form).encode()
        headers = self._headers(body, forge)
        if forge == "other_body":
            body += b"&text=other"
        address = self._workspace.app.request_url
        if not address.startswith("https://"):
            raise ValueError(f"Slack sends to https addresses only, not to {address!r}")
        began = time.monotonic()
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    address,
                    body,
                    headers=headers,
                    timeout=self._timeout,
                    verify=str(self._trust),
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            seconds = time.monotonic() - began
            late = isinstance(error, requests.Timeout) or seconds >= self._timeout
            shown = "operation_timeout" if late else "dispatch_failed"
            return Outcome(status=None, body="", seconds=seconds, error=shown), ""
        seconds = time.monotonic() - began
        if seconds > self._timeout:
            return Outcome(status=None, body="", seconds=seconds, error="operation_timeout"), ""
        failed = None if answer.status_code == 200 else "dispatch_failed"
        outcome = Outcome(
            status=answer.status_code, body=answer.text, seconds=seconds, error=failed
        )
        return outcome, answer.headers.get("Content-Type", "")

    def _headers(self, body: bytes, forge: Forgery | None) -> dict[str, str]:
        age = OLD_SECONDS if forge == "old_timestamp" else 0
        stamp = str(int(self._workspace.clock() - age))
        wrong = forge == "wrong_secret"
        key = secrets.token_hex(16) if wrong else self._workspace.app.signing_secret
        headers = {
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "Accept": "application/json,*/*",
            "Accept-Encoding": "gzip,deflate",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        if forge != "unsigned":
            headers["X-Slack-Request-Timestamp"] = stamp
            headers["X-Slack-Signature"] = signature(key, stamp, body)
        return headers

    def _show(self, outcome: Outcome, kind: str, hook: ResponseUrl) -> Outcome:
        """Show the message in an answer to a command, and return the outcome with the message's ts.

        An empty answer changes nothing. If Slack refuses the message, return the outcome with the
        error.
        """
        if not outcome.body.strip():
            return outcome
        payload: Any = {"text": outcome.body}
        try:
            if kind.partition(";")[0].strip() == "application/json":
                payload = json.loads(outcome.body)
            with self._workspace.lock:
                message = show(self._workspace, read_draft(payload), hook)
        except (ValueError, Refused) as error:
            refused = error if isinstance(error, Refused) else Refused("invalid_command_response")
            refusal = Refusal("answer", refused.error, refused.messages, hook.channel, hook.user)
            with self._workspace.lock:
                self._workspace.refused.append(refusal)
            return msgspec.structs.replace(outcome, error=refused.error)
        return msgspec.structs.replace(outcome, ts=message.ts if message else None)

    def _show_error(self, hook: ResponseUrl, error: str) -> None:
        """Post an ephemeral message of Slackbot with an error."""
        text = f'{self._workspace.app.command} failed with the error "{error}"'
        with self._workspace.lock:
            self._workspace.messages.append(
                Message(
                    ts=self._workspace.ts(),
                    channel=hook.channel,
                    text=text,
                    blocks=[],
                    only_for=hook.user,
                    author="slackbot",
                )
            )


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Return Slack's `X-Slack-Signature` of a raw body at `stamp`, in seconds since 1970."""
    message = b"v0:" + stamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _button(message: Message, action_id: str) -> tuple[str, dict[str, Any]]:
    """Return the id of a button's block and the button, found by the button's `action_id`.

    Raises:
        KeyError: The message has no button with the `action_id`.
    """
    for block in message.blocks:
        for element in block.get("elements", []):
            if element.get("type") == "button" and element["action_id"] == action_id:
                return block["block_id"], element
    raise KeyError(f"the message {message.ts} has no button {action_id}")


def _trigger() -> str:
    return f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**11)}.{secrets.token_hex(16)}"


def _compact(value: Any) -> str:
    # Slack's server uses PHP's json_encode, which escapes slashes and everything but ASCII.
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")
