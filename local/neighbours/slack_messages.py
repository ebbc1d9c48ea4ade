"""A message that an app sends in answer to a command or a press: read, checked, shown.

[api.slack.com/interactivity/slash-commands, api.slack.com/interactivity/handling, as stored 2025]
"""

import re
from dataclasses import dataclass
from typing import Any

from local.neighbours.slack_blocks import errors_in
from local.neighbours.slack_markup import controls_in, problem_in, texts_in
from local.neighbours.slack_workspace import Message, ResponseUrl, Workspace, short_id

LONGEST_TEXT = 40_000
"""Characters of a message's text: Slack cuts the rest."""

KNOWN = {
    *("text", "blocks", "response_type", "replace_original", "delete_original", "thread_ts"),
    *("mrkdwn", "metadata", "unfurl_links", "unfurl_media", "parse", "link_names"),
}
_AMPERSAND = re.compile(r"&(?!(amp|lt|gt);)")


class Refused(Exception):
    """Slack doesn't take this message. `messages` say why, if it tells."""

    def __init__(self, error: str, messages: list[str] | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.messages = tuple(messages or ())


@dataclass(frozen=True)
class Draft:
    """A message that Slack takes. `replace` is None if the app didn't say."""

    text: str
    blocks: list[dict[str, Any]]
    in_channel: bool
    replace: bool | None
    delete: bool
    problems: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.text and not self.blocks


def read_draft(payload: Any) -> Draft:
    """A message from an app's JSON. Refused if Slack would refuse it."""
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
        text=text[:LONGEST_TEXT],
        blocks=blocks,
        in_channel=payload.get("response_type") == "in_channel",
        replace=_flag(payload, "replace_original"),
        delete=bool(_flag(payload, "delete_original")),
        problems=tuple(_problems(payload, text, blocks)),
    )


def show(workspace: Workspace, draft: Draft, hook: ResponseUrl) -> Message | None:
    """Post the message, or put it in its source's place; gives it, or None if it has no content.

    A source that is gone can't be replaced: then nothing is shown, and None given.
    """
    source = workspace.message(hook.source) if hook.source else None
    if draft.delete and source:
        workspace.messages.remove(source)
    if draft.is_empty:
        return None
    problems, controls = list(draft.problems), _controls(draft)
    if hook.source and draft.replace is None and not draft.delete:
        problems.append("replace_original isn't said: Slack's documentation has it both ways")
    if hook.source and draft.replace and not draft.delete:
        if source is None:
            return None
        source.text, source.blocks = _escaped(draft.text), _stored(draft.blocks)
        source.edited += 1
        source.controls, source.problems = controls, tuple(problems)
        return source
    if not hook.source and (draft.replace or draft.delete):
        problems.append("replace_original and delete_original don't change a user's command")
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


def _flag(payload: dict[str, Any], name: str) -> bool | None:
    """A flag, which may be a boolean or the word."""
    given = payload.get(name)
    if given is None or isinstance(given, bool):
        return given
    if given in ("true", "false"):
        return bool(given == "true")
    raise Refused("invalid_arguments", [f"must provide a boolean [json-pointer:/{name}]"])


def _problems(payload: dict[str, Any], text: str, blocks: list[Any]) -> list[str]:
    problems = [f"{name} shows nothing here" for name in payload if name not in KNOWN]
    if len(text) > LONGEST_TEXT:
        problems.append(f"the text is cut after {LONGEST_TEXT} characters")
    if payload.get("response_type") not in (None, "in_channel", "ephemeral"):
        problems.append(f"Slack knows no response_type {payload['response_type']}")
    if payload.get("delete_original") and len(payload) > 1 and not (text or blocks):
        problems.append("delete_original has to be the only attribute")
    marked_up = [text, *texts_in(blocks)]
    return [*problems, *filter(None, map(problem_in, marked_up))]


def _controls(draft: Draft) -> tuple[str, ...]:
    texts = texts_in(draft.blocks) if draft.blocks else [draft.text]
    return tuple(control for text in texts for control in controls_in(text))


def _stored(value: Any) -> Any:
    """Blocks as Slack keeps and returns them: everything has an id, and `&` is escaped."""
    if isinstance(value, list):
        return [_stored(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _stored(each) for name, each in value.items()}
    match kept.get("type"):
        case "plain_text":
            kept = {"emoji": True} | kept | {"text": _escaped(kept["text"])}
        case "mrkdwn":
            kept = {"verbatim": False} | kept | {"text": _escaped(kept["text"])}
        case "button":
            kept = {"action_id": short_id()} | kept
        case "actions" | "context" | "divider" | "header" | "markdown" | "section":
            kept = {"block_id": short_id()} | kept
    return kept


def _escaped(text: str) -> str:
    return _AMPERSAND.sub("&amp;", text)
