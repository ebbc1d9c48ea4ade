"""Parse the uuids, meetings and periods that operators type."""

from __future__ import annotations

import re
from datetime import timedelta

from ingester.recording.files import is_meeting_number, uuid_in
from ingester.recording.meeting_number import DIGITS, meeting_number_to_join
from ops.command import OpsError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST_DAYS = 3660
LONGEST_UUID = 200


def since(text: str) -> timedelta:
    """Return the period that a text like `30s`, `10m`, `2h` or `7d` means.

    Raises:
        OpsError: The text isn't a period, or the period is zero or longer than LONGEST_DAYS.
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
    """Return the uuid in a text: a uuid alone, or a link to the recording's page in Zoom.

    Raises:
        OpsError: The text contains no uuid. The error doesn't repeat a link, which may contain a
            passcode.
    """
    if number := meeting_number_to_join(text):
        raise OpsError(f"This is the link to join meeting {number}. {_of_meeting(number)}")
    uuid = uuid_in(text).strip()
    if text.strip() and not uuid:
        raise OpsError(
            "The link holds no meeting_id: paste the link to the recording's page in Zoom, or name "
            "its uuid."
        )
    if is_meeting_number(uuid):
        number = "".join(uuid.split()).replace("-", "")
        raise OpsError(f"{uuid} is a meeting number. {_of_meeting(number)}")
    if not uuid or len(uuid) > LONGEST_UUID or not uuid.isprintable() or " " in uuid:
        shown = repr(text) if uuid == text.strip() else "The link's meeting_id"
        raise OpsError(
            f"{shown} can't be a recording's uuid, which looks like Aimtz4gZlGgbue/Yk7qppQ==: "
            "`invoke recordings --meeting ID` shows those of a meeting."
        )
    return uuid


def _of_meeting(number: str) -> str:
    return (
        f"Choose one of its recordings: `invoke recordings --meeting {number}` lists those that "
        "are known."
    )


def meeting_number(text: str) -> int:
    """Return a Zoom meeting's number, also from groups of digits or from a link to join.

    Numbers of another length than Zoom's are accepted, because rows that a person has edited may
    have such numbers.

    Raises:
        OpsError: The text contains no meeting number. The error doesn't repeat a link, which may
            contain a passcode.
    """
    digits = meeting_number_to_join(text) or re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"[0-9]{1,19}", digits):
        shown = "The link" if "/" in text else repr(text)
        raise OpsError(f"{shown} is no meeting's number: {DIGITS}, like 861 6892 1331.")
    return int(digits)
