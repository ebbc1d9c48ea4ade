"""Read the content of a Slack message from its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def texts(message: Mapping[str, Any]) -> str:
    """Return the texts of a message's blocks, each on its own line, without the labels of buttons.

    If the blocks have no text, return the message's `text`.
    """
    lines = []
    for block in message.get("blocks", ()):
        parts = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
        lines += [part["text"] for part in parts if part and isinstance(part["text"], str)]
    return "\n".join(lines or [message["text"]])


def button_of(message: Mapping[str, Any]) -> str:
    """Return the value of a message's first button, or "" if the message has no button."""
    values = [
        element["value"]
        for block in message["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    ]
    return str(values[0]) if values else ""
