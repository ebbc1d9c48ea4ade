"""What `/zip` answers about a meeting, put together: texts, no Slack yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from ingester import timestamps
from ingester.recording.files import zoom_page_of
from ingester.schedule.model import ScheduledMeeting, match
from ingester.slack import wording as zip_words
from ingester.slack.command import Window, spaced, write_button
from ingester.slack.paging import Recording, arrange, page
from ingester.status.diagnosis import Diagnosis, diagnose_each
from ingester.status.row import StatusRow


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers say of the installation.

    `cluster` is Opencast's name, perhaps "", `zoom_web` the address of Zoom's pages, `patience` how
    long the stack waits for Opencast.
    """

    stack_name: str
    zone: ZoneInfo
    buffer_minutes: int
    cluster: str
    zoom_web: str
    patience: timedelta


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A recording: `parts` are its ingests in lines, or one line of what Zoom says of it."""

    start: str
    class_name: str
    link: str
    parts: tuple[tuple[str, ...], ...]


class MeetingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A message about a meeting. `facts` are labels with values, `older` counts what is left.

    `button` is the value of the button that shows more, "" for none.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    schedule: tuple[str, ...]
    recordings: tuple[Shown, ...]
    closing: str
    older: int
    button: str


def about(
    meeting: int,
    rows: Sequence[StatusRow],
    schedule: ScheduledMeeting | None,
    window: Window,
    site: Site,
    now: datetime,
    *,
    schedule_is_readable: bool = True,
    has_button: bool = True,
) -> MeetingAnswer:
    """The message that shows `window` of a meeting as it is `now`. `rows` are all that it has.

    `schedule_is_readable` False says that there is a schedule that makes no sense, `has_button`
    False that the next recordings stand in another message already.
    """
    every = arrange(rows)
    found = page(every, window)
    diagnoses = diagnose_each(rows, rows, now, site.patience)
    facts = [("Source", site.stack_name), ("Zoom meeting", spaced(meeting))]
    if schedule and zip_words.series_of(schedule):
        facts.append(("Opencast series", zip_words.series_of(schedule)))
    closing = "" if found.older else zip_words.END
    return MeetingAnswer(
        title=_title(meeting, every, schedule),
        facts=tuple(facts),
        schedule=_schedule(schedule, is_readable=schedule_is_readable),
        recordings=tuple(
            _shown(recording, schedule, site, diagnoses) for recording in found.recordings
        ),
        closing=closing if every else zip_words.NO_RECORDINGS,
        older=found.older,
        button=write_button(meeting, found.window) if found.older and has_button else "",
    )


def _title(
    meeting: int, recordings: tuple[Recording, ...], schedule: ScheduledMeeting | None
) -> str:
    topic = next((one.topic.strip() for one in recordings if one.topic.strip()), "")
    course = schedule.course_code.strip() if schedule else ""
    return topic or course or spaced(meeting)


def _schedule(schedule: ScheduledMeeting | None, *, is_readable: bool) -> tuple[str, ...]:
    if not is_readable:
        return (zip_words.SCHEDULE_UNREADABLE,)
    lines = zip_words.schedule_lines(schedule) if schedule else ()
    return lines or (zip_words.NOT_SCHEDULED,)


def _shown(
    recording: Recording,
    schedule: ScheduledMeeting | None,
    site: Site,
    diagnoses: Mapping[str, Diagnosis],
) -> Shown:
    if row := recording.zoom_side:
        parts: tuple[tuple[str, ...], ...] = ((zip_words.zoom_side(row, diagnoses[row.zip_id]),),)
    else:
        parts = tuple(
            zip_words.ingest_lines(row, diagnoses[row.zip_id], site.zone, site.cluster)
            for row in recording.ingests
        )
    return Shown(
        start=zip_words.moment_of(recording.start_time, site.zone),
        class_name=_class(recording, schedule, site),
        link=zoom_page_of(recording.recording_id, site.zoom_web),
        parts=parts,
    )


def _class(recording: Recording, schedule: ScheduledMeeting | None, site: Site) -> str:
    """The class that a recording's start belongs to; "" without a schedule to look at."""
    if not schedule or not schedule.events:
        return ""
    try:
        start = timestamps.parse(recording.start_time)
        event = match(schedule, start, site.zone, site.buffer_minutes)
    except (ValueError, OverflowError):
        return ""
    return zip_words.class_of(schedule, event) if event else "outside the scheduled times"
