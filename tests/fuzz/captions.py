"""Targets: files of captions, and of chapters."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ingester.captions.chapters import LONGEST_TITLE, MAX_CHAPTERS, read_chapters
from ingester.captions.cues import LONGEST_MS, joined, read_cues, to_webvtt
from ingester.errors import UnusableCaptions
from ingester.recording.timeline import Stretch
from tests.fuzz.mutations import Mutator, encoded, filled
from tests.fuzz.target import Target, require

LINES = (
    *("00:00:01.000 --> 00:00:02.500", "00:01.000 --> 00:00.500", "99:59:59.999 --> 100:00:00.000"),
    *("1", "NOTE a remark", "STYLE", "REGION", "<v Ada Lovelace>Good morning</v>", "<i>a</i>"),
    *("<script>alert(1)</script>", "a --> b", "&lt;b&gt;", "WEBVTT", "", "", "00:00:01,000 --> x"),
)
BEGINNING = ("WEBVTT", "", "1", LINES[0], "Good morning", "")
START = "2026-10-14T15:00:00Z"
SEGMENT_MS = 60_000


def make_captions(mutator: Mutator) -> Any:
    lines = [*BEGINNING, *(mutator.one_of(LINES) for _ in range(mutator.random.randrange(12)))]
    changed = [mutator.text(line) if mutator.chance(0.1) else line for line in lines]
    text = mutator.one_of(("\n", "\n", "\r\n", "\r")).join(changed)
    return mutator.raw(text.encode("utf-8", "replace")) if mutator.chance(0.5) else text


def check_captions(given: Any) -> Iterator[str]:
    """Check that cues are in order, of limited duration, in their segment and without markup.

    Cues must not change when they are written and read again.

    Yield the texts that must contain no secret.
    """
    content = given if isinstance(given, bytes) else filled(given).encode("utf-8", "replace")
    try:
        cues = read_cues(content)
    except UnusableCaptions as error:
        yield str(error)
        return
    require(all(a.begins <= b.begins for a, b in pairwise(cues)), "Cues aren't in order")
    require(
        all(0 < cue.ends - cue.begins <= LONGEST_MS for cue in cues), "A cue doesn't end in time"
    )
    timeline = (Stretch(start=START, begins=SEGMENT_MS, length=SEGMENT_MS),)
    moved = joined({START: cues}, timeline)
    require(
        all(SEGMENT_MS <= cue.begins < cue.ends <= 2 * SEGMENT_MS for cue in moved),
        "A cue leaves its segment",
    )
    file = to_webvtt(cues)
    require(read_cues(file) == cues, "Cues don't read back the same")
    text = file.decode()
    require("<" not in text and text.count(">") == len(cues), "Markup is left")
    yield text


CHAPTERS = {
    "result": {
        "recordingSmartChapters": {
            "itemList": [
                {"startTime": 0, "endTime": 12.5, "title": "Waves", "chapter": "…"},
                {"startTime": "00:12.5", "end": 30_000, "title": "<b>Tides</b> --> & more"},
                {"start_time": 45, "name": "Currents\n\n00:01.000 --> 00:02.000"},
            ]
        }
    }
}


def make_chapters(mutator: Mutator) -> Any:
    changed = mutator.value(CHAPTERS, 12)
    return mutator.raw(encoded(changed)) if mutator.chance(0.3) else changed


def check_chapters(given: Any) -> Iterator[str]:
    """Check that chapters cover their segment, aren't too many, and have short titles.

    Each title has to be one line without markup.

    Yield the texts that must contain no secret.
    """
    try:
        chapters = read_chapters(encoded(given), SEGMENT_MS, SEGMENT_MS)
    except UnusableCaptions as error:
        yield str(error)
        return
    require(len(chapters) <= MAX_CHAPTERS, "There are too many chapters")
    bounds = [0, *(chapter.ends for chapter in chapters)]
    require([*(chapter.begins for chapter in chapters), SEGMENT_MS] == bounds, "There is a gap")
    require(bounds == sorted(set(bounds)), "Chapters aren't in order")
    text = to_webvtt(chapters).decode()
    require(len(text.split("\n")) == 2 + 3 * len(chapters), "A title has several lines")
    require("<" not in text and text.count(">") == len(chapters), "Markup is left")
    require(max(map(len, text.split("\n"))) <= 5 * LONGEST_TITLE, "A title is too long")
    yield text


TARGETS = (
    Target("captions", 4, make_captions, check_captions),
    Target("chapters", 4, make_chapters, check_chapters),
)
