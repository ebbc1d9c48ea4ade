"""Which Opencast series a recording goes to, and as what."""

from __future__ import annotations

from datetime import tzinfo

import msgspec

from ingester import timestamps
from ingester.pipeline.messages import DownloadMessage
from ingester.schedule import model as schedule
from ingester.schedule.model import ScheduledMeeting

DEFAULT_TITLE = "Lecture"


class Destination(msgspec.Struct, frozen=True):
    """An Opencast series ("" for none) and the event's title there.

    The course is known if the schedule gave the series.
    """

    series_id: str
    title: str = DEFAULT_TITLE
    course: str = ""


def asks_the_schedule(wanted: DownloadMessage) -> bool:
    """Whether the schedule decides: nobody named a series, and nobody said to ignore it."""
    named = wanted.override_series_id or wanted.on_demand_series_id
    return not (named or wanted.ignore_schedule)


def destination_of(
    wanted: DownloadMessage,
    meeting: ScheduledMeeting | None,
    *,
    zone: tzinfo,
    buffer_minutes: int,
    fallback_series_id: str,
) -> Destination:
    """An operator's series, else the request's, else the class's, else the fallback.

    `meeting` is the schedule's row, if the schedule decides and has one. Its classes take place at
    local times of `zone`; a recording may begin `buffer_minutes` off.
    """
    if named := wanted.override_series_id or wanted.on_demand_series_id:
        return Destination(named)
    if meeting is not None:
        start = timestamps.parse(wanted.start_time)
        event = schedule.match(meeting, start, zone, buffer_minutes)
        if event is not None and meeting.series_of(event):
            return Destination(meeting.series_of(event), event.title, meeting.course_of(event))
    return Destination(fallback_series_id)
