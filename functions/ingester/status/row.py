"""A row of the status table: one ingest."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ingester.pipeline.states import State


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One write of a row's state. `at` is a UTC timestamp, and `reason` is truncated."""

    state: str
    at: str
    reason: str = ""


class RequestOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Options of a request by "+Zoom", the status page or an operator."""

    oc_series_id: str = ""
    oc_workflow: str = ""
    allow_multiple_ingests: bool = False
    ingest_all_mp4: bool = False


class StatusRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the status table. A text that the row lacks is "".

    Attributes:
        oc_series_id: Series that was found for the recording, or the series of the event in
            Opencast once the event's series is known.
        updated: Time of the last write of the state, in UTC.
        files: Ids of the recording's files.
        retry_due: Time of the next automatic attempt, as a UTC timestamp.
        zoom_notice: Zoom's report about the recording, such as a move to the trash.
        failures: Number of consecutive failures to upload.
        steps: Writes of the state, from the first to the last. If there are too many, steps between
            the first ten and the last thirty are missing. A row that `invoke migrate` copied has
            no steps and no course.
        steps_left_out: Number of the missing steps.
        asked: Options of the request. `asked.oc_series_id` is the requested series.
    """

    zip_id: str
    state: State | None
    meeting_id: int = 0
    recording_id: str = ""
    topic: str = ""
    start_time: str = ""
    origin: str = ""
    reason: str = ""
    oc_series_id: str = ""
    ingest_request_time: str = ""
    updated: datetime
    files: frozenset[str] = frozenset()
    retry_due: str = ""
    zoom_notice: str = ""
    failures: int = 0
    course: str = ""
    steps: tuple[Step, ...] = ()
    steps_left_out: int = 0
    asked: RequestOptions = RequestOptions()
