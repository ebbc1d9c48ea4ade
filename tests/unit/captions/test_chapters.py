"""Reading and joining of chapters. Zoom doesn't document the form of its chapter files."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.captions.chapters import (
    LONGEST_TITLE,
    MAX_CHAPTERS,
    UNTITLED,
    joined_chapters,
    read_chapters,
)
from ingester.captions.cues import MAX_BYTES, Cue, to_webvtt
from ingester.errors import UnusableCaptions
from ingester.recording.timeline import Stretch

HOUR = 3_600_000
LONG_CHAPTER = b'{"start":1,"title":"' + b"<" * 200 + b'"}'


def read(document: object, length: int = HOUR, longest: int = 0) -> list[tuple[int, str]]:
    """Return the begin in milliseconds and the title of each chapter of a file.

    Check that the chapters cover the segment of `length` milliseconds without gaps.
    """
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    cues = read_chapters(content, length, max(length, longest))
    assert cues[0].begins == 0
    assert cues[-1].ends == length
    assert all(a.begins < a.ends == b.begins for a, b in pairwise(cues))
    return [(cue.begins, " ".join(cue.lines)) for cue in cues]


def items(*starts: object) -> list[dict[str, object]]:
    return [{"startTime": start, "title": f"t{number}"} for number, start in enumerate(starts)]


def player(*chapters: tuple[float, float, str]) -> dict[str, Any]:
    """Return chapters (begin, end, title) in the form that Zoom's web player gets.

    Begin and end are in seconds or in milliseconds.
    """
    found = [
        {"startTime": begin, "endTime": end, "title": title, "chapter": "What was said"}
        for begin, end, title in chapters
    ]
    return {"status": True, "result": {"recordingSmartChapters": {"itemList": found}}}


class TestForm:
    def test_chapters_are_read_from_the_form_that_the_zoom_web_player_gets(self) -> None:
        document = player((0, 38.214, "Pro & Cons"), (38.214, 3500, "Questions"))
        assert read(document) == [(0, "Pro &amp; Cons"), (38_214, "Questions")]

    @pytest.mark.parametrize("start", ["startTime", "start_time", "start", "StartTime"])
    @pytest.mark.parametrize("title", ["title", "name", "Title"])
    def test_chapters_are_read_when_their_fields_have_alternative_names(
        self, start: str, title: str
    ) -> None:
        document = {"chapters": [{start: 0, title: "a"}, {start: 60, title: "b"}]}
        assert read(document) == [(0, "a"), (60_000, "b")]

    def test_chapters_are_read_when_the_whole_document_is_a_list(self) -> None:
        assert read(items(0, 60)) == [(0, "t0"), (60_000, "t1")]

    def test_chapters_come_from_the_outer_list_when_its_items_contain_lists(self) -> None:
        outer = [{"start": 0, "title": "a", "parts": items(0, 10)}, {"start": 60, "title": "b"}]
        assert read({"meta": {}, "list": outer}) == [(0, "a"), (60_000, "b")]

    def test_chapter_is_left_out_when_its_title_or_start_is_missing_or_invalid(self) -> None:
        odd: list[Any] = [None, 7, {"title": "x"}, {"start": 9}, {"start": True, "title": "x"}]
        titles: list[Any] = [None, 7, "", " \t\n", []]
        starts: list[Any] = ["soon", "1:2:3:4", [], 10**400]
        odd += [{"start": 9, "title": title} for title in titles]
        odd += [{"start": start, "title": "x"} for start in starts]
        assert read([*odd, *items(0, 60)]) == [(0, "t0"), (60_000, "t1")]

    def test_chapters_are_read_when_the_file_has_a_byte_order_mark_and_half_an_emoji(self) -> None:
        content = b'\xef\xbb\xbf[{"start": 0, "title": "a\\ud83d"}]'
        assert read(content) == [(0, "a\N{REPLACEMENT CHARACTER}")]


class TestTimes:
    @pytest.mark.parametrize(
        "starts",
        [
            (0, 90.5, 3000),
            (0, 90_500, 3_000_000),
            ("0", "90.5", "3000"),
            ("00:00", "01:30.500", "50:00"),
            ("00:00:00.000", "00:01:30.500", "00:50:00.000"),
        ],
    )
    def test_chapter_starts_are_read_as_seconds_milliseconds_or_clock_times(
        self, starts: tuple[object]
    ) -> None:
        assert [at for at, _ in read(items(*starts))] == [0, 90_500, 3_000_000]

    def test_ends_of_chapters_decide_whether_times_are_milliseconds_or_seconds(self) -> None:
        assert read(player((0, 20_000, "a"), (20_000, HOUR, "b"))) == [(0, "a"), (20_000, "b")]
        assert read(player((0, 20_000, "a")), length=30_000) == [(0, "a")]

    def test_chapter_starts_are_read_as_seconds_when_a_pause_puts_a_start_beyond_the_video(
        self,
    ) -> None:
        paused = items(0, 600, 5000)
        assert [at for at, _ in read(paused, longest=2 * HOUR)] == [0, 600_000]

    def test_chapters_are_sorted_by_time(self) -> None:
        assert read(items(600, 0, 60)) == [(0, "t1"), (60_000, "t2"), (600_000, "t0")]

    def test_first_chapter_begins_at_zero_when_its_start_is_later(self) -> None:
        assert read(items(4.2, 60)) == [(0, "t0"), (60_000, "t1")]

    def test_first_of_two_chapters_is_kept_when_both_begin_at_the_same_time(self) -> None:
        assert read(items(0, 60, 60)) == [(0, "t0"), (60_000, "t1")]

    def test_chapters_are_left_out_when_they_begin_outside_their_segment(self) -> None:
        assert read(items(-5, 0, 3600)) == [(0, "t1")]


class TestTitles:
    @pytest.mark.parametrize(
        ("title", "shown"),
        [
            ("a\nb\r\n\x00\x1b[1m\x85c\u2028d", "a b [1m c d"),
            ("<script>alert(1)</script>", "\u2039script\u203aalert(1)\u2039/script\u203a"),
            ("00:01.000 --> 00:02.000", "00:01.000 --\u203a 00:02.000"),
            ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
            ("x" * 5000, "x" * LONGEST_TITLE),
        ],
    )
    def test_chapter_title_becomes_one_line_of_escaped_text(self, title: str, shown: str) -> None:
        assert read([{"start": 0, "title": title}]) == [(0, shown)]

    def test_chapter_title_adds_no_cue_to_the_file_when_the_title_looks_like_a_cue(self) -> None:
        hostile = [{"start": 0, "title": "a\n\n00:01.000 --> 00:02.000\nb"}, *items(9)]
        file = to_webvtt(read_chapters(json.dumps(hostile).encode(), HOUR, HOUR)).decode()
        assert [line.count("-->") for line in file.splitlines()] == [0, 0, 1, 0, 0, 1, 0]


class TestRefusing:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "it isn't JSON"),
            (b"<!DOCTYPE html><html>", "it isn't JSON"),
            (b"\xff", "it isn't JSON"),
            (b'[{"title": "a", "start": 1e999}]', "it isn't JSON"),
            (b" " * MAX_BYTES + b"[]", "it has more than 2 MB"),
            (b"[" * 100 + b"]" * 100, "it has too many objects and lists"),
            (b"[" * 2_000_000, "it has too many objects and lists"),
            (b"[" + b"{}," * 30_000 + b"{}]", "it has too many objects and lists"),
            (b"[]", "no list in it has objects with a title and a start; .* are: none"),
            (b'[{"start": 90000000, "title": "a"}]', "begin before or after their segment"),
        ],
    )
    def test_unusable_chapter_file_is_refused_with_the_reason(
        self, content: bytes, reason: str
    ) -> None:
        with pytest.raises(UnusableCaptions, match=reason):
            read_chapters(content, HOUR, HOUR)

    def test_chapter_file_is_refused_when_it_has_too_many_chapters(self) -> None:
        assert len(read(items(*range(MAX_CHAPTERS)))) == MAX_CHAPTERS
        with pytest.raises(UnusableCaptions, match="more than 500 chapters"):
            read(items(*range(MAX_CHAPTERS + 1)))

    def test_refusal_of_a_chapter_file_names_only_plain_field_names_and_no_values(self) -> None:
        document = {"data": {"sections": [{"headline": "Secret", "at": 5, "Ada's <plan>": 1}]}}
        with pytest.raises(UnusableCaptions) as refused:
            read(document)
        assert str(refused.value).endswith("its fields are: data, sections, headline, at")

    def test_refusal_of_a_chapter_file_names_at_most_twenty_fields(self) -> None:
        with pytest.raises(UnusableCaptions) as refused:
            read({f"field{number}": 1 for number in range(1000)})
        assert str(refused.value).count("field") == 21

    @pytest.mark.parametrize(
        "content_of",
        [
            lambda size: b"[" + b",".join([LONG_CHAPTER] * (size // 250)) + b"]",
            lambda size: b'"' + b"[" * (size - 2) + b'"',
            lambda size: b'{"a":' * (size // 5),
            lambda size: b"1" * size,
        ],
        ids=["many chapters", "brackets in a text", "deep objects", "a huge number"],
    )
    def test_refusal_of_a_chapter_file_does_not_take_quadratic_time(
        self, content_of: Callable[[int], bytes]
    ) -> None:
        def seconds(size: int) -> float:
            content = content_of(size)
            began = time.process_time()
            with pytest.raises(UnusableCaptions, match=r"more than 500|too many|isn't JSON"):
                read_chapters(content, HOUR, HOUR)
            return time.process_time() - began

        # A file of eight times the size would take 64 times as long in quadratic time.
        assert seconds(MAX_BYTES) < 32 * min(seconds(MAX_BYTES // 8) for _ in range(3))


class TestJoining:
    TIMELINE = (
        Stretch(start="first", begins=0, length=10_000),
        Stretch(start="second", begins=10_000, length=5_000),
    )

    def joined(self, **documents: object) -> list[tuple[int, int, str]]:
        lengths = {stretch.start: stretch.length for stretch in self.TIMELINE}
        cues = {
            start: read_chapters(json.dumps(document).encode(), lengths[start], lengths[start])
            for start, document in documents.items()
        }
        return [(cue.begins, cue.ends, *cue.lines) for cue in joined_chapters(cues, self.TIMELINE)]  # type: ignore[misc]

    def test_joined_chapters_lie_where_their_segment_lies_in_the_video(self) -> None:
        assert self.joined(first=items(0, 4), second=items(1, 2)) == [
            (0, 4000, "t0"),
            (4000, 10_000, "t1"),
            (10_000, 12_000, "t0"),
            (12_000, 15_000, "t1"),
        ]

    def test_segment_without_chapters_is_covered_by_an_untitled_chapter(self) -> None:
        assert self.joined(second=items(0)) == [(0, 10_000, UNTITLED), (10_000, 15_000, "t0")]
        assert self.joined(first=items(0)) == [(0, 10_000, "t0"), (10_000, 15_000, UNTITLED)]

    def test_joined_chapters_are_empty_when_no_segment_has_chapters(self) -> None:
        assert self.joined() == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("startTime", "start", "end", "title", "name")) | st.text(), inner
        )
    ),
    max_leaves=30,
)
TIMES = st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.just("00:01.5")
ITEMS = st.lists(st.fixed_dictionaries({"start": TIMES, "title": st.text()}), max_size=20)


@given(VALUES | ITEMS, st.integers(1, 10**8))
def test_chapter_file_covers_its_segment_or_is_refused_whatever_its_json(
    document: object, length: int
) -> None:
    content = json.dumps(document).encode()
    try:
        cues = read_chapters(content, length, length)
    except UnusableCaptions:
        return
    assert [cues[0].begins, *(cue.ends for cue in cues)] == [
        *(cue.begins for cue in cues),
        length,
    ]
    assert all(cue.begins < cue.ends for cue in cues)
    titles = [html.unescape(line) for cue in cues for line in cue.lines]
    assert len(titles) == len(cues)
    assert all(0 < len(title) <= LONGEST_TITLE for title in titles)
    lines = to_webvtt(cues).decode().split("\n")
    assert sum("-->" in line for line in lines) == len(cues)
    assert len(lines) == 2 + 3 * len(cues)


@given(st.binary(max_size=200))
def test_chapter_file_is_read_or_refused_whatever_its_bytes(content: bytes) -> None:
    with suppress(UnusableCaptions):
        assert all(isinstance(cue, Cue) for cue in read_chapters(content, 1000, 1000))
