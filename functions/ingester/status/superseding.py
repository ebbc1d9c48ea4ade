"""What the other ingests of a recording mean for one that got nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from ingester import timestamps
from ingester.pipeline import reasons
from ingester.pipeline.states import OVER, ZOOM_SIDE, State
from ingester.status.next_step import PATIENCE, needs_a_person
from ingester.status.row import StatusRow


class Sibling(msgspec.Struct, frozen=True):
    """Another ingest of the recording: it brought that into Opencast, or is on its way there."""

    row: StatusRow
    is_done: bool

    @property
    def step(self) -> str:
        """What to do about the one that got nowhere: no command that would send it once more."""
        if not self.is_done:
            return "Wait: another request for it is on its way to Opencast."
        series = f", series {self.row.oc_series_id}" if self.row.oc_series_id else ""
        return f"Nothing: a later request brought it into Opencast{series}."


def siblings_among(
    rows: Sequence[StatusRow], now: datetime, patience: timedelta = PATIENCE
) -> dict[str, Sibling]:
    """For the ingests that got nowhere, the one that counts instead, if any: zip id → it."""
    recordings: dict[str, list[StatusRow]] = {}
    for row in rows:
        recordings.setdefault(row.recording_id, []).append(row)
    found = {}
    for row in rows:
        if row.recording_id and got_nowhere(row, now, patience):
            sibling = sibling_of(row, recordings[row.recording_id], now, patience)
            if sibling:
                found[row.zip_id] = sibling
    return found


def got_nowhere(row: StatusRow, now: datetime, patience: timedelta = PATIENCE) -> bool:
    """Whether somebody may have to request the recording: it needs a person, or lacks a series."""
    lacks_series = row.state is State.IGNORED and row.reason == reasons.NO_SERIES
    return lacks_series or needs_a_person(row, now, patience)


def sibling_of(
    row: StatusRow,
    siblings: Iterable[StatusRow],
    now: datetime,
    patience: timedelta = PATIENCE,
) -> Sibling | None:
    """The ingest of the same recording that was asked for, or came into Opencast, after the row;
    if there is none, one that is on its way there.

    An earlier success says nothing of the row: it may have been meant for another series. When the
    row itself changed doesn't count against a later request: its last try may have come very late.
    """
    others = [
        other
        for other in siblings
        if other.zip_id != row.zip_id and other.recording_id == row.recording_id
    ]
    for other in others:
        if _is_in_opencast(other) and _came_after(other, row):
            return Sibling(other, is_done=True)
    for other in others:
        if _is_under_way(other, now, patience):
            return Sibling(other, is_done=False)
    return None


def _is_in_opencast(row: StatusRow) -> bool:
    is_there = row.state is State.IGNORED and row.reason == reasons.ALREADY_THERE
    return is_there or row.state is State.SENT_TO_OPENCAST


def _is_under_way(row: StatusRow, now: datetime, patience: timedelta) -> bool:
    is_asked = row.state is not None and row.state not in ZOOM_SIDE | OVER
    return is_asked and not needs_a_person(row, now, patience)


def _came_after(sibling: StatusRow, row: StatusRow) -> bool:
    if row.ingest_request_time and sibling.ingest_request_time > row.ingest_request_time:
        return True
    # Late files write the state once more: what counts is when the row first came there.
    came = [step.at for step in sibling.steps if step.state == sibling.state]
    return min(came, default=timestamps.write(sibling.updated)) > timestamps.write(row.updated)
