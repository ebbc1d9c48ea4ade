"""Plays the workspace's people: they type a command or press a button, and Slack tells the app.

Requests are built, signed and waited for as Slack does it: three seconds and no more.
[api.slack.com/interactivity/slash-commands, …/reference/interaction-payloads/block-actions,
…/authentication/verifying-requests-from-slack]
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

PATIENCE_SECONDS = 3.0
OLD_SECONDS = 360
Forgery = Literal["wrong_secret", "old_timestamp", "unsigned", "other_body"]


class Typed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user types a command in a channel. Both by id or name; `channel` "direct": to the app.

    `forge` spoils the signature: another secret, six minutes old (a replay), none at all, or that
    of another body. `url` is where it goes, if not to the app's request URL.
    """

    user: str
    channel: str
    text: str = ""
    command: str = ""
    url: str = ""
    forge: Forgery | None = None


class Pressed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user presses the button `action_id` of the message `ts`; the rest as above."""

    user: str
    ts: str
    action_id: str
    url: str = ""
    forge: Forgery | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    `status` and `body` are what the app answered within `seconds`, None and "" if nothing.
    `error` is what Slack shows if that wasn't good: `operation_timeout`, `dispatch_failed`, …
    `ts` is the message that the answer itself made, if it made one.
    """

    status: int | None
    body: str
    seconds: float
    error: str | None = None
    ts: str | None = None


class Player:
    """Sends what people do, and waits `patience` seconds for an answer.

    `base` is the stand-in's own address, `trust` a PEM file.
    """

    def __init__(self, workspace: Workspace, base: str, trust: Path, patience: float) -> None:
        self._workspace = workspace
        self._base = base
        self._trust = trust
        self._patience = patience

    def command(self, typed: Typed) -> Outcome:
        """Send a command, and show what is answered. KeyError for an unknown user or channel."""
        workspace = self._workspace
        with workspace.lock:
            user = workspace.user(typed.user)
            channel = workspace.channel(typed.channel, user)
            command = typed.command or workspace.app.command
            asked = f"{command} {typed.text}".strip()
            hook = workspace.response_url(channel, user, asked=asked)
        form = self._command(command, typed.text.strip(), user, channel, hook)
        outcome, kind = self._post(form, typed.url, typed.forge)
        if outcome.error is None:
            outcome = self._take(outcome, kind, hook)
        if outcome.error:
            self._tell(hook, f'{command} failed with the error "{outcome.error}"')
        return outcome

    def press(self, pressed: Pressed) -> Outcome:
        """Press a button. KeyError if the user sees no such message, or it has no such button.

        What the app answers with the acknowledgement counts for nothing.
        """
        workspace = self._workspace
        with workspace.lock:
            user = workspace.user(pressed.user)
            message = workspace.message(pressed.ts)
            if message is None or message.only_for not in {None, user.id}:
                raise KeyError(f"{user.name} sees no message {pressed.ts}")
            block_id, button = _button(message, pressed.action_id)
            channel = workspace.channels[message.channel]
            hook = workspace.response_url(channel, user, source=message.ts)
            payload = self._action(user, channel, message, hook)
            payload["actions"] = [
                {
                    **{k: v for k, v in button.items() if k in {"action_id", "text", "value"}},
                    **{k: v for k, v in button.items() if k in {"style", "url"}},
                    "block_id": block_id,
                    "type": "button",
                    "action_ts": workspace.ts(),
                }
            ]
        return self._post({"payload": _compact(payload)}, pressed.url, pressed.forge)[0]

    def _command(
        self, command: str, text: str, user: User, channel: Channel, hook: ResponseUrl
    ) -> dict[str, str]:
        app = self._workspace.app
        return {
            "token": app.verification_token,
            "team_id": app.team_id,
            "team_domain": app.team_domain,
            "channel_id": channel.id,
            "channel_name": channel.told,
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": text,
            "api_app_id": app.app_id,
            "is_enterprise_install": "false",
            "response_url": self._base + hook.path,
            "trigger_id": _trigger(),
        }

    def _action(
        self, user: User, channel: Channel, message: Message, hook: ResponseUrl
    ) -> dict[str, Any]:
        """Everything of a press but the button."""
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
            "channel": {"id": channel.id, "name": channel.told},
            "state": {"values": {}},
            "response_url": self._base + hook.path,
        }
        if message.only_for is None:
            # Slack keeps no ephemeral message, so it can't show one.
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

    def _post(self, form: dict[str, str], url: str, forge: Forgery | None) -> tuple[Outcome, str]:
        """POST a form, signed; what came of it, and the answer's content type."""
        body = urlencode(form).encode()
        headers = self._headers(body, forge)
        if forge == "other_body":
            body += b"&text=other"
        address = url or self._workspace.app.request_url
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
                    timeout=self._patience,
                    verify=str(self._trust),
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            seconds = time.monotonic() - began
            late = isinstance(error, requests.Timeout) or seconds >= self._patience
            shown = "operation_timeout" if late else "dispatch_failed"
            return Outcome(status=None, body="", seconds=seconds, error=shown), ""
        seconds = time.monotonic() - began
        if seconds > self._patience:
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

    def _take(self, outcome: Outcome, kind: str, hook: ResponseUrl) -> Outcome:
        """Show the message in a good answer to a command: text, or JSON that says it is."""
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

    def _tell(self, hook: ResponseUrl, text: str) -> None:
        """Slackbot says something to the user alone."""
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
    """Slack's `X-Slack-Signature` for a raw body."""
    message = b"v0:" + stamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _button(message: Message, action_id: str) -> tuple[str, dict[str, Any]]:
    """The block's id and the button, of an actions block or beside a section."""
    for block in message.blocks:
        for element in [*block.get("elements", []), block.get("accessory", {})]:
            if element.get("type") == "button" and element["action_id"] == action_id:
                return block["block_id"], element
    raise KeyError(f"the message {message.ts} has no button {action_id}")


def _trigger() -> str:
    return f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**11)}.{secrets.token_hex(16)}"


def _compact(value: Any) -> str:
    # PHP's json_encode, which Slack's server uses, escapes slashes and everything but ASCII.
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")
