"""What is told of an ingest to the page and whoever else asks `/status` for more than its state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from ingester import timestamps
from ingester.recording.files import zoom_page_of
from ingester.status.next_step import needs_a_person, next_step
from ingester.status.row import Asked, StatusRow, Step
from ingester.status.superseding import Sibling
from ingester.status.what_to_do import ToDo, what_to_do


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An ingest, in the names of `invoke recordings --json`; what isn't known is left out.

    `zoom_page` is the address of the recording's page in Zoom. `attention`: a person has to look,
    `settled_by`: one would have, if not for a later ingest of the recording, which has this zip id;
    `waits_for`: if not for another one that is on its way to Opencast.
    `next_step` is what an operator can do, with commands, `what_to_do` what anybody can;
    `request_helps`: a request by the page's form is what that asks for.
    `steps` are its states from the first to the last, and `steps_left_out` how many are missing in
    their midst. `asked` is what a request asked for beside the recording, if it did.
    """

    zip_id: str
    uuid: str = ""
    zoom_page: str = ""
    meeting_id: int = 0
    topic: str = ""
    start_time: str = ""
    origin: str = ""
    state: str = ""
    reason: str = ""
    course: str = ""
    oc_series_id: str = ""
    ingest_request_time: str = ""
    last_updated: str = ""
    retry_due: str = ""
    attention: bool = False
    settled_by: str = ""
    waits_for: str = ""
    next_step: str = ""
    what_to_do: str = ""
    request_helps: bool = False
    steps: Sequence[Step] = ()
    steps_left_out: int = 0
    asked: Asked | None = None


def told(
    row: StatusRow,
    now: datetime,
    *,
    zoom_web: str,
    patience: timedelta,
    sibling: Sibling | None = None,
) -> Told:
    """What is told of a row at `now`. `zoom_web` is the address of Zoom's pages, `patience` how
    long the stack waits for Opencast.

    `sibling` is the ingest that counts instead of the row, if there is one.
    """
    to_do = ToDo(sibling.step) if sibling else what_to_do(row, now, patience)
    return Told(
        zip_id=row.zip_id,
        uuid=row.recording_id,
        zoom_page=zoom_page_of(row.recording_id, zoom_web) if row.recording_id else "",
        meeting_id=row.meeting_id,
        topic=row.topic,
        start_time=row.start_time,
        origin=row.origin,
        state=str(row.state or ""),
        reason=row.reason,
        course=row.course,
        oc_series_id=row.oc_series_id,
        ingest_request_time=row.ingest_request_time,
        last_updated=timestamps.write(row.updated),
        retry_due=row.retry_due,
        attention=needs_a_person(row, now, patience) and sibling is None,
        settled_by=sibling.row.zip_id if sibling and sibling.is_done else "",
        waits_for=sibling.row.zip_id if sibling and not sibling.is_done else "",
        next_step=sibling.step if sibling else next_step(row, now, patience),
        what_to_do=to_do.sentence,
        request_helps=to_do.request_helps,
        steps=row.steps,
        steps_left_out=row.steps_left_out,
        asked=None if row.asked == Asked() else row.asked,
    )
