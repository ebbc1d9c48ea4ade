"""Read, escape, repair and join the cues of Zoom's WebVTT files, and write them as one file.

`webvtt-py` parses WebVTT (https://www.w3.org/TR/webvtt1/), and skips blocks that aren't cues.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from webvtt import WebVTT
from webvtt.errors import MalformedCaptionError, MalformedFileError

from ingester.errors import UnusableCaptions
from ingester.recording.timeline import Timeline

MAX_BYTES = 2_000_000
"""Maximum size of a file, in bytes. The transcript of a day-long lecture has 1 MB."""

MAX_TEXT = 3_000_000
"""Maximum number of characters in a recording's captions, with markup escaped. A character may take
four bytes, and the downloader holds the text in memory several times."""

MAX_CUES = 20_000
"""Maximum number of cues in a file and in a recording, because each cue costs memory and time. A
day-long lecture has a few thousand cues."""

MAX_LINES = 10 * MAX_CUES
"""Maximum number of lines in a file. A usual cue has four lines."""

LONGEST_MS = 60_000
"""Longest time that a cue is shown, in milliseconds. A longer cue has no sensible end."""

DEFAULT_MS = 3_000
"""Longest duration in milliseconds of a cue whose end isn't after its beginning."""


_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]{1,200})>")
"""A speaker's tag: https://www.w3.org/TR/webvtt1/#webvtt-cue-voice-span"""


class Cue(msgspec.Struct, frozen=True, kw_only=True):
    """A text that is shown from `begins` to `ends`.

    Both times are in milliseconds since the start of the segment, or of the joined video.
    """

    begins: int
    ends: int
    lines: tuple[str, ...]


def read_cues(content: bytes, most_text: int = MAX_TEXT) -> list[Cue]:
    """Return the repaired cues of a file, with escaped markup.

    Cues are sorted, overlaps cut, durations limited to a minute, and empty lines dropped.

    Args:
        content: The file.
        most_text: Maximum number of characters of the file's text, with markup escaped.

    Raises:
        UnusableCaptions: The file isn't WebVTT, has no cue with a text, or has too many bytes,
            cues, lines or characters.
    """
    if len(content) > MAX_BYTES:
        raise too_large()
    if content.count(b"-->") > MAX_CUES:
        raise UnusableCaptions(f"it has more than {MAX_CUES:,} captions")
    if content.count(b"\n") + content.count(b"\r") > MAX_LINES:
        raise UnusableCaptions(f"it has more than {MAX_LINES:,} lines")
    text = content.decode("utf-8-sig", errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    # Escaping turns each `<` and `>` into four characters.
    if len(text) + 3 * (text.count("<") + text.count(">")) > most_text:
        raise UnusableCaptions("the captions of the recording have too much text")
    try:
        captions = WebVTT.from_string(text).captions
    except (MalformedFileError, MalformedCaptionError) as error:
        raise UnusableCaptions("it isn't WebVTT") from error
    cues = [
        Cue(
            begins=caption.start_time.in_milliseconds(),
            ends=caption.end_time.in_milliseconds(),
            # An empty line would end the cue in WebVTT, and a blank line shows nothing.
            lines=tuple(filter(str.strip, map(_as_text, caption.lines))),
        )
        for caption in captions
    ]
    repaired = _repaired(cue for cue in cues if cue.lines)
    if not repaired:
        raise UnusableCaptions("it has no captions")
    return repaired


def _as_text(line: str) -> str:
    """Return a cue's line with escaped markup. A voice tag becomes the speaker's name and a colon.

    Opencast's player before 20.2 treats the text of captions as HTML (CVE-2026-77615), and Zoom's
    files contain people's words and names.
    """
    spoken = _VOICE.sub(lambda voice: f"{voice[1].strip()}: ", line.replace("</v>", ""))
    return spoken.replace("<", "&lt;").replace(">", "&gt;")


def text_size(cues: Iterable[Cue]) -> int:
    """Return the number of characters of the cues' text."""
    return sum(len(line) for cue in cues for line in cue.lines)


def too_large() -> UnusableCaptions:
    """Return the error for a file of more than `MAX_BYTES`."""
    return UnusableCaptions(f"it has more than {MAX_BYTES // 1_000_000} MB")


def _repaired(cues: Iterable[Cue]) -> list[Cue]:
    """Return the cues sorted by start, with corrected ends.

    A cue lasts at most `LONGEST_MS`, and at most until a later cue begins.
    """
    repaired: list[Cue] = []
    later: int | None = None
    following: int | None = None
    for cue in sorted(cues, key=lambda cue: cue.begins)[::-1]:
        if following is not None and following > cue.begins:
            later = following
        following = cue.begins
        ends = cue.ends if cue.ends > cue.begins else cue.begins + DEFAULT_MS
        limits = [cue.begins + LONGEST_MS] if later is None else [cue.begins + LONGEST_MS, later]
        repaired.append(msgspec.structs.replace(cue, ends=min(ends, *limits)))
    repaired.reverse()
    return repaired


def joined(cues_by_start: Mapping[str, Sequence[Cue]], timeline: Timeline) -> list[Cue]:
    """Return the cues of all segments, with the cues' times in the joined video.

    Args:
        cues_by_start: The cues of each segment, by the segment's start at Zoom.
        timeline: The segments of the video. Cues that begin at a segment's end or later are left
            out, and cues that reach beyond the end are cut.
    """
    return [
        Cue(
            begins=stretch.begins + cue.begins,
            ends=stretch.begins + min(cue.ends, stretch.length),
            lines=cue.lines,
        )
        for stretch in timeline
        for cue in cues_by_start.get(stretch.start, ())
        if cue.begins < stretch.length
    ]


def to_webvtt(cues: Iterable[Cue]) -> bytes:
    """Return the cues as a WebVTT file."""
    blocks = [
        "\n".join((f"{_timestamp(cue.begins)} --> {_timestamp(cue.ends)}", *cue.lines, ""))
        for cue in cues
    ]
    return "\n".join(("WEBVTT\n", *blocks)).encode()


def _timestamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"
