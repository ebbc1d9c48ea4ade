"""Slack's mark-up: which `<…>` mean something, and which are text that nobody escaped.

[docs.slack.dev/messaging/formatting-message-text]
"""

import re
from collections.abc import Iterator
from typing import Any

_CONTROL = re.compile(r"<([^<>\n]*)>")
_MEANINGS = tuple(
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


def controls_in(text: str) -> list[str]:
    """The links, mentions and dates in a text, as they are written there."""
    return [found.group(0) for found in _CONTROL.finditer(text) if _means(found.group(1))]


def problem_in(text: str) -> str | None:
    """A sentence about a `<` or `>` that should have been escaped, or None.

    Slack shows something all the same: not what was meant. `>` may begin a line (a quotation).
    """
    rest = _CONTROL.sub(lambda found: "" if _means(found.group(1)) else found.group(0), text)
    rest = _QUOTE.sub("", rest)
    if place := re.search("[<>]", rest):
        near = rest[max(0, place.start() - 20) : place.start() + 30]
        return f"an unescaped {place.group(0)} that is no link, mention or date: …{near}…"
    return None


def texts_in(blocks: Any) -> Iterator[str]:
    """Every text with mark-up in a message's blocks, in order."""
    if isinstance(blocks, dict):
        if blocks.get("type") == "mrkdwn" and isinstance(blocks.get("text"), str):
            yield blocks["text"]
        else:
            for value in blocks.values():
                yield from texts_in(value)
    elif isinstance(blocks, list):
        for value in blocks:
            yield from texts_in(value)


def _means(inner: str) -> bool:
    return any(meaning.fullmatch(inner) for meaning in _MEANINGS)
