"""Examples of ingests in every situation, and helpers to make and diagnose status rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ingester import timestamps
from ingester.pipeline import reasons
from ingester.pipeline.states import State
from ingester.status.diagnosis import PATIENCE, Diagnosis, Situation, diagnose
from ingester.status.row import StatusRow

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


def ago(hours: float) -> str:
    """Return the timestamp `hours` hours before `NOW`."""
    return timestamps.write(NOW - timedelta(hours=hours))


def row(state: State | None, reason: str = "", *, hours: float = 0, **more: Any) -> StatusRow:
    """Return a status row that last changed `hours` hours before `NOW`."""
    fields: dict[str, Any] = {
        "zip_id": "auto-ingest-u==",
        "meeting_id": 86168921331,
        "recording_id": "u==",
        "origin": "webhook_notification",
        "files": frozenset({"file"}),
        **more,
    }
    return StatusRow(state=state, reason=reason, updated=NOW - timedelta(hours=hours), **fields)


def diagnosis_of(known: StatusRow, *others: StatusRow) -> Diagnosis:
    """Return the diagnosis of a row at `NOW`, given `others`."""
    return diagnose(known, others, NOW, PATIENCE)


NO_FILES: frozenset[str] = frozenset()
FAILED = row(State.UPLOADER_FAILED, "x", hours=3, ingest_request_time=ago(5))

EXAMPLES: list[tuple[Situation, StatusRow]] = [
    (Situation.UNKNOWN, row(None, hours=900)),
    (Situation.AT_ZOOM, row(State.RECORDING_IN_PROGRESS, hours=900)),
    (Situation.AT_ZOOM, row(State.RECORDING_PROCESSING, hours=23)),
    (Situation.IN_PROGRESS, row(State.SENT_TO_DOWNLOADER)),
    (Situation.IN_PROGRESS, row(State.OC_SERIES_FOUND, hours=0.9)),
    (Situation.IN_PROGRESS, row(State.UPLOADER_RECEIVED, f"asks again at {ago(-1)}", hours=7)),
    (Situation.IN_PROGRESS, row(State.SENT_TO_UPLOADER, hours=7)),
    (Situation.RETRY_SCHEDULED, row(State.DOWNLOADER_FAILED, "x", retry_due=ago(-0.5))),
    (Situation.RETRY_SCHEDULED, row(State.WEBHOOK_FAILED, "x", retry_due=ago(-0.5))),
    (Situation.RETRY_DUE, row(State.DOWNLOADER_FAILED, "x", retry_due=ago(1.9))),
    (Situation.RETRY_DUE, row(State.UPLOADER_FAILED, "x", retry_due=ago(7.9))),
    (Situation.RETRY_LOST, row(State.DOWNLOADER_FAILED, "x", retry_due=ago(2.1))),
    (Situation.RETRY_LOST, row(State.UPLOADER_FAILED, "x", retry_due=ago(8.1))),
    (Situation.IN_OPENCAST, row(State.SENT_TO_OPENCAST, hours=900)),
    (Situation.IN_OPENCAST, row(State.SENT_TO_OPENCAST, files=NO_FILES)),
    (Situation.PUBLISHED, row(State.PUBLISHED, hours=900)),
    (Situation.OPENCAST_FAILED, row(State.OPENCAST_FAILED, "Opencast's workflow failed.")),
    (Situation.OPENCAST_DELETED, row(State.OPENCAST_DELETED, "Its event is gone", hours=900)),
    (Situation.ALREADY_IN_OPENCAST, row(State.IGNORED, reasons.ALREADY_THERE, hours=900)),
    (Situation.IGNORED, row(State.IGNORED, reasons.TOO_SHORT, hours=900)),
    (Situation.IGNORED, row(State.IGNORED, reasons.NO_MP4)),
    (Situation.IGNORED, row(State.IGNORED)),
    (Situation.NO_SCHEDULED_CLASS, row(State.IGNORED, reasons.NO_SERIES)),
    (Situation.REQUEST_FAILED, row(State.WEBHOOK_FAILED, reasons.BAD_DATA)),
    (Situation.REQUEST_FAILED, row(State.WEBHOOK_FAILED, files=NO_FILES)),
    (Situation.DOWNLOAD_FAILED, row(State.DOWNLOADER_FAILED, "permanent failure: x")),
    (Situation.UPLOAD_FAILED, row(State.UPLOADER_FAILED, "Unable to reach Opencast.")),
    (Situation.UPLOAD_FAILED, row(State.UPLOADER_FAILED, "x", retry_due="unreadable")),
    (Situation.UNKNOWN_SERIES, row(State.UPLOADER_FAILED, f"no: {reasons.INVALID_SERIES}")),
    (Situation.STAGED_FILES_LOST, row(State.UPLOADER_FAILED, f"{reasons.FILES_GONE} (k): x")),
    (Situation.STAGED_FILES_LOST, row(State.UPLOADER_FAILED, f"{reasons.FILES_REPLACED} (k)")),
    (Situation.NEVER_QUEUED, row(State.WEBHOOK_RECEIVED, hours=0.1)),
    (Situation.NEVER_QUEUED, row(State.ON_DEMAND_RECEIVED, hours=0.1, files=NO_FILES)),
    (Situation.NEVER_COMPLETED, row(State.RECORDING_PROCESSING, hours=25, files=NO_FILES)),
    (Situation.STUCK, row(State.SENT_TO_DOWNLOADER, hours=2.1)),
    (Situation.STUCK, row(State.SENT_TO_UPLOADER, hours=8.1)),
    (Situation.FAILED_ELSEWHERE, row(State.UPLOADER_FAILED, "x", files=NO_FILES)),
    (Situation.FAILED_ELSEWHERE, row(State.DOWNLOADER_FAILED, "x", files=NO_FILES)),
    (Situation.STUCK_ELSEWHERE, row(State.SENT_TO_UPLOADER, hours=9, files=NO_FILES)),
]
"""Situations that follow from an ingest's own row, each with such a row."""

LATER = row(State.SENT_TO_OPENCAST, hours=1, zip_id="on-demand-1", ingest_request_time=ago(2))
EXAMPLES_WITH_OTHERS: list[tuple[Situation, StatusRow, StatusRow]] = [
    (Situation.SUPERSEDED, FAILED, LATER),
    (
        Situation.NOT_NEEDED,
        row(State.IGNORED, reasons.NO_SERIES, ingest_request_time=ago(1)),
        row(State.SENT_TO_OPENCAST, hours=2, zip_id="on-demand-1", ingest_request_time=ago(3)),
    ),
    (Situation.AWAITS_OTHER, FAILED, row(State.SENT_TO_UPLOADER, zip_id="on-demand-1")),
]
"""Situations that follow from another ingest of the recording, each with both ingests' rows."""
