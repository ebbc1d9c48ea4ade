"""The states of a status row, and the changes of state that are allowed.

Two sources move a row: Zoom (the meeting is being recorded, paused, …) and the pipeline. Webhook
events may arrive late, twice or out of order. Steps may overtake each other: the uploader may end
before the downloader has written that the upload message was sent. So each state lists which states
it may replace, and a write that isn't allowed is dropped. Within the pipeline's states, a row moves
backwards only when work starts again: after a failure or `IGNORED`, or by an operator's command.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The last step that an ingest, or its meeting, has reached: `pipeline_state` of the row."""

    RECORDING_IN_PROGRESS = "RECORDING_IN_PROGRESS"
    RECORDING_PAUSED = "RECORDING_PAUSED"
    RECORDING_STOPPED = "RECORDING_STOPPED"
    RECORDING_PROCESSING = "RECORDING_PROCESSING"
    ON_DEMAND_RECEIVED = "ON_DEMAND_RECEIVED"
    WEBHOOK_RECEIVED = "WEBHOOK_RECEIVED"
    WEBHOOK_FAILED = "WEBHOOK_FAILED"
    SENT_TO_DOWNLOADER = "SENT_TO_DOWNLOADER"
    OC_SERIES_FOUND = "OC_SERIES_FOUND"
    IGNORED = "IGNORED"
    DOWNLOADER_FAILED = "DOWNLOADER_FAILED"
    SENT_TO_UPLOADER = "SENT_TO_UPLOADER"
    UPLOADER_RECEIVED = "UPLOADER_RECEIVED"
    SENT_TO_OPENCAST = "SENT_TO_OPENCAST"
    UPLOADER_FAILED = "UPLOADER_FAILED"
    PUBLISHED = "PUBLISHED"
    OPENCAST_FAILED = "OPENCAST_FAILED"
    OPENCAST_DELETED = "OPENCAST_DELETED"


class Origin(StrEnum):
    """The party that asked for the ingest."""

    WEBHOOK = "webhook_notification"
    ON_DEMAND = "on_demand"


RUNNING = frozenset({State.RECORDING_IN_PROGRESS, State.RECORDING_PAUSED, State.RECORDING_STOPPED})
ZOOM_SIDE = RUNNING | {State.RECORDING_PROCESSING}
FAILED = frozenset({State.WEBHOOK_FAILED, State.DOWNLOADER_FAILED, State.UPLOADER_FAILED})
FOLLOWED = frozenset({State.PUBLISHED, State.OPENCAST_FAILED, State.OPENCAST_DELETED})
"""States that say what became of an ingest in Opencast. An ingest gets such a state only where
`FOLLOW_INGESTS` is on."""

IN_OPENCAST = FOLLOWED | {State.SENT_TO_OPENCAST}
"""States of an ingest that Opencast has taken, whatever became of it."""

OVER = frozenset({State.SENT_TO_OPENCAST, State.PUBLISHED, State.OPENCAST_DELETED, State.IGNORED})
"""States of an ingest that was ignored, or that Opencast has taken, except `OPENCAST_FAILED`."""

ENDED = FAILED | {State.IGNORED}
DONE = FAILED | OVER | FOLLOWED

_ASKED = ZOOM_SIDE | {State.ON_DEMAND_RECEIVED, State.WEBHOOK_RECEIVED}
_DOWNLOADING = _ASKED | {State.SENT_TO_DOWNLOADER, State.OC_SERIES_FOUND}
_UPLOADING = _DOWNLOADING | {State.SENT_TO_UPLOADER, State.UPLOADER_RECEIVED}

FOLLOWS: dict[State, frozenset[State]] = {
    State.RECORDING_IN_PROGRESS: RUNNING,
    State.RECORDING_PAUSED: RUNNING,
    State.RECORDING_STOPPED: RUNNING,
    State.RECORDING_PROCESSING: RUNNING,
    State.ON_DEMAND_RECEIVED: ZOOM_SIDE | {State.ON_DEMAND_RECEIVED},
    State.WEBHOOK_RECEIVED: _ASKED | {State.WEBHOOK_FAILED},
    State.WEBHOOK_FAILED: _ASKED | {State.WEBHOOK_FAILED},
    # A state that follows the send of a message replaces only earlier states and itself, because
    # the next step may have ended the work already.
    State.SENT_TO_DOWNLOADER: _ASKED | {State.SENT_TO_DOWNLOADER},
    State.SENT_TO_UPLOADER: _DOWNLOADING | {State.SENT_TO_UPLOADER},
    # A state in which work begins also replaces a failure or IGNORED, because a redelivery or an
    # operator may begin the work again.
    State.OC_SERIES_FOUND: _DOWNLOADING | ENDED,
    State.UPLOADER_RECEIVED: _UPLOADING | ENDED,
    # The event stays in Opencast, whatever the work on a second message wrote meanwhile.
    State.SENT_TO_OPENCAST: _UPLOADING | ENDED | {State.SENT_TO_OPENCAST},
    State.DOWNLOADER_FAILED: _DOWNLOADING | ENDED,
    State.UPLOADER_FAILED: _UPLOADING | ENDED,
    State.IGNORED: _UPLOADING | ENDED,
    # The row may lack SENT_TO_OPENCAST, because a failure to write this state is only logged.
    # PUBLISHED may follow OPENCAST_FAILED, because a person can repair a failed event in Opencast.
    State.PUBLISHED: _UPLOADING | ENDED | IN_OPENCAST - {State.OPENCAST_DELETED},
    State.OPENCAST_FAILED: _UPLOADING | ENDED | {State.SENT_TO_OPENCAST, State.OPENCAST_FAILED},
    State.OPENCAST_DELETED: _UPLOADING | ENDED | IN_OPENCAST - {State.PUBLISHED},
}
"""The states that each state may replace. `begins` decides if there is no row yet."""


def begins(state: State) -> bool:
    """Return whether a row may begin in this state.

    No row begins in `RECORDING_PROCESSING`, because a meeting's end doesn't mean that there is a
    recording.
    """
    return state is not State.RECORDING_PROCESSING
