"""The answer of `/zip` about a meeting, as texts. `slack/blocks.py` makes blocks of the texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from ingester import timestamps
from ingester.recording.files import zoom_page_of
from ingester.schedule.model import ScheduledMeeting, match
from ingester.slack import wording
from ingester.slack.command import Window, spaced, write_button
from ingester.slack.paging import Recording, group_by_recording, page
from ingester.status.diagnosis import Diagnosis, diagnose_each
from ingester.status.row import StatusRow


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The stack's settings that answers depend on.

    Attributes:
        zone: Local time zone.
        buffer_minutes: A recording belongs to a scheduled class if the recording starts less than
            this number of minutes before or after the start of the scheduled class.
        cluster: Name of the Opencast cluster; may be "".
        zoom_web: Address of Zoom's pages.
        patience: The setting `OC_INGEST_PATIENCE_HOURS`.
    """

    stack_name: str
    zone: ZoneInfo
    buffer_minutes: int
    cluster: str
    zoom_web: str
    patience: timedelta


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A recording as a message shows it.

    Attributes:
        start: Local time of the start.
        class_name: Name of the scheduled class, as `_class` returns it.
        link: Address of the recording's page in Zoom.
        ingests: Lines of each ingest. A recording without ingests has one line about the
            recording at Zoom.
    """

    start: str
    class_name: str
    link: str
    ingests: tuple[tuple[str, ...], ...]


class MeetingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of a message about a meeting.

    Attributes:
        facts: Label and value of each fact about the meeting, such as the meeting's number.
        schedule: Lines about the meeting's scheduled classes.
        closing: Line at the end; may be "".
        older: Number of older recordings that the message doesn't show.
        button: Value of the button that shows more; "" for no button.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    schedule: tuple[str, ...]
    recordings: tuple[Shown, ...]
    closing: str
    older: int
    button: str


def meeting_answer(
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
    """Return the texts of the message that shows one window of a meeting's recordings.

    Args:
        meeting: Number of the Zoom meeting.
        rows: All rows of the meeting.
        schedule: The meeting's row in the schedule; None if there is no such row, or if the row is
            malformed.
        window: Recordings to show.
        site: The stack's settings.
        now: Current time.
        schedule_is_readable: False if the meeting's row in the schedule is malformed.
        has_button: False if another message already shows the next recordings.
    """
    every = group_by_recording(rows)
    found = page(every, window)
    diagnoses = diagnose_each(rows, rows, now, site.patience)
    facts = [("Source", site.stack_name), ("Zoom meeting", spaced(meeting))]
    if schedule and wording.series_of(schedule):
        facts.append(("Opencast series", wording.series_of(schedule)))
    closing = "" if found.older else wording.END
    return MeetingAnswer(
        title=_title(meeting, every, schedule),
        facts=tuple(facts),
        schedule=_schedule(schedule, is_readable=schedule_is_readable),
        recordings=tuple(
            _shown(recording, schedule, site, diagnoses) for recording in found.recordings
        ),
        closing=closing if every else wording.NO_RECORDINGS,
        older=found.older,
        button=write_button(meeting, found.window) if found.older and has_button else "",
    )


def _title(
    meeting: int, recordings: tuple[Recording, ...], schedule: ScheduledMeeting | None
) -> str:
    topics = (recording.topic.strip() for recording in recordings)
    topic = next(filter(None, topics), "")
    course = schedule.course_code.strip() if schedule else ""
    return topic or course or spaced(meeting)


def _schedule(schedule: ScheduledMeeting | None, *, is_readable: bool) -> tuple[str, ...]:
    if not is_readable:
        return (wording.SCHEDULE_UNREADABLE,)
    lines = wording.schedule_lines(schedule) if schedule else ()
    return lines or (wording.NOT_SCHEDULED,)


def _shown(
    recording: Recording,
    schedule: ScheduledMeeting | None,
    site: Site,
    diagnoses: Mapping[str, Diagnosis],
) -> Shown:
    if row := recording.zoom_side:
        ingests: tuple[tuple[str, ...], ...] = ((wording.zoom_side(row, diagnoses[row.zip_id]),),)
    else:
        ingests = tuple(
            wording.ingest_lines(row, diagnoses[row.zip_id], site.zone, site.cluster)
            for row in recording.ingests
        )
    return Shown(
        start=wording.moment_of(recording.start_time, site.zone),
        class_name=_class(recording, schedule, site),
        link=zoom_page_of(recording.recording_id, site.zoom_web),
        ingests=ingests,
    )


def _class(recording: Recording, schedule: ScheduledMeeting | None, site: Site) -> str:
    """Return the name of the scheduled class at a recording's start.

    If there is no such class, the result is "outside the scheduled times". If the meeting has no
    scheduled classes, or the recording's start can't be read, the result is "".
    """
    if not schedule or not schedule.events:
        return ""
    try:
        start = timestamps.parse(recording.start_time)
        event = match(schedule, start, site.zone, site.buffer_minutes)
    except (ValueError, OverflowError):
        return ""
    return wording.class_of(schedule, event) if event else "outside the scheduled times"
