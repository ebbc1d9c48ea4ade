"""Messages in Slack's Block Kit, within its limits.

https://docs.slack.dev/reference/block-kit/blocks and
https://docs.slack.dev/messaging/formatting-message-text list the limits and control characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
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

from ingester.slack.answer import MeetingAnswer, Shown

HEADER_LIMIT = 150
TEXT_LIMIT = 3000
FIELD_LIMIT = 2000

SECTIONS_OF_A_RECORDING = 5
"""Maximum number of sections for one recording's ingests. Six recordings with so many sections fit
into Slack's limit of 50 blocks."""

BLOCKS_LIMIT = 12_000
"""Maximum number of characters of all blocks as JSON. Slack documents no such limit, but rejects
slightly longer messages as `msg_blocks_too_long`: https://github.com/slackapi/bolt-js/issues/2509
and https://github.com/slackapi/bolt-js/issues/2867."""

SECTION = 150
"""Maximum number of characters of a section as JSON, without the section's texts but with the count
of omitted ingests."""

LINE_LIMIT = 400
LINK_LIMIT = 2000
ACTION = "more_recordings"

CHANNEL_ID = re.compile(r"[CG][A-Z0-9]{8,}", re.ASCII)
"""Pattern of a channel's id. A channel's name has no capitals."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message in Slack's markup.

    Attributes:
        text: The message; if there are `blocks`, the fallback text for Slack's notifications.
        blocks: Blocks of Block Kit.
        in_channel: Whether everybody in the channel sees the message, or only the user who asked.
        replaces: Whether the message replaces the message whose button was pressed.
    """

    text: str
    blocks: tuple[dict[str, Any], ...] = ()
    in_channel: bool = False
    replaces: bool = False


def payload(message: Message) -> dict[str, Any]:
    """Return the JSON of a message, for an answer or a `response_url`."""
    return {
        "response_type": "in_channel" if message.in_channel else "ephemeral",
        "replace_original": message.replaces,
        "text": message.text,
        **({"blocks": list(message.blocks)} if message.blocks else {}),
    }


def note(text: str) -> Message:
    """Make a message for the user who asked. Untrusted text in `text` must already be `escaped`."""
    return Message(text=text)


def escaped(text: str, limit: int = LINE_LIMIT) -> str:
    """Return untrusted text as one line of at most `limit` characters, without links and mentions.

    Slack has no escape for `*bold*`, `~struck~` and `:emoji:`, which do no harm.
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
    """Return a link to a channel by its id, or else the channel's name with a `#`."""
    return f"<#{channel}>" if CHANNEL_ID.fullmatch(channel) else f"#{escaped(channel)}"


def meeting_message(answer: MeetingAnswer, *, replaces: bool = False) -> Message:
    """Build the message about a meeting, for everybody in the channel."""
    title = escaped(answer.title, HEADER_LIMIT)
    top: list[Block] = [
        HeaderBlock(text=PlainTextObject(text=title, emoji=True)),
        SectionBlock(
            fields=[
                _markup(f"*{label}*\n{escaped(value, FIELD_LIMIT // 2)}")
                for label, value in answer.facts
            ]
        ),
        *_schedule(answer.schedule),
    ]
    heads = [_head(recording) for recording in answer.recordings]
    end: list[Block] = []
    if answer.closing:
        end += [DividerBlock(), ContextBlock(elements=[_markup(escaped(answer.closing))])]
    if answer.button:
        label = f"Show more ({answer.older} older)"
        end.append(
            ActionsBlock(
                elements=[
                    ButtonElement(
                        text=PlainTextObject(text=label), action_id=ACTION, value=answer.button
                    )
                ]
            )
        )
    room = BLOCKS_LIMIT - _size([*top, *chain.from_iterable(heads), *end]) - len(heads) * SECTION
    ingests = _ingests(answer.recordings, room)
    middle = chain.from_iterable(chain.from_iterable(zip(heads, ingests, strict=True)))
    return Message(
        text=f"Recordings of {title}",
        blocks=tuple(block.to_dict() for block in (*top, *middle, *end)),
        in_channel=True,
        replaces=replaces,
    )


def _size(blocks: Iterable[Block]) -> int:
    """Return the number of characters of blocks as JSON."""
    return len(json.dumps([block.to_dict() for block in blocks], ensure_ascii=False))


def _head(recording: Shown) -> list[Block]:
    """Build the blocks above a recording's ingests: divider, start, scheduled class and link."""
    head = [f"*{escaped(recording.start)}*"]
    if recording.class_name:
        head.append(escaped(recording.class_name))
    if len(recording.link) <= LINK_LIMIT:
        head.append(f"<{recording.link}|Open in Zoom>")
    return [DividerBlock(), SectionBlock(text=_markup("  ·  ".join(head)))]


def _part(lines: tuple[str, ...]) -> str:
    first, *others = (escaped(line) for line in lines)
    if not others:
        return first
    status, *rest = others
    return "\n".join([f"*{first}*", f"> {status}", *(f"> {line}" for line in rest)])


def _schedule(lines: Iterable[str]) -> list[Block]:
    texts = ["*Schedule*", *map(escaped, lines)]
    pack = _Pack(2, "\n")
    for text in texts:
        if not pack.add(text, BLOCKS_LIMIT):
            break
    left_out = len(texts) - pack.held
    return pack.sections(f"… and {left_out} more" if left_out else "")


def _ingests(recordings: Sequence[Shown], room: int) -> list[list[Block]]:
    """Build the sections of each recording's ingests within `room` characters.

    The newest ingest of each recording comes first, cut to its first two lines if necessary, so
    that as many recordings as possible show a state. While there is room, each round adds the next
    older ingest of each recording. A recording whose next ingest doesn't fit gets no more ingests.
    `room` doesn't limit the counts of omitted ingests.
    """
    packs = [_Pack(SECTIONS_OF_A_RECORDING, "\n\n") for _ in recordings]
    for number, (pack, recording) in enumerate(zip(packs, recordings, strict=True)):
        newest, share = recording.ingests[0], room // (len(packs) - number)
        room -= pack.add(_part(newest), share) or pack.add(_part(newest[:2]), room)
    for turn in range(1, max((len(recording.ingests) for recording in recordings), default=0)):
        for pack, recording in zip(packs, recordings, strict=True):
            if pack.held == turn < len(recording.ingests):
                room -= pack.add(_part(recording.ingests[turn]), room)
    return [
        pack.sections(_left_out(len(recording.ingests) - pack.held, pack))
        for pack, recording in zip(packs, recordings, strict=True)
    ]


def _left_out(number: int, pack: _Pack) -> str:
    ingests = f"{number} {'earlier ' if pack.held else ''}{'ingest' if number == 1 else 'ingests'}"
    return f"… and {ingests}" if pack.held and number else ingests if number else ""


@dataclass
class _Pack:
    """Texts packed into as few sections as possible.

    Attributes:
        most: Maximum number of sections.
        between: Separator of the texts in a section.
        held: Number of texts.
    """

    most: int
    between: str
    held: int = 0
    _packed: list[str] = field(default_factory=list)

    def add(self, text: str, room: int) -> int:
        """Add a text if it fits into `room` characters, and into the sections.

        Returns:
            The number of characters that the text uses; 0 if it doesn't fit.
        """
        packed = self._packed
        joins = bool(packed) and len(packed[-1] + self.between + text) <= TEXT_LIMIT - 100
        size = len(json.dumps(text, ensure_ascii=False)) + (len(self.between) if joins else SECTION)
        if size > room or not (joins or len(packed) < self.most):
            return 0
        self.held += 1
        if joins:
            packed[-1] += self.between + text
        else:
            packed.append(text)
        return size

    def sections(self, more: str) -> list[Block]:
        """Return the sections, with the text `more` at the end of the last one."""
        texts = [*self._packed[:-1], self.between.join(filter(None, [*self._packed[-1:], more]))]
        return [SectionBlock(text=_markup(text)) for text in texts if text]


def _markup(text: str) -> MarkdownTextObject:
    """Return markup as a text object. `verbatim` keeps Slack from turning plain text into links."""
    return MarkdownTextObject(text=text, verbatim=True)
