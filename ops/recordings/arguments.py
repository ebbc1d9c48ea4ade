"""Parse what operators type to name recordings and periods."""

from __future__ import annotations

import re
from datetime import timedelta

from ops.command import OpsError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST_DAYS = 3660
LONGEST_UUID = 200


def since(text: str) -> timedelta:
    """Return a period like `30s`, `10m`, `2h` or `7d`.

    Raises:
        OpsError: The text is no period.
    """
    found = re.fullmatch(r"([0-9]{1,9})\s*([smhd])", text.strip().lower())
    if found:
        length = timedelta(**{UNITS[found[2]]: int(found[1])})
        if timedelta(0) < length <= timedelta(days=LONGEST_DAYS):
            return length
    raise OpsError(
        f"--since {text!r} is no length of time: a number with s, m, h or d behind it, like 10m, "
        f"2h or 7d, at most {LONGEST_DAYS}d."
    )


def recording_uuid(text: str) -> str:
    """Return a recording's uuid without spaces around it.

    Raises:
        OpsError: The text can't be a uuid.
    """
    uuid = text.strip()
    if not uuid or len(uuid) > LONGEST_UUID or not uuid.isprintable() or " " in uuid:
        raise OpsError(
            f"{text!r} can't be a recording's uuid, which looks like Aimtz4gZlGgbue/Yk7qppQ==: "
            "`invoke recordings --meeting ID` shows those of a meeting."
        )
    return uuid


def meeting_number(text: str) -> int:
    """Return a Zoom meeting's number, also of groups.

    Raises:
        OpsError: The text is no meeting number.
    """
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"[0-9]{1,19}", digits):
        raise OpsError(f"{text!r} is no meeting's number: digits, like 861 6892 1331.")
    return int(digits)
