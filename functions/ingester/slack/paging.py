"""Group a meeting's status rows by recording, and select a page of recordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ingester import timestamps
from ingester.pipeline.states import ZOOM_SIDE
from ingester.slack.command import Window
from ingester.status.row import StatusRow


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording with its ingests, newest first.

    If there are no ingests, `zoom_side` is the newest row about the recording at Zoom.
    """

    recording_id: str
    topic: str
    start_time: str
    ingests: tuple[StatusRow, ...]
    zoom_side: StatusRow | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Recordings of one message, their window, and the number of older recordings."""

    recordings: tuple[Recording, ...]
    window: Window
    older: int


def group_by_recording(rows: Iterable[StatusRow]) -> tuple[Recording, ...]:
    """Group rows by recording, and sort the recordings, newest first.

    Recordings with the same start are sorted by uuid, so that pages of recordings don't overlap.
    """
    groups: dict[str, list[StatusRow]] = {}
    for row in rows:
        groups.setdefault(row.recording_id, []).append(row)
    recordings = [_recording(uuid, group) for uuid, group in groups.items()]
    return tuple(
        sorted(recordings, key=lambda each: (each.start_time, each.recording_id), reverse=True)
    )


def _recording(uuid: str, rows: Sequence[StatusRow]) -> Recording:
    newest_first = sorted(
        rows,
        key=lambda row: (row.ingest_request_time or timestamps.write(row.updated), row.zip_id),
        reverse=True,
    )
    ingests = tuple(row for row in newest_first if row.state not in ZOOM_SIDE)
    return Recording(
        recording_id=uuid,
        topic=next((row.topic for row in newest_first if row.topic), ""),
        start_time=max(row.start_time for row in rows),
        ingests=ingests,
        zoom_side=None if ingests else newest_first[0],
    )


def page(recordings: Sequence[Recording], window: Window) -> Page:
    """Return the page that shows the recordings in a window.

    `recordings` are all recordings of a meeting, newest first (`group_by_recording`). If the
    window's `newest_start_time` is "", the page's window has the newest recording's start.
    """
    newest = window.newest_start_time or (recordings[0].start_time if recordings else "")
    counted = [recording for recording in recordings if recording.start_time <= newest]
    end = window.start_index + window.count
    shown = tuple(counted[window.start_index : end])
    return Page(
        recordings=shown,
        window=msgspec.structs.replace(window, newest_start_time=newest),
        older=max(0, len(counted) - end),
    )
