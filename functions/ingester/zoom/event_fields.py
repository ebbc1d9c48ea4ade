"""Read those fields of Zoom's webhook events that have varying types.

Zoom may send a number as a string, leave a field out, or send null. Each function returns an empty
value for an unreadable field, and never raises an error.
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from ingester.pipeline.messages import LARGEST_NUMBER, LONGEST_MINUTES


def number_in(value: object) -> int:
    """Return `value` as an integer from 1 to LARGEST_NUMBER, or 0 if it isn't one."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_NUMBER:
        return value
    return 0


def minutes_in(value: object) -> int | float:
    """Return `value` as a duration of up to LONGEST_MINUTES, or 0 if it isn't one."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if 0 <= value <= LONGEST_MINUTES else 0
    return 0


def size_in(value: object) -> int | UnsetType:
    """Return `value` as a size in bytes, or UNSET if it is 0 or isn't a size.

    0 means that the size isn't known, as for a file that Zoom hasn't finished. A size is only
    compared and shown, so a recording with an unreadable size isn't rejected.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return number_in(value) or UNSET


def text_in(value: object) -> str:
    """Return `value` if it is a text, or "" if it isn't one."""
    return value if isinstance(value, str) else ""
