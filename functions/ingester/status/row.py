"""A row of the status table as every decision and every answer reads it: one ingest."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ingester.pipeline.states import State


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of a row's state. `at` is a wire time stamp; `reason` is cut short."""

    state: str
    at: str
    reason: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request asked for beside the recording: "+Zoom", or an operator's."""

    oc_series_id: str = ""
    oc_workflow: str = ""
    allow_multiple_ingests: bool = False
    ingest_all_mp4: bool = False


class StatusRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the status table. `updated` is in UTC; absent texts are "".

    `steps` are its changes of state, from the first to the last; if there were too many, those
    between the first ten and the last thirty are left out, `steps_left_out` of them. Rows of the
    first system have none, and no `course`.
    `asked.oc_series_id` is the series of the request, `oc_series_id` the one that was found.
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
    asked: Asked = Asked()
