"""Texts of `/zip` for lecturers, and the functions that format them.

`status/words.py` has the words for states and reasons.
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from ingester import timestamps
from ingester.pipeline.states import Origin, State
from ingester.schedule.model import DAYS, ScheduledClass, ScheduledMeeting
from ingester.status.advice import phrases
from ingester.status.diagnosis import Diagnosis
from ingester.status.row import StatusRow
from ingester.status.words import reason_of, series_words, state_words

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

HELP = """\
`/zip 123 456 7890` shows where the recordings of a Zoom meeting are on their way to Opencast. \
Spaces and dashes in the number don't matter. A link to join the meeting works, too.

You get the classes that the schedule has for the meeting, and its recordings of the last seven \
days, newest first: whether Zoom is still recording, what was sent to Opencast, what wasn't and \
why. A button shows older ones.

An ingest is *automated* if Zoom's own notification began it, and *+Zoom* if somebody asked for it \
in Opencast."""

NO_RECORDINGS = "No recordings of this meeting in the last seven days."
NOT_SCHEDULED = "This meeting is not in the schedule."
SCHEDULE_UNREADABLE = "The schedule has this meeting, but can't be read. An operator has to look."
END = "End of results."
ONE_MOMENT = "One moment, I'm looking…"

NOT_SET_UP = (
    "The Zoom Ingester's Slack integration is not set up. Please tell the people who run it."
)
NOT_ALLOWED = (
    "You may not use this command: you are in none of the Slack groups that may ({groups}). If you "
    "have been added just now, try again in five minutes."
)
WRONG_CHANNEL = "This command works only in {places}."
NO_GROUPS = (
    "Slack doesn't tell me now whether you may use this command. Please try again in a minute."
)
NO_STATUS = "The recordings' status can't be read now. Please try again in a minute."

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def moment(when: datetime, zone: ZoneInfo) -> str:
    """Return a time as text in local time, such as `Wed, Oct 14, 2026, 2:30 PM EDT`."""
    local = when.astimezone(zone)
    return (
        f"{local:%a, %b} {local.day}, {local.year}, {_clock(local.hour, local.minute)} {local:%Z}"
    )


def moment_of(stamp: str, zone: ZoneInfo) -> str:
    """Return a UTC timestamp in local time; `unknown` for "", and an unreadable text unchanged."""
    try:
        return moment(timestamps.parse(stamp), zone)
    except (ValueError, OverflowError):
        return stamp or "unknown"


def _clock(hour: int, minute: int) -> str:
    return f"{hour % 12 or 12}:{minute:02} {'AM' if hour < 12 else 'PM'}"


def zoom_side(row: StatusRow, diagnosis: Diagnosis) -> str:
    """Describe a recording that Zoom records or processes, and that nobody has requested."""
    outlook = phrases(row, diagnosis).lecturer
    return ". ".join(filter(None, (state_words(row.state), outlook)))


def class_of(meeting: ScheduledMeeting, scheduled: ScheduledClass) -> str:
    """Return the name of a scheduled class: the class's course and title."""
    return " ".join(filter(None, (meeting.course_of(scheduled), scheduled.title)))


def schedule_lines(meeting: ScheduledMeeting) -> tuple[str, ...]:
    """Return a line for each of a meeting's scheduled classes, in the week's order.

    A scheduled class from two sources has one line. Scheduled classes whose day or time can't be
    read come last.
    """
    events = sorted(
        meeting.events,
        key=lambda event: (event.minute_of_week is None, event.minute_of_week or 0),
    )
    lines = (f"{class_of(meeting, event)}: {_weekly(event)}" for event in events)
    return tuple(dict.fromkeys(lines))


def _weekly(event: ScheduledClass) -> str:
    if event.minute_of_week is None:
        return f"{event.day} {event.time}".strip()
    hours, minutes = event.time.split(":")
    return f"{WEEKDAYS[DAYS.index(event.day)]}s at {_clock(int(hours), int(minutes))}"


def series_of(meeting: ScheduledMeeting) -> str:
    """Return the Opencast series of a meeting's scheduled classes, each once, joined by ", ".

    Without scheduled classes, return the meeting's own series. If no series is known, return "".
    """
    every = [meeting.series_of(event) for event in meeting.events] or [meeting.opencast_series_id]
    return ", ".join(dict.fromkeys(filter(None, every)))


def ingest_lines(
    row: StatusRow, diagnosis: Diagnosis, zone: ZoneInfo, cluster: str
) -> tuple[str, ...]:
    """Describe an ingest in lines: its kind and time of request, its state, then details.

    `cluster` is the Opencast cluster's name, "" if the cluster has no name.
    """

    def local_time(when: datetime) -> str:
        return moment_of(timestamps.write(when), zone)

    on_demand = row.origin == Origin.ON_DEMAND
    requested = (
        f"requested {moment_of(row.ingest_request_time, zone)}"
        if row.ingest_request_time
        else "time of request unknown"
    )
    lines = [
        f"{'+Zoom' if on_demand else 'Automated'} ingest, {requested}",
        _status(row, zone, cluster),
    ]
    if outlook := phrases(row, diagnosis, local_time).lecturer:
        lines.append(outlook)
    if row.reason and row.state is not State.IGNORED:
        lines.append(f"Reason: {in_words(row, zone)}")
    if on_demand and row.oc_series_id:
        lines.append(f"Opencast series: {series_words(row)}")
    return (*lines, f"Updated {moment(row.updated, zone)}")


def _status(row: StatusRow, zone: ZoneInfo, cluster: str) -> str:
    words = state_words(row.state)
    if row.state is State.IGNORED and row.reason:
        return f"{words}: {in_words(row, zone)}"
    if row.state is State.UPLOADER_FAILED and cluster:
        return f"{words} (cluster {cluster})"
    return words


def in_words(row: StatusRow, zone: ZoneInfo) -> str:
    """Return a row's reason in plain words, with timestamps in local time."""
    return _STAMP.sub(lambda found: moment_of(found[0], zone), reason_of(row))
