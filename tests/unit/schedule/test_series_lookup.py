"""The choice of a recording's Opencast series from a message, the schedule or the fallback."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import pytest

from ingester.pipeline.messages import DownloadMessage
from ingester.schedule.model import ScheduledClass, ScheduledMeeting
from ingester.schedule.series_lookup import Destination, destination_of, needs_schedule

EASTERN = ZoneInfo("US/Eastern")
MEETING = ScheduledMeeting(
    zoom_series_id="123456789",
    opencast_series_id="row",
    course_code="BIO 1",
    events=(
        ScheduledClass(day="M", time="10:00", title="Section", course_code="BIO 2"),
        ScheduledClass(day="T", time="10:00", title="Lecture", opencast_series_id="event"),
    ),
)
MONDAY, TUESDAY, FRIDAY = "2026-11-02T15:10:00Z", "2026-11-03T15:10:00Z", "2026-11-06T15:10:00Z"
WANTED = DownloadMessage(
    uuid="u",
    zip_id="auto-ingest-u",
    zoom_series_id=123456789,
    topic="Biology",
    start_time=MONDAY,
    duration=60,
    host_id="h",
    recording_files=(),
    on_demand_ingest=False,
    received_time=MONDAY,
    download_token="t",
)


def going(meeting: ScheduledMeeting | None = MEETING, **fields: object) -> Destination:
    return destination_of(
        msgspec.structs.replace(WANTED, **fields),
        meeting,
        zone=EASTERN,
        buffer_minutes=30,
        fallback_series_id="fallback",
    )


def test_destination_has_series_title_and_course_of_the_scheduled_class_or_its_meeting() -> None:
    assert going() == Destination("row", "Section", "BIO 2")
    assert going(start_time=TUESDAY) == Destination("event", "Lecture", "BIO 1")


def test_destination_is_the_fallback_when_the_schedule_has_no_series_for_the_recording() -> None:
    assert going(start_time=FRIDAY) == Destination("fallback", "Lecture", "")
    assert going(None) == Destination("fallback")
    assert going(msgspec.structs.replace(MEETING, opencast_series_id="")).series_id == "fallback"


def test_destination_is_the_series_of_the_operator_or_else_of_the_request() -> None:
    assert going(on_demand_series_id="asked") == Destination("asked")
    both = going(on_demand_series_id="asked", override_series_id="operator's")
    assert both == Destination("operator's")


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        ({}, True),
        ({"ignore_schedule": True}, False),
        ({"on_demand_series_id": "asked"}, False),
        ({"override_series_id": "operator's"}, False),
    ],
)
def test_schedule_is_needed_unless_a_message_names_a_series_or_ignores_the_schedule(
    fields: dict[str, object], asks: bool
) -> None:
    assert needs_schedule(msgspec.structs.replace(WANTED, **fields)) is asks
