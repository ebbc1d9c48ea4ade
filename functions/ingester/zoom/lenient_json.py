"""Repair Zoom's JSON where a strict parser rejects it.

Zoom counts a topic's characters in UTF-16, so a topic that Zoom cuts off can end in half an emoji:
an escaped surrogate without its pair. Many JSON parsers accept such a surrogate, but strict parsers
reject the body.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def readable(body: bytes) -> bytes:
    """Return the body with U+FFFD in place of each escaped unpaired surrogate."""
    if b"\\u" not in body:
        return body
    return _ESCAPES.sub(lambda match: rb"\ufffd" if match["half"] else match[0], body)
