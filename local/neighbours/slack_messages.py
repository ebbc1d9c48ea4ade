"""Read, check and show the messages that an app sends in answer to a command or a press.

https://docs.slack.dev/interactivity/implementing-slash-commands
https://docs.slack.dev/interactivity/handling-user-interaction
https://docs.slack.dev/messaging/formatting-message-text
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local.neighbours.slack_blocks import errors_in
from local.neighbours.slack_workspace import Message, ResponseUrl, Workspace, short_id

MOST_CHARACTERS = 40_000
"""Largest number of characters in a message's text. Slack cuts off the rest:
https://api.slack.com/changelog/2018-04-truncating-really-long-messages"""

KNOWN = {
    *("text", "blocks", "response_type", "replace_original", "thread_ts"),
    *("mrkdwn", "metadata", "unfurl_links", "unfurl_media", "parse", "link_names"),
}
_AMPERSAND = re.compile(r"&(?!(amp|lt|gt);)")
_CONTROL = re.compile(r"<([^<>\n]*)>")
_CONTROL_FORMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(https?|mailto|tel|slack):[^|\s]+(\|[^|]*)?",
        r"@[UW][A-Z0-9]{2,}(\|[^|]*)?",
        r"#[CG][A-Z0-9]{2,}(\|[^|]*)?",
        r"!(here|channel|everyone)(\|[^|]*)?",
        r"!subteam\^S[A-Z0-9]{2,}(\|[^|]*)?",
        r"!date\^\d+\^[^|^]+(\^https?:[^|]+)?\|[^|]+",
    )
)
_QUOTE = re.compile(r"^>+", re.MULTILINE)


class Refused(Exception):
    """Slack's refusal of a message. `messages` are Slack's reasons, if there are any."""

    def __init__(self, error: str, messages: list[str] | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.messages = tuple(messages or ())


@dataclass(frozen=True)
class Draft:
    """A message that Slack accepts. `replace` is None if the app left `replace_original` out."""

    text: str
    blocks: list[dict[str, Any]]
    in_channel: bool
    replace: bool | None
    problems: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.text and not self.blocks


def read_draft(payload: Any) -> Draft:
    """Check the decoded JSON that an app sent, and return the message in the JSON.

    Raises:
        Refused: Slack refuses the message.
    """
    if not isinstance(payload, dict):
        raise Refused("invalid_payload")
    text, blocks = payload.get("text") or "", payload.get("blocks")
    blocks = [] if blocks is None else blocks
    if not isinstance(text, str):
        raise Refused("invalid_arguments", ["must provide a string [json-pointer:/text]"])
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    if errors := errors_in(blocks):
        raise Refused("invalid_blocks", [f"[ERROR] {error}" for error in errors])
    return Draft(
        text=text[:MOST_CHARACTERS],
        blocks=blocks,
        in_channel=payload.get("response_type") == "in_channel",
        replace=_flag(payload, "replace_original"),
        problems=tuple(_problems(payload, text, blocks)),
    )


def show(workspace: Workspace, draft: Draft, hook: ResponseUrl) -> Message | None:
    """Post a message, or replace the message whose button was pressed, and return the message.

    Return None if the new message is empty, or if the message to replace doesn't exist.
    """
    source = workspace.message(hook.source) if hook.source else None
    if draft.is_empty:
        return None
    problems, controls = list(draft.problems), _controls(draft)
    if hook.source and draft.replace is None:
        problems.append("replace_original is missing: Slack's documentation contradicts itself")
    if hook.source and draft.replace:
        if source is None:
            return None
        source.text, source.blocks = _escaped(draft.text), _stored(draft.blocks)
        source.edited += 1
        source.controls, source.problems = controls, tuple(problems)
        return source
    if not hook.source and draft.replace:
        problems.append("replace_original doesn't change a user's command")
    message = Message(
        ts=workspace.ts(),
        channel=hook.channel,
        text=_escaped(draft.text),
        blocks=_stored(draft.blocks),
        only_for=None if draft.in_channel else hook.user,
        asked=hook.asked if draft.in_channel else "",
        controls=controls,
        problems=tuple(problems),
    )
    workspace.messages.append(message)
    return message


def controls_in(text: str) -> list[str]:
    """Return the links, mentions and dates in a text, in Slack's markup."""
    return [found.group(0) for found in _CONTROL.finditer(text) if _is_control(found.group(1))]


def problem_in(text: str) -> str | None:
    """Return a description of the first `<` or `>` that should be escaped, or None.

    A `>` at the beginning of a line is a quotation and needs no escape.
    """
    rest = _CONTROL.sub(lambda found: "" if _is_control(found.group(1)) else found.group(0), text)
    rest = _QUOTE.sub("", rest)
    if place := re.search("[<>]", rest):
        near = rest[max(0, place.start() - 20) : place.start() + 30]
        return f"an unescaped {place.group(0)} that is no link, mention or date: …{near}…"
    return None


def _is_control(inner: str) -> bool:
    return any(form.fullmatch(inner) for form in _CONTROL_FORMS)


def _texts_in(blocks: Any) -> Iterator[str]:
    """Yield every text with markup in a message's blocks, in order."""
    if isinstance(blocks, dict):
        if blocks.get("type") == "mrkdwn" and isinstance(blocks.get("text"), str):
            yield blocks["text"]
        else:
            for value in blocks.values():
                yield from _texts_in(value)
    elif isinstance(blocks, list):
        for value in blocks:
            yield from _texts_in(value)


def _flag(payload: dict[str, Any], name: str) -> bool | None:
    """Return the boolean `name` of a payload, or None if the boolean is missing or null.

    Raises:
        Refused: The value is neither a boolean nor "true" nor "false".
    """
    given = payload.get(name)
    if given is None or isinstance(given, bool):
        return given
    if given in ("true", "false"):
        return bool(given == "true")
    raise Refused("invalid_arguments", [f"must provide a boolean [json-pointer:/{name}]"])


def _problems(payload: dict[str, Any], text: str, blocks: list[Any]) -> list[str]:
    problems = [f"{name} shows nothing here" for name in payload if name not in KNOWN]
    if len(text) > MOST_CHARACTERS:
        problems.append(f"the text is cut after {MOST_CHARACTERS} characters")
    if payload.get("response_type") not in (None, "in_channel", "ephemeral"):
        problems.append(f"Slack knows no response_type {payload['response_type']}")
    return [*problems, *filter(None, map(problem_in, [text, *_texts_in(blocks)]))]


def _controls(draft: Draft) -> tuple[str, ...]:
    texts = _texts_in(draft.blocks) if draft.blocks else [draft.text]
    return tuple(control for text in texts for control in controls_in(text))


def _stored(value: Any) -> Any:
    """Return blocks as Slack stores them: with ids, default fields, and an escaped `&`."""
    if isinstance(value, list):
        return [_stored(item) for item in value]
    if not isinstance(value, dict):
        return value
    stored = {name: _stored(item) for name, item in value.items()}
    match stored.get("type"):
        case "plain_text":
            stored = {"emoji": True} | stored | {"text": _escaped(stored["text"])}
        case "mrkdwn":
            stored = {"verbatim": False} | stored | {"text": _escaped(stored["text"])}
        case "button":
            stored = {"action_id": short_id()} | stored
        case "actions" | "context" | "divider" | "header" | "section":
            stored = {"block_id": short_id()} | stored
    return stored


def _escaped(text: str) -> str:
    return _AMPERSAND.sub("&amp;", text)
