"""Zoom's webhook events of removed and recovered recordings, in every form.

Source of the forms: github.com/zoom/rivet-javascript, meetings.d.ts.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.functions.webhook.notifications import UUID, Json, status_event

Notify = Callable[..., Json]


def single(event: str) -> Notify:
    """Return a builder of webhook events about one recording, with its meeting's number."""

    def notify(uuid: str = UUID) -> Json:
        return status_event(event, uuid=uuid)

    return notify


def in_bulk_by_uuid(event: str) -> Notify:
    """Return a builder of batch webhook events in the form of `recording.batch_trashed`."""

    def notify(*uuids: str) -> Json:
        about = {"meeting_uuids": list(uuids or (UUID,))}
        return {"event": event, "event_ts": 1_791_990_000_500, "payload": {"object": about}}

    return notify


def in_bulk_by_meeting(event: str) -> Notify:
    """Return a builder of batch webhook events in the form of `recording.batch_deleted`."""

    def notify(*uuids: str) -> Json:
        meetings = [
            {"meeting_uuid": uuid, "recording_file_ids": ["file-1"]} for uuid in uuids or (UUID,)
        ]
        about = {"meetings": meetings}
        return {"event": event, "event_ts": 1_791_990_000_500, "payload": {"object": about}}

    return notify


trashed = single("recording.trashed")
deleted = single("recording.deleted")
recovered = single("recording.recovered")
batch_trashed = in_bulk_by_uuid("recording.batch_trashed")
batch_deleted = in_bulk_by_meeting("recording.batch_deleted")
batch_recovered = in_bulk_by_meeting("recording.batch_recovered")
