"""Read the chapters of a recording from Zoom's files, one file for each segment.

Zoom documents the type of the file (`recording_type` `summary_smart_chapters`, `file_type` SUMMARY,
a JSON file: developers.zoom.us, "Get meeting recordings") and not its format. The only evidence of
a format is the answer of the service behind Zoom's web player
(`/nws/recording/1.0/smart-chapters`): `{"result": {"recordingSmartChapters": {"itemList":
[{"startTime": …, "endTime": …, "title": …, "chapter": …}]}}}`, with times in an unknown unit. So
this module takes the first list of objects that have a title and a start as the chapters.

Opencast takes chapters as a WebVTT track: opencast/opencast#7237. The player of Opencast 19 and
later reads a cue's start and text, and decodes HTML's entities (polimediaupv/paella-opencast,
`EventConversor.ts`). Opencast's editor expects chapters from the beginning of the video to its end,
without gaps. So a chapter ends where the next chapter begins, even if Zoom states another end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from ingester.captions.cues import MAX_BYTES, Cue, joined, too_large
from ingester.errors import UNREADABLE_JSON, UnusableCaptions
from ingester.recording.timeline import Timeline
from ingester.zoom.lenient_json import readable

MAX_CHAPTERS = 500
"""Maximum number of chapters in a file, and in a recording."""

MAX_BRACKETS = 20_000
"""Maximum number of objects and lists in a file. Parsing takes memory for each object and list,
so the check comes first."""

DEEPEST = 50
"""Maximum depth of nested objects and lists in a file."""

LONGEST_TITLE = 200
"""Maximum length of a title, in characters. A longer title is cut off."""

UNTITLED = "…"
"""Title of the chapter that covers a segment without chapters. Opencast's editor expects chapters
without gaps."""

TOLERANCE_MS = 60_000
"""Tolerance in milliseconds for `_unit_of`. Times count as seconds if the last time, taken as
seconds, is at most this long after the latest time that the file may contain."""

MAX_NAMES = 20
"""Maximum number of field names in the text of an error."""

_STARTS, _ENDS, _TITLES = ("starttime", "start"), ("endtime", "end"), ("title", "name")
_CLOCK = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{1,2}(?:\.[0-9]{1,9})?)")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_LARGEST = 10.0**15
_NO_MARKUP = str.maketrans("<>", "\u2039\u203a")


class _Milliseconds(float):
    """A time in milliseconds, which Zoom wrote in a form like `1:02:03` or `2:03`."""


def read_chapters(content: bytes, length: int, longest: int) -> list[Cue]:
    """Return the chapters of a segment, which together cover the whole segment.

    Args:
        content: Zoom's file.
        length: The length of the segment's video in milliseconds.
        longest: The latest time that Zoom's file may contain, in milliseconds: later than `length`
            if the recording was paused.

    Raises:
        UnusableCaptions: The file is too large or not JSON, has too many objects, lists or
            chapters, is nested too deeply, or has no chapter that begins in the segment.
    """
    document = _parsed(content)
    items = next(filter(None, map(_chapters_in, _lists(document))), [])
    if not items:
        names = ", ".join(_names(document)) or "none"
        raise UnusableCaptions(
            f"no list in it has objects with a title and a start; its fields are: {names}"
        )
    if len(items) > MAX_CHAPTERS:
        raise UnusableCaptions(f"it has more than {MAX_CHAPTERS} chapters")
    unit = _unit_of([time for _, *times in items for time in times if time is not None], longest)
    titles: dict[int, str] = {}
    for title, start, _ in items:
        titles.setdefault(_milliseconds(start, unit), title)
    begins = [at for at in sorted(titles) if 0 <= at < length]
    if not begins:
        raise UnusableCaptions("its chapters begin before or after their segment")
    # Opencast's editor needs a chapter at 0, but Zoom may begin the first chapter at the first
    # word.
    bounds = [0, *begins[1:], length]
    return [
        Cue(begins=at, ends=end, lines=(_escaped(titles[begin]),))
        for begin, (at, end) in zip(begins, pairwise(bounds), strict=True)
    ]


def joined_chapters(chapters: Mapping[str, Sequence[Cue]], timeline: Timeline) -> list[Cue]:
    """Return the chapters of all segments, with the chapters' times in the joined video.

    `chapters` are the chapters of each segment, by the segment's start at Zoom. A segment without
    chapters gets a chapter titled `UNTITLED`, so that no other segment's chapter covers it. If no
    segment has chapters, the result is empty.
    """
    untitled = {
        stretch.start: (Cue(begins=0, ends=stretch.length, lines=(UNTITLED,)),)
        for stretch in timeline
    }
    return joined({**untitled, **chapters}, timeline) if any(chapters.values()) else []


def _parsed(content: bytes) -> object:
    if len(content) > MAX_BYTES:
        raise too_large()
    depth = deepest = 0
    brackets = re.findall(rb"[][{}]", content)
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if len(brackets) > 2 * MAX_BRACKETS or deepest > DEEPEST:
        raise UnusableCaptions("it has too many objects and lists")
    try:
        return msgspec.json.decode(readable(content.removeprefix(b"\xef\xbb\xbf")))
    except UNREADABLE_JSON as error:
        raise UnusableCaptions("it isn't JSON") from error


def _lists(document: object) -> Iterator[list[object]]:
    """Yield the lists in a document, the outer ones first."""
    for value in _values(document):
        if isinstance(value, list):
            yield value


def _values(document: object) -> Iterator[object]:
    """Yield every value in a document, the outer ones first."""
    level: list[object] = [document]
    while level:
        yield from level
        level = [child for value in level for child in _children(value)]


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


_Item = tuple[str, float, float | None]
"""A chapter's title, start and end, with times as `_time` returns them."""


def _chapters_in(values: list[object]) -> list[_Item]:
    """Return the chapters among the values of a list."""
    found: list[_Item] = []
    for value in values:
        fields = _fields(value)
        title = _title(_first(fields, _TITLES))
        start = _time(_first(fields, _STARTS))
        if title and start is not None:
            found.append((title, start, _time(_first(fields, _ENDS))))
    return found


def _fields(value: object) -> dict[str, object]:
    """Return an object's fields, by their names in lower case without underscores.

    The result is {} if the value isn't an object.
    """
    if not isinstance(value, dict):
        return {}
    return {name.lower().replace("_", ""): field for name, field in value.items()}


def _first(fields: Mapping[str, object], names: Iterable[str]) -> object:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _title(value: object) -> str:
    """Return a value as a title on one line; "" if it isn't a text."""
    if not isinstance(value, str):
        return ""
    kept = (
        " " if unicodedata.category(character) == "Cc" else character
        for character in value[: 10 * LONGEST_TITLE]
    )
    return " ".join("".join(kept).split())[:LONGEST_TITLE].rstrip()


def _escaped(title: str) -> str:
    """Return a title escaped for WebVTT, without `-->` and without markup.

    Opencast's player decodes entities, and may treat the result as HTML, as the player before 20.2
    treats captions (CVE-2026-77615). So similar characters replace angle brackets.
    """
    return title.replace("&", "&amp;").translate(_NO_MARKUP)


def _time(value: object) -> float | None:
    """Return the time that a value states; None if the value is no time.

    The unit is unknown unless the time is a `_Milliseconds`.
    """
    if isinstance(value, str):
        clock = _CLOCK.fullmatch(value.strip())
        if clock:
            hours, minutes, seconds = (float(part or 0) for part in clock.groups())
            return _Milliseconds(1000 * (3600 * hours + 60 * minutes + seconds))
        return float(value) if _NUMBER.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= _LARGEST else None


def _unit_of(times: Iterable[float], latest: int) -> int:
    """Return the factor from a file's times to milliseconds: 1000 for seconds, 1 for milliseconds.

    The times are seconds if the last one, taken as seconds, is at most `TOLERANCE_MS` after
    `latest`, the latest time in milliseconds that the file may contain. As milliseconds, these
    times would end the last chapter in the first moments of the segment.
    """
    last = max((time for time in times if not isinstance(time, _Milliseconds)), default=0.0)
    return 1000 if last * 1000 <= latest + TOLERANCE_MS else 1


def _milliseconds(time: float, unit: int) -> int:
    return round(time if isinstance(time, _Milliseconds) else time * unit)


def _names(document: object) -> list[str]:
    """Return the names of fields in a document, at most `MAX_NAMES`, for the text of an error.

    A name that isn't a program's identifier is left out, because it may be a person's text.
    """
    names = (name for value in _values(document) if isinstance(value, dict) for name in value)
    found = dict.fromkeys(name for name in names if _NAME.fullmatch(name))
    return list(found)[:MAX_NAMES]
