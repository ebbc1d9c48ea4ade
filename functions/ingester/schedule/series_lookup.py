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


def needs_schedule(message: DownloadMessage) -> bool:
    """Return whether the schedule decides on the series.

    The schedule doesn't decide if the message names a series, or says to ignore the schedule.
    """
    named = message.override_series_id or message.on_demand_series_id
    return not (named or message.ignore_schedule)


def destination_of(
    message: DownloadMessage,
    meeting: ScheduledMeeting | None,
    *,
    zone: tzinfo,
    buffer_minutes: int,
    fallback_series_id: str,
) -> Destination:
    """Return the destination of a recording.

    The operator's series comes first, then the series of the request, of the scheduled class, and
    `fallback_series_id`. `meeting` is the meeting's row in the schedule; None if there is no such
    row, or if the schedule doesn't decide. Scheduled classes start at local times of
    `zone`. A recording may start less than `buffer_minutes` before or after its scheduled class.

    Raises:
        ValueError, OverflowError: See `scheduled_destination`.
    """
    if named := message.override_series_id or message.on_demand_series_id:
        return Destination(named)
    return scheduled_destination(
        message.start_time,
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
    """Return the destination of a recording if no series is requested.

    The series is that of the scheduled class, or else the fallback. `start_time` is the recording's
    start. The other arguments are those of `destination_of`.

    Raises:
        ValueError, OverflowError: There is a `meeting`, and `start_time` is malformed, or has no
            local time in Python's calendar.
    """
    if meeting is not None:
        scheduled = schedule.match(meeting, timestamps.parse(start_time), zone, buffer_minutes)
        if scheduled is not None and meeting.series_of(scheduled):
            series, course = meeting.series_of(scheduled), meeting.course_of(scheduled)
            return Destination(series, scheduled.title, course)
    return Destination(fallback_series_id)
