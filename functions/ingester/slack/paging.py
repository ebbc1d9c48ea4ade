"""A meeting's status rows as recordings with their ingests, and which of them make a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ingester import timestamps
from ingester.pipeline.states import ZOOM_SIDE
from ingester.slack.command import Window
from ingester.status.row import StatusRow


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording: its ingests, newest first, or `zoom_side`, the row of what Zoom says so far."""

    recording_id: str
    topic: str
    start_time: str
    ingests: tuple[StatusRow, ...]
    zoom_side: StatusRow | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The recordings of a message, the window that they fill, and how many older ones there are."""

    recordings: tuple[Recording, ...]
    window: Window
    older: int


def arrange(rows: Iterable[StatusRow]) -> tuple[Recording, ...]:
    """A meeting's recordings, newest first; two of the same start always in the same order."""
    groups: dict[str, list[StatusRow]] = {}
    for row in rows:
        groups.setdefault(row.recording_id, []).append(row)
    recordings = [_recording(uuid, of_it) for uuid, of_it in groups.items()]
    return tuple(
        sorted(recordings, key=lambda one: (one.start_time, one.recording_id), reverse=True)
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
    """The recordings in a window; its `newest_start_time` is filled in if it is empty."""
    newest = window.newest_start_time or (recordings[0].start_time if recordings else "")
    counted = [one for one in recordings if one.start_time <= newest]
    end = window.start_index + window.count
    shown = tuple(counted[window.start_index : end])
    return Page(
        recordings=shown,
        window=msgspec.structs.replace(window, newest_start_time=newest),
        older=max(0, len(counted) - end),
    )
