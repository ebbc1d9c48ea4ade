"""One ingest, not two: what a message may still do once the row's marker says that it was sent."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from ingester.rules import mediapackage, timestamps
from ingester.rules.messages import UploadMessage
from ingester.rules.states import State
from ingester.rules.status_row import IngestMarker

ADD_THEM = "Add them in Opencast; or a second event: \
`invoke exec.on-demand UUID --allow-multiple-ingests`."
CHANGE_IT = "Look which series is right, and change it in Opencast if need be."
SEND_IT = "If it is wanted there: `invoke exec.pipeline UUID`."

_NUMBER = re.compile(r"^\d+/\d+/\d+-")
"""What a key has before its view: meeting, start, segment (`rules.recording.staging_key`)."""


class Verdict(StrEnum):
    """What the event's absence means."""

    COMING = "coming"
    DELETED = "deleted"
    LOST = "lost"


def of_absent(
    marker: IngestMarker, state: State | None, now: datetime, patience: timedelta
) -> Verdict:
    """What it means that Opencast doesn't show the marker's event, given the row's state.

    Only of a doubtful ingest it means that it got lost: a row in `SENT_TO_OPENCAST` knows that it
    arrived. A request by `exec.pipeline` takes the row out of that state. What was seen there
    isn't waited for; an answer alone wouldn't do, since Opencast's index may lag behind it.
    """
    if is_young(marker, now, patience) and not marker.seen:
        return Verdict.COMING
    return Verdict.DELETED if state is State.SENT_TO_OPENCAST else Verdict.LOST


def is_young(marker: IngestMarker, now: datetime, patience: timedelta) -> bool:
    """Whether Opencast may still be fetching the files, and show no event for that."""
    return now - timestamps.parse(marker.time) < patience


def deleted(marker: IngestMarker) -> str:
    """The reason of an ingest whose event is gone."""
    return (
        f"The ingest of {marker.time} isn't in Opencast any more: was it deleted there? It isn't "
        "sent again by itself; `exec.pipeline` sends it."
    )


class Difference(msgspec.Struct, frozen=True):
    """What a message wanted otherwise than its recording was ingested, and what to do about it."""

    reason: str
    advice: str


def differences(message: UploadMessage, marker: IngestMarker) -> list[Difference]:
    """How the ingest that is there differs from the message's."""
    found = [
        Difference(_stayed_outside(message, marker), ADD_THEM),
        Difference(_other_series(message, marker), CHANGE_IT),
    ]
    return [one for one in found if one.reason]


def _other_series(message: UploadMessage, marker: IngestMarker) -> str:
    """The reason of an ingest into a series that isn't the message's; "" if it is."""
    if marker.series in ("", message.opencast_series_id):
        return ""
    return (
        f"It was ingested into series {marker.series}, before it was asked for in "
        f"{message.opencast_series_id}: in Opencast its series can be changed."
    )


def _stayed_outside(message: UploadMessage, marker: IngestMarker) -> str:
    inside = {_of_view(file) for file in marker.files}
    files = mediapackage.ingested_files(message)
    outside = [file for file in files if _of_view(file) not in inside]
    if not outside:
        return ""
    return (
        f"{len(outside)} file(s) came after the ingest and stayed outside of it: "
        f"{', '.join(outside)}. Add them in Opencast, or ingest the recording again."
    )


def _of_view(file: str) -> str:
    """A marker's file by view and start: a segment has another number, and key, in each message
    that brings it with others.
    """
    return _NUMBER.sub("", file, count=1)
