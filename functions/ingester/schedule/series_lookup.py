"""The Opencast series that a recording goes to, and the title of the recording's event."""

from __future__ import annotations

from datetime import tzinfo

import msgspec

from ingester import timestamps
from ingester.pipeline.messages import DownloadMessage
from ingester.schedule import model as schedule
from ingester.schedule.model import ScheduledMeeting

DEFAULT_TITLE = "Lecture"


class Destination(msgspec.Struct, frozen=True):
    """An Opencast series ("" for none), and the title of the recording's event in Opencast.

    `course` is "" unless the series comes from the schedule.
    """

    series_id: str
    title: str = DEFAULT_TITLE
    course: str = ""


def asks_the_schedule(wanted: DownloadMessage) -> bool:
    """Return whether the schedule decides: no series is named, and the schedule isn't ignored."""
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
    """Return the operator's series, else the request's, the scheduled class's or the fallback.

    `meeting` is the schedule's row if the schedule decides and has such a row. Classes start at
    local times of `zone`. A recording may start less than `buffer_minutes` before or after its
    class.
    """
    if named := wanted.override_series_id or wanted.on_demand_series_id:
        return Destination(named)
    return scheduled_destination(
        wanted.start_time,
        meeting,
        zone=zone,
        buffer_minutes=buffer_minutes,
        fallback_series_id=fallback_series_id,
    )


def scheduled_destination(
    start_time: str,
    meeting: ScheduledMeeting | None,
    *,
    zone: tzinfo,
    buffer_minutes: int,
    fallback_series_id: str,
) -> Destination:
    """Return the scheduled class's series or the fallback, for a request without a series.

    `start_time` is the recording's. The other arguments are those of `destination_of`.
    """
    if meeting is not None:
        scheduled = schedule.match(meeting, timestamps.parse(start_time), zone, buffer_minutes)
        if scheduled is not None and meeting.series_of(scheduled):
            series, course = meeting.series_of(scheduled), meeting.course_of(scheduled)
            return Destination(series, scheduled.title, course)
    return Destination(fallback_series_id)
