"""The position of each segment of a recording in the video that Opencast publishes.

Opencast's workflow joins the segments of a view in their order, without the pauses between them. So
the position of a segment is the sum of the lengths of the segments before it. A segment's length is
that of its video file, not the time between Zoom's timestamps. That time is in whole seconds, and
may contain pauses.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ingester.pipeline.messages import StagedFile


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A segment's place in the joined video: `begins` and `length`, both in milliseconds.

    `start` is the segment's start at Zoom, which all files of the segment have in common.
    """

    start: str
    begins: int
    length: int


Timeline = tuple[Stretch, ...]


def timeline_of(files: Sequence[StagedFile]) -> Timeline:
    """Return the timeline of the files of one view, which are in the order of their segments."""
    stretches: list[Stretch] = []
    begins = 0
    for file in files:
        length = round(file.ffprobe_seconds * 1000)
        stretches.append(Stretch(start=file.recording_start, begins=begins, length=length))
        begins += length
    return tuple(stretches)
