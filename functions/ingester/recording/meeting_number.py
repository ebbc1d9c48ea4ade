"""Zoom's meeting numbers, as people type them or paste them in a link to join."""

from __future__ import annotations

import re

DIGITS = "9 to 11 digits"
"""Number of digits of a meeting number, in words.

Source: Zoom's support article "Understanding Zoom meeting ID".
"""

_NUMBER = re.compile(r"[0-9]{9,11}")
_JOIN_LINK = re.compile(
    r"\.[a-z0-9:-]{1,70}/(?:j|w|s|wc|wc/join)/([0-9]{9,11})(?![0-9])", re.IGNORECASE
)
"""Form of a link to join: the end of a host, then `/j/` (a meeting), `/w/` (a webinar), `/s/` (for
the host), or `/wc/` or `/wc/join/` (in the browser), and the number."""

_FILLING = re.compile(r"[\s\u200b*\-\u2010-\u2015\u2212]+")
"""Characters that people write or paste between a meeting number's digits."""


def meeting_number_in(text: str) -> str:
    """Return the digits of a typed meeting number or of a link to join; "" if there is neither.

    The link's passcode (`pwd`) isn't part of the result.
    """
    digits = _FILLING.sub("", text)
    return digits if _NUMBER.fullmatch(digits) else meeting_number_to_join(text)


def meeting_number_to_join(text: str) -> str:
    """Return the meeting number of the first link to join in a text; "" if there is no link."""
    found = _JOIN_LINK.search(text)
    return found[1] if found else ""
