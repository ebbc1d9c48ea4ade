"""Requests with `/zip`: the text after the command, and the value of a button."""

from __future__ import annotations

import msgspec

from ingester.errors import UNREADABLE_JSON, BadRequest
from ingester.recording.meeting_number import DIGITS, meeting_number_in

PAGE_RECORDINGS = 2
"""Number of recordings in a new message. A press of the message's button adds the same number of
recordings, up to `MAX_RECORDINGS`."""

MAX_RECORDINGS = 6
"""Maximum number of recordings in one message. More recordings begin a new message."""

VERSION = 100
"""Version of the button's value. Messages stay in Slack for years, and buttons of older messages
may have the same fields. So the number is higher than any version in older messages."""

LONGEST_TIME = 40
"""Maximum number of characters of a start time in a button's value. Slack limits the value to 2,000
characters: https://docs.slack.dev/reference/block-kit/block-elements/button-element"""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The recordings of a meeting that a message shows, counted from the newest.

    Recordings that started after `newest_start_time` don't count, so that new recordings don't
    shift the others. If `newest_start_time` is "", all recordings count.
    """

    newest_start_time: str = ""
    start_index: int = 0
    count: int = PAGE_RECORDINGS


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """Value of a message's button: the meeting `mid`, and the window that the message shows."""

    version: int
    mid: int
    newest_start_time: str
    start_index: int
    count: int

    @property
    def begins_new_message(self) -> bool:
        """Whether a press begins a new message, because the button's message is full."""
        return self.count >= MAX_RECORDINGS

    @property
    def shown_window(self) -> Window:
        """The window that the button's message shows."""
        return Window(
            newest_start_time=self.newest_start_time,
            start_index=self.start_index,
            count=self.count,
        )

    @property
    def next_window(self) -> Window:
        """The window after a press: a longer window, or the next window if the message is full."""
        if self.begins_new_message:
            return Window(
                newest_start_time=self.newest_start_time,
                start_index=self.start_index + self.count,
            )
        return msgspec.structs.replace(self.shown_window, count=self.count + PAGE_RECORDINGS)


def meeting_asked_for(text: str) -> int | None:
    """Parse the text after `/zip`: a meeting number, or a link to join the meeting.

    Returns:
        The meeting number; None if the text is empty or asks for help.

    Raises:
        BadRequest: The text is neither a meeting number, nor such a link, nor a request for help.
    """
    if text.strip().lower() in {"", "help"}:
        return None
    digits = meeting_number_in(text)
    if not digits:
        raise BadRequest(
            f"That is no Zoom meeting number: it has {DIGITS}, like 123 456 7890. "
            "`/zip help` shows how to ask."
        )
    return int(digits)


def spaced(meeting: int) -> str:
    """Return a meeting number as Zoom shows it: 123 456 7890 or 123 4567 8901.

    A number that has neither 10 nor 11 digits gets no spaces.
    """
    digits = str(meeting)
    if len(digits) == 10:
        return f"{digits[:3]} {digits[3:6]} {digits[6:]}"
    return f"{digits[:3]} {digits[3:7]} {digits[7:]}" if len(digits) == 11 else digits


def write_button(meeting: int, window: Window) -> str:
    """Encode the value of the button of a message that shows `window`.

    A start time of over 40 characters, which only an edited row has, is left out. Then all
    recordings count.
    """
    newest = window.newest_start_time
    button = Button(
        version=VERSION,
        mid=meeting,
        newest_start_time=newest if len(newest) <= LONGEST_TIME else "",
        start_index=window.start_index,
        count=window.count,
    )
    return msgspec.json.encode(button).decode()


def read_button(value: str) -> Button:
    """Decode a button's value.

    Raises:
        BadRequest: The value is of another version, or malformed.
    """
    try:
        button = msgspec.json.decode(value, type=Button)
    except UNREADABLE_JSON as error:
        raise BadRequest(_OLD_BUTTON) from error
    is_sound = 0 < button.mid < 10**18 and 0 <= button.start_index < 10**9
    if button.version != VERSION or not is_sound or not 0 < button.count <= MAX_RECORDINGS:
        raise BadRequest(_OLD_BUTTON)
    return button


_OLD_BUTTON = (
    "This button comes from another version of the Zoom Ingester. "
    "Ask again with `/zip` and the meeting number."
)
