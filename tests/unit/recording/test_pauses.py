"""Unit tests of `zoomRecordingTimes`: times of segments combined with recording events."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester import timestamps
from ingester.recording.pauses import RecordingEvent, recording_times

BASE = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
KINDS = ["started", "resumed", "paused", "stopped"]


def at(minute: int) -> str:
    return timestamps.write(datetime.fromtimestamp(BASE.timestamp() + 60 * minute, UTC))


def event(kind: str, minute: int) -> RecordingEvent:
    return RecordingEvent(f"recording.{kind}", int(BASE.timestamp()) + 60 * minute)


def minutes(text: str) -> list[tuple[int, int]]:
    """Return (start, stop) of each interval of `zoomRecordingTimes`, in minutes since `BASE`."""

    def minute(stamp: str) -> int:
        return int((timestamps.parse(stamp) - BASE).total_seconds() // 60)

    pairs = [interval.split("_") for interval in text.split(",")] if text else []
    return [(minute(start), minute(stop)) for start, stop in pairs]


def intervals(segments: list[tuple[int, int]], *events: tuple[str, int]) -> list[tuple[int, int]]:
    return minutes(
        recording_times(
            [(at(start), at(stop)) for start, stop in segments],
            [event(kind, minute) for kind, minute in events],
        )
    )


def test_recording_times_are_pairs_of_timestamps() -> None:
    assert recording_times([(at(0), at(1)), (at(2), at(3))]) == (
        "2026-11-23T15:00:00Z_2026-11-23T15:01:00Z,2026-11-23T15:02:00Z_2026-11-23T15:03:00Z"
    )


@pytest.mark.parametrize(
    ("segments", "events", "expected"),
    [
        ([], [("started", 0), ("stopped", 9)], []),
        ([(0, 10)], [], [(0, 10)]),
        ([(20, 30), (0, 10)], [], [(0, 10), (20, 30)]),
        ([(0, 10)], [("paused", 3), ("resumed", 5)], [(0, 3), (5, 10)]),
        ([(0, 10)], [("resumed", 5), ("paused", 3)], [(0, 3), (5, 10)]),
        ([(0, 10)], [("started", 0), ("stopped", 10)], [(0, 10)]),
        ([(5, 10)], [("started", 0), ("stopped", 2)], [(5, 10)]),
        ([(0, 10)], [("started", 12)], [(0, 10)]),
        ([(0, 10)], [("paused", 3), ("paused", 4), ("resumed", 5)], [(0, 3), (5, 10)]),
        ([(0, 10), (10, 20)], [], [(0, 10), (10, 20)]),
        ([(0, 10)], [("paused", 10), ("resumed", 10)], [(0, 10)]),
        ([(0, 10)], [("renamed", 5)], [(0, 10)]),
    ],
)
def test_recording_times_combine_segments_with_recording_events(
    segments: list[tuple[int, int]],
    events: list[tuple[str, int]],
    expected: list[tuple[int, int]],
) -> None:
    assert intervals(segments, *events) == expected


segment_lists = st.lists(
    st.tuples(st.integers(0, 100), st.integers(1, 30)).map(lambda pair: (pair[0], sum(pair))),
    min_size=1,
    max_size=4,
)
event_lists = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(-10, 150)), max_size=8)


@given(segment_lists, event_lists)
def test_recording_times_begin_with_the_first_segment_and_are_in_order_without_overlap(
    segments: list[tuple[int, int]], events: list[tuple[str, int]]
) -> None:
    result = intervals(segments, *events)
    assert result
    assert all(start <= stop for start, stop in result)
    assert all(former[1] <= latter[0] for former, latter in pairwise(result))
    first = min(start for start, _ in segments)
    assert result[0][0] == first
    assert result[-1][1] <= max([stop for _, stop in segments] + [minute for _, minute in events])
