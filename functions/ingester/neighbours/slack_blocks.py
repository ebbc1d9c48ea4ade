"""Messages as Slack's Block Kit wants them, within its limits.

Facts from Slack's reference of blocks and composition objects, and "Formatting message text": `&`,
`<` and `>` are control characters. Apart from `slack.py` because it knows the look of a message
and nothing of connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from ingester.rules.zip_answer import MeetingAnswer, Shown

HEADER_LIMIT = 150
TEXT_LIMIT = 3000
FIELD_LIMIT = 2000

SECTIONS_OF_A_RECORDING = 5
"""The most for one recording's ingests, so that six recordings stay within Slack's 50 blocks."""

LINE_LIMIT = 400
LINK_LIMIT = 2000
ACTION = "more_recordings"

CHANNEL_ID = re.compile(r"[CG][A-Z0-9]{8,}", re.ASCII)
"""Names have no capitals."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message: `text` alone, or `blocks` with `text` for notifications; both in Slack's markup.

    `in_channel` shows it to all in the channel, else only to who asked. `replaces` says whether
    it takes the place of the message whose button was pressed.
    """

    text: str
    blocks: tuple[dict[str, Any], ...] = ()
    in_channel: bool = False
    replaces: bool = False


def payload(message: Message) -> dict[str, Any]:
    """A message as it goes over the wire, as an answer or to a `response_url`."""
    return {
        "response_type": "in_channel" if message.in_channel else "ephemeral",
        "replace_original": message.replaces,
        "text": message.text,
        **({"blocks": list(message.blocks)} if message.blocks else {}),
    }


def note(text: str) -> Message:
    """A text of our own for who asked alone, in Slack's markup; foreign parts `escaped` before."""
    return Message(text=text)


def escaped(text: str, limit: int = LINE_LIMIT) -> str:
    """Foreign text as one line, `limit` characters long, in which nothing is a link or a mention.

    Where Slack takes markup, `*bold*`, `~struck~` and `:emoji:` in it still work: they can't be
    escaped, and do no harm.
    """
    out: list[str] = []
    size = 0
    for char in " ".join(text.split()):
        piece = _ESCAPES.get(char, char)
        if size + len(piece) > limit - 1:
            return "".join(out) + "…"
        out.append(piece)
        size += len(piece)
    return "".join(out)


def channel_link(channel: str) -> str:
    """A channel by its name or its id, as Slack shows it to who may see it."""
    return f"<#{channel}>" if CHANNEL_ID.fullmatch(channel) else f"#{escaped(channel)}"


def meeting_message(answer: MeetingAnswer, *, replaces: bool = False) -> Message:
    """The message about a meeting, for everybody in the channel."""
    title = escaped(answer.title, HEADER_LIMIT)
    blocks: list[Block] = [
        HeaderBlock(text=PlainTextObject(text=title, emoji=True)),
        SectionBlock(
            fields=[
                _markup(f"*{label}*\n{escaped(value, FIELD_LIMIT // 2)}")
                for label, value in answer.facts
            ]
        ),
        *(_sections(["*Schedule*", *map(escaped, answer.schedule)], 2, "\n")),
    ]
    for recording in answer.recordings:
        blocks += [DividerBlock(), *_recording(recording)]
    if answer.closing:
        blocks += [DividerBlock(), ContextBlock(elements=[_markup(escaped(answer.closing))])]
    if answer.button:
        label = f"Show more ({answer.older} older)"
        blocks.append(
            ActionsBlock(
                elements=[
                    ButtonElement(
                        text=PlainTextObject(text=label), action_id=ACTION, value=answer.button
                    )
                ]
            )
        )
    return Message(
        text=f"Recordings of {title}",
        blocks=tuple(block.to_dict() for block in blocks),
        in_channel=True,
        replaces=replaces,
    )


def _recording(recording: Shown) -> Iterator[Block]:
    """A recording's start with its link, then its ingests."""
    head = [f"*{escaped(recording.start)}*"]
    if recording.class_name:
        head.append(escaped(recording.class_name))
    if len(recording.link) <= LINK_LIMIT:
        head.append(f"<{recording.link}|Open in Zoom>")
    yield SectionBlock(text=_markup("  ·  ".join(head)))
    texts = [_part(lines) for lines in recording.parts]
    yield from _sections(texts, SECTIONS_OF_A_RECORDING, "\n\n")


def _part(lines: tuple[str, ...]) -> str:
    first, *others = (escaped(line) for line in lines)
    if not others:
        return first
    status, *rest = others
    return "\n".join([f"*{first}*", f"> {status}", *(f"> {line}" for line in rest)])


def _sections(texts: Iterable[str], most: int, between: str) -> Iterator[Block]:
    """As few sections as hold the texts, `most` at most; what doesn't fit is counted."""
    packed: list[str] = []
    left_out = 0
    for text in texts:
        if packed and len(packed[-1]) + len(between) + len(text) <= TEXT_LIMIT - 100:
            packed[-1] += between + text
        elif len(packed) < most:
            packed.append(text)
        else:
            left_out += 1
    if left_out:
        packed[-1] += f"{between}… and {left_out} more"
    for text in packed:
        yield SectionBlock(text=_markup(text))


def _markup(text: str) -> MarkdownTextObject:
    """Our own markup: Slack makes no links or mentions of what only looks like them."""
    return MarkdownTextObject(text=text, verbatim=True)
