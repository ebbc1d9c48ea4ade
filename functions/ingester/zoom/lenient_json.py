"""Zoom's JSON as JSON's standard wants it.

Zoom counts a topic's characters in UTF-16, so one that is cut off can end in half an emoji. As an
escape that is JSON to many parsers, but no text, and the strict ones refuse the whole body.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def readable(body: bytes) -> bytes:
    """`body` with U+FFFD for every half of a surrogate pair that stands alone in an escape."""
    if b"\\u" not in body:
        return body
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found["half"] else found[0], body)
