"""Cues of WebVTT files: reading, repairing, joining and writing."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.captions.cues import (
    DEFAULT_MS,
    LONGEST_MS,
    MAX_BYTES,
    MAX_CUES,
    MAX_LINES,
    MAX_TEXT,
    Cue,
    joined,
    read_cues,
    to_webvtt,
)
from ingester.errors import UnusableCaptions
from ingester.recording.timeline import Stretch

ZOOMS = "WEBVTT\r\n\r\n1\r\n00:00:01.000 --> 00:00:04.500\r\nAda Lovelace: Good morning\r\n"


def one_cue(text: str) -> bytes:
    """Return a WebVTT file with one cue, whose text is `text`."""
    return f"WEBVTT\n\n00:01.000 --> 00:02.000\n{text}\n".encode()


def cues_of(*cues: tuple[str, str, str]) -> list[tuple[int, int, str]]:
    """Return (begin, end, text) of each cue that is read from a file of `cues`.

    Begin and end are in milliseconds.
    """
    blocks = [f"{begins} --> {ends}\n{text}\n" for begins, ends, text in cues]
    content = "\n".join(("WEBVTT\n", *blocks)).encode()
    return [(cue.begins, cue.ends, "\n".join(cue.lines)) for cue in read_cues(content)]


class TestReading:
    def test_transcript_of_zoom_is_read(self) -> None:
        assert read_cues(ZOOMS.encode()) == [
            Cue(begins=1000, ends=4500, lines=("Ada Lovelace: Good morning",))
        ]

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("<img src=x onerror=alert(1)>: hi", "&lt;img src=x onerror=alert(1)&gt;: hi"),
            ("<v Ada Lovelace>Good morning</v>", "Ada Lovelace: Good morning"),
            ("<v Ada onmouseover=alert(1)>hi</v>", "Ada onmouseover=alert(1): hi"),
            ("<v <b>x</b>>hi", "&lt;v &lt;b&gt;x&lt;/b&gt;&gt;hi"),
            ("if a < b && b > c", "if a &lt; b && b &gt; c"),
        ],
    )
    def test_markup_in_captions_is_escaped_or_becomes_text(self, text: str, shown: str) -> None:
        # Opencast's player before 20.2 interprets captions as HTML (CVE-2026-77615).
        ((*_, read),) = cues_of(("00:01.000", "00:02.000", text))
        assert read == shown

    def test_caption_line_is_left_out_when_it_is_only_markup(self) -> None:
        ((*_, read),) = cues_of(("00:01.000", "00:02.000", "<v Ada>Good\n</v>\nmorning"))
        assert read == "Ada: Good\nmorning"

    def test_caption_file_is_refused_when_it_has_too_many_cues(self) -> None:
        content = b"WEBVTT\n\n" + b"00:01.000 --> 00:02.000\nx\n\n" * (MAX_CUES + 1)
        with pytest.raises(UnusableCaptions, match="more than 20,000 captions"):
            read_cues(content)

    def test_byte_order_mark_is_skipped_when_captions_are_read(self) -> None:
        assert read_cues(b"\xef\xbb\xbf" + ZOOMS.encode()) == read_cues(ZOOMS.encode())

    def test_captions_are_read_whatever_their_line_endings(self) -> None:
        texts = [ZOOMS.replace("\r\n", end) for end in ("\n", "\r", "\r\n")]
        assert len({to_webvtt(read_cues(text.encode())) for text in texts}) == 1

    def test_captions_get_replacement_characters_when_their_text_is_not_utf_8(self) -> None:
        (cue,) = read_cues(ZOOMS.encode().replace(b"Ada", b"\xff\0da"))
        assert cue.lines == ("��da Lovelace: Good morning",)

    def test_block_of_a_caption_file_is_left_out_when_it_is_not_a_cue(self) -> None:
        odd = f"{ZOOMS}\nNOTE private\n\nSTYLE\n::cue {{}}\n\n00:99 -> 7\nbroken\n"
        assert read_cues(odd.encode()) == read_cues(ZOOMS.encode())

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"<!DOCTYPE html><html>", "it isn't WebVTT"),
            (b"", "it isn't WebVTT"),
            ("WEBVTT".encode("utf-16"), "it isn't WebVTT"),
            (b"WEBVTT\n", "it has no captions"),
            (b"WEBVTT\n\n00:01.000 --> 00:02.000\n \n", "it has no captions"),
            (b"WEBVTT\n\n" + b"x" * MAX_BYTES, "it has more than 2 MB"),
            (b"WEBVTT\n\n" + b"\n" * MAX_LINES, "it has more than 200,000 lines"),
            (one_cue("<" * (MAX_TEXT // 4)), "the captions of the recording have too much text"),
        ],
    )
    def test_unusable_caption_file_is_refused_with_the_reason(
        self, content: bytes, reason: str
    ) -> None:
        with pytest.raises(UnusableCaptions, match=reason):
            read_cues(content)

    @pytest.mark.parametrize("text", ["\U0001f600" + "<" * 740_000, "\U0001f600" + "a" * 1_990_000])
    def test_reading_and_writing_captions_takes_less_than_100_mb_when_a_character_takes_four_bytes(
        self, text: str
    ) -> None:
        # Because of one emoji, Python stores every character of the text in four bytes.
        content = one_cue(text)
        tracemalloc.start()
        try:
            to_webvtt(read_cues(content))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 100_000_000

    def test_reading_of_captions_does_not_take_quadratic_time(self) -> None:
        def seconds(count: int) -> float:
            blocks = "".join(
                f"\n{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}.000 --> 99:00:00.000\n<<<<<<<<\n"
                for n in range(count)
            )
            began = time.process_time()
            read_cues(f"WEBVTT\n{blocks}".encode())
            return time.process_time() - began

        # Eight times as many cues would take 64 times as long in quadratic time.
        assert seconds(8000) < 32 * min(seconds(1000) for _ in range(3))

    @pytest.mark.parametrize(
        ("piece", "most"), [("<", 700_000), ("1", 1_900_000), (" ", 1_900_000), ("-->", 19_000)]
    )
    def test_reading_of_captions_with_one_huge_line_does_not_take_quadratic_time(
        self, piece: str, most: int
    ) -> None:
        def seconds(count: int) -> float:
            line = piece * count + "x"
            content = f"{ZOOMS}\n00:00:05.000 --> 00:00:06.000\n{line}\n".encode()
            began = time.process_time()
            assert read_cues(content)
            return time.process_time() - began

        # A line of eight times the length would take 64 times as long in quadratic time.
        assert seconds(most) < 32 * min(seconds(most // 8) for _ in range(3))


class TestRepairing:
    def test_cues_are_sorted_by_time(self) -> None:
        cues = cues_of(("00:05.000", "00:06.000", "later"), ("00:01.000", "00:02.000", "sooner"))
        assert [text for _, _, text in cues] == ["sooner", "later"]

    def test_overlapping_cue_ends_when_the_next_cue_begins(self) -> None:
        cues = cues_of(("00:01.000", "00:09.000", "a"), ("00:03.000", "00:05.000", "b"))
        assert cues == [(1000, 3000, "a"), (3000, 5000, "b")]

    def test_two_cues_that_begin_together_are_both_kept(self) -> None:
        cues = cues_of(
            ("00:01.000", "00:09.000", "a"),
            ("00:01.000", "00:02.000", "b"),
            ("00:04.000", "00:05.000", "c"),
        )
        assert cues == [(1000, 4000, "a"), (1000, 2000, "b"), (4000, 5000, "c")]

    def test_cue_gets_the_default_duration_when_it_does_not_end_after_it_begins(self) -> None:
        cues = cues_of(("00:07.000", "00:02.000", "a"), ("00:20.000", "00:20.000", "b"))
        assert cues == [(7000, 7000 + DEFAULT_MS, "a"), (20000, 20000 + DEFAULT_MS, "b")]

    def test_cue_is_cut_to_a_minute_when_its_duration_is_longer(self) -> None:
        assert cues_of(("00:01.000", "99:59:59.999", "a")) == [(1000, 1000 + LONGEST_MS, "a")]

    @given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1))
    def test_cues_end_after_they_begin_whatever_the_times_in_the_file(
        self, times: list[tuple[int, int]]
    ) -> None:
        cues = [Cue(begins=begins, ends=ends, lines=("a",)) for begins, ends in times]
        repaired = read_cues(to_webvtt(cues))
        assert len(repaired) == len(times)
        assert [cue.begins for cue in repaired] == sorted(begins for begins, _ in times)
        assert all(0 < cue.ends - cue.begins <= LONGEST_MS for cue in repaired)
        assert read_cues(to_webvtt(repaired)) == repaired


class TestJoining:
    TIMELINE = (
        Stretch(start="first", begins=0, length=10_000),
        Stretch(start="second", begins=10_000, length=5_000),
    )

    def test_joined_cues_lie_where_their_segment_lies_in_the_video(self) -> None:
        cue = Cue(begins=1000, ends=2000, lines=("a",))
        cues = joined({"second": [cue], "first": [cue]}, self.TIMELINE)
        assert [(cue.begins, cue.ends) for cue in cues] == [(1000, 2000), (11_000, 12_000)]

    def test_joined_cue_ends_with_its_segment_at_the_latest(self) -> None:
        late = Cue(begins=9_000, ends=14_000, lines=("a",))
        after = Cue(begins=10_000, ends=11_000, lines=("b",))
        assert joined({"first": [late, after]}, self.TIMELINE) == [
            Cue(begins=9_000, ends=10_000, lines=("a",))
        ]

    def test_cues_are_not_joined_when_their_segment_is_not_in_the_video(self) -> None:
        cue = Cue(begins=1000, ends=2000, lines=("a",))
        assert joined({"false start": [cue]}, self.TIMELINE) == []


def test_captions_are_written_as_webvtt() -> None:
    cues = [
        Cue(begins=1500, ends=2000, lines=("Ada: <b>a</b>", "b")),
        Cue(begins=3_661_001, ends=3_662_000, lines=("c",)),
    ]
    assert to_webvtt(cues).decode() == (
        "WEBVTT\n\n00:00:01.500 --> 00:00:02.000\nAda: <b>a</b>\nb\n\n"
        "01:01:01.001 --> 01:01:02.000\nc\n"
    )
