"""The positions of segments in the joined video."""

from __future__ import annotations

from ingester.pipeline.messages import StagedFile
from ingester.recording.timeline import Stretch, timeline_of


def file(number: int, seconds: float) -> StagedFile:
    return StagedFile(
        filename=f"{number}.mp4",
        segment_num=number,
        recording_start=f"2026-10-14T1{number}:00:00Z",
        recording_end=f"2026-10-14T1{number}:50:00Z",
        ffprobe_bytes=1,
        ffprobe_seconds=seconds,
    )


def test_segment_begins_where_the_video_of_the_segment_before_ends() -> None:
    assert timeline_of([file(0, 12.4), file(2, 60), file(3, 0.0004)]) == (
        Stretch(start="2026-10-14T10:00:00Z", begins=0, length=12_400),
        Stretch(start="2026-10-14T12:00:00Z", begins=12_400, length=60_000),
        Stretch(start="2026-10-14T13:00:00Z", begins=72_400, length=0),
    )
