"""Words for states and reasons: the same on the page, in terminals, in Slack and in mails.

The status table has codes (`UPLOADER_FAILED`) and stored reasons, which `/status` returns as well.
"""

from __future__ import annotations

import re

from ingester.pipeline import reasons, retry_policy
from ingester.pipeline.states import State
from ingester.status.row import StatusRow

STATES: dict[State, str] = {
    State.RECORDING_IN_PROGRESS: "Being recorded",
    State.RECORDING_PAUSED: "Recording paused",
    State.RECORDING_STOPPED: "Recording stopped",
    State.RECORDING_PROCESSING: "Zoom is processing",
    State.ON_DEMAND_RECEIVED: "Requested",
    State.WEBHOOK_RECEIVED: "Received",
    State.WEBHOOK_FAILED: "Request failed",
    State.SENT_TO_DOWNLOADER: "Waiting for download",
    State.OC_SERIES_FOUND: "Downloading",
    State.IGNORED: "Ignored",
    State.DOWNLOADER_FAILED: "Download failed",
    State.SENT_TO_UPLOADER: "Waiting for upload",
    State.UPLOADER_RECEIVED: "Uploading",
    State.SENT_TO_OPENCAST: "In Opencast",
    State.UPLOADER_FAILED: "Upload failed",
    State.PUBLISHED: "Published",
    State.OPENCAST_FAILED: "Failed in Opencast",
    State.OPENCAST_DELETED: "Deleted in Opencast",
}
UNKNOWN_STATE = "Unknown"
STUCK = ", stuck"
"""Addition to the words for the state of an ingest that stopped on its way."""

REASONS = {
    reasons.NO_SERIES: "No class in the schedule fits it",
    reasons.ALREADY_THERE: "It is in Opencast already",
    # The stored reason names two minutes, whatever `MINIMUM_DURATION` is.
    reasons.TOO_SHORT: "It is too short",
    reasons.NO_MP4: "Zoom gave us no video of this recording",
    reasons.BAD_DATA: "Zoom's webhook event lacks something",
}
"""Words for stored reasons. These words replace a reason only if the reason, without the text that
`reason_words` leaves out, is a key here."""

_KIND_OF_FAILURE = re.compile(r"^(?:permanent|retryable) failure: ")
_OPERATOR_NEEDED = re.compile(r"[:,;]? ?an operator is needed\.?", re.IGNORECASE)


def state_words(state: State | None) -> str:
    """Return the words for a state."""
    return STATES[state] if state else UNKNOWN_STATE


def series_words(row: StatusRow) -> str:
    """Return a row's series, with the requested series if different; "" without a series."""
    asked = row.asked.oc_series_id
    if not row.oc_series_id or asked in {"", row.oc_series_id}:
        return row.oc_series_id
    return f"{row.oc_series_id}, asked for {asked}"


def state_with_code(state: State | None) -> str:
    """Return the words for a state, and the code in brackets if there is a state.

    Operators search for the code.
    """
    return f"{STATES[state]} ({state})" if state else UNKNOWN_STATE


def reason_words(reason: str, series: str = "") -> str:
    """Return the words for a stored reason, or the reason itself if there are no words for it.

    The kind of a failure and the call for an operator are left out, because the state and the
    advice say the same.

    Args:
        reason: Reason of a row or a step.
        series: Series of the row, which the stored reason doesn't name.
    """
    text = _OPERATOR_NEEDED.sub("", _KIND_OF_FAILURE.sub("", reason)).strip()
    missing = f"Opencast has no series {series}" if series else "Opencast doesn't have its series"
    return REASONS.get(text, text).replace(reasons.INVALID_SERIES, f"{missing}.")


def reason_of(row: StatusRow) -> str:
    """Return the words for a row's reason."""
    return reason_words(row.reason, row.oc_series_id)


def without_next_attempt(row: StatusRow) -> str:
    """Return `reason_with_code` without the time of the next attempt, which is shown elsewhere."""
    return reason_with_code(row).replace(f", {retry_policy.NEXT_TRY} {row.retry_due}", "")


def reason_with_code(row: StatusRow) -> str:
    """Return the words for a row's reason.

    If the reason is a key of `REASONS`, the reason follows in brackets. If the reason is about an
    unknown series, `INVALID_SERIES` follows in brackets.
    """
    words = reason_of(row)
    if reasons.INVALID_SERIES in row.reason:
        return f"{words.rstrip('.')} ({reasons.INVALID_SERIES})"
    return f"{words} ({row.reason})" if row.reason in REASONS else words
