"""Texts in answers to Slack, such as texts about states, reasons and scheduled classes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingester.pipeline.states import FAILED, ZOOM_SIDE, State
from ingester.schedule.model import ScheduledClass, ScheduledMeeting
from ingester.slack import answer as zip_answer
from ingester.slack.command import Window
from ingester.slack.wording import (
    ingest_lines,
    moment_of,
    schedule_lines,
    series_of,
    zoom_side,
)
from ingester.status.details import details_of
from ingester.status.diagnosis import PATIENCE, diagnose, diagnose_each
from ingester.status.row import RequestOptions, StatusRow
from ingester.status.words import STATES, reason_words

ZONE = ZoneInfo("US/Eastern")
UPDATED = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


def row_in(state: State | None, **more: str) -> StatusRow:
    return StatusRow(**{"zip_id": "z", "state": state, "updated": UPDATED, **more})  # type: ignore[arg-type]


def lines(
    state: State | None, cluster: str = "", now: datetime = UPDATED, **more: str
) -> list[str]:
    row = row_in(state, **more)
    return list(ingest_lines(row, diagnose(row, (), now, PATIENCE), ZONE, cluster))


def line_of_zoom_side(state: State | None) -> str:
    row = row_in(state)
    return zoom_side(row, diagnose(row, (), UPDATED, PATIENCE))


@pytest.mark.parametrize("state", sorted(set(State) - ZOOM_SIDE))
def test_slack_text_of_an_ingest_begins_with_its_origin_and_its_state(state: State) -> None:
    shown = lines(state, origin="webhook_notification", ingest_request_time="2026-10-14T17:00:00Z")
    assert shown[0] == "Automated ingest, requested Wed, Oct 14, 2026, 1:00 PM EDT"
    assert shown[1] == STATES[state]
    assert shown[-1] == "Updated Wed, Oct 14, 2026, 2:30 PM EDT"
    has_outlook = FAILED | {State.OPENCAST_FAILED, State.OPENCAST_DELETED}
    assert (len(shown) == 4) == (state in has_outlook)


@pytest.mark.parametrize("state", sorted(ZOOM_SIDE))
def test_slack_text_has_the_words_for_each_state_at_zoom(state: State) -> None:
    assert line_of_zoom_side(state) == STATES[state]


def test_slack_text_says_unknown_when_the_state_or_the_time_of_the_request_is_unknown() -> None:
    assert line_of_zoom_side(None) == "Unknown"
    assert lines(None)[:2] == ["Automated ingest, time of request unknown", "Unknown"]


def test_slack_text_names_the_series_of_an_on_demand_ingest() -> None:
    shown = lines(State.SENT_TO_UPLOADER, origin="on_demand", oc_series_id="S1")
    assert shown[0].startswith("+Zoom ingest")
    assert "Opencast series: S1" in shown
    row = row_in(State.SENT_TO_OPENCAST, origin="on_demand", oc_series_id="S1")
    row = msgspec.structs.replace(row, asked=RequestOptions(oc_series_id="S2"))
    words = ingest_lines(row, diagnose(row, (), UPDATED, PATIENCE), ZONE, "")
    assert "Opencast series: S1, asked for S2" in words
    assert "Opencast series: S1" not in lines(State.SENT_TO_UPLOADER, oc_series_id="S1")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("No opencast series match", "No class in the schedule fits it"),
        ("Already in opencast", "It is in Opencast already"),
        ("Recording <2 minutes", "It is too short"),
        ("No mp4 files", "Zoom gave us no video of this recording"),
        ("Moved to the trash in Zoom", "Moved to the trash in Zoom"),
    ],
)
def test_slack_text_of_an_ignored_ingest_has_the_reason_in_plain_words(
    reason: str, words: str
) -> None:
    shown = lines(State.IGNORED, reason=reason)
    assert shown[1].startswith(f"Ignored: {words}")
    assert "minutes" not in shown[1]
    assert not any(line.startswith("Reason") for line in shown)


@pytest.mark.parametrize("state", sorted(FAILED))
def test_slack_text_of_a_failed_ingest_says_whether_the_ingest_is_retried(state: State) -> None:
    shown = lines(
        state, reason="x (next try at 2026-10-14T18:35:00Z)", retry_due="2026-10-14T18:35:00Z"
    )
    assert shown[2] == "It is retried automatically, next at Wed, Oct 14, 2026, 2:35 PM EDT"
    assert shown[3] == "Reason: x (next try at Wed, Oct 14, 2026, 2:35 PM EDT)"
    assert "operator" in lines(state)[2]


@given(
    st.sampled_from(sorted(State)),
    st.sampled_from(["", "soon", "2026-10-14T18:35:00Z", "2026-10-17T18:30:00Z"]),
    st.none() | st.sampled_from(sorted(State)),
    st.timedeltas(timedelta(0), timedelta(days=7)),
    st.sampled_from([1, 6, 48]),
)
@example(State.UPLOADER_FAILED, "", State.SENT_TO_OPENCAST, timedelta(0), 6)
@example(State.UPLOADER_FAILED, "", State.SENT_TO_UPLOADER, timedelta(0), 6)
def test_slack_says_that_an_operator_has_to_look_exactly_when_the_page_asks_for_attention(
    state: State, retry_due: str, again_in: State | None, later: timedelta, hours: int
) -> None:
    # Producers read Slack and the page, which must agree.
    row, now, patience = row_in(state, retry_due=retry_due), UPDATED + later, timedelta(hours=hours)
    row = msgspec.structs.replace(
        row, recording_id="u", meeting_id=1234567890, ingest_request_time="2026-10-14T18:00:00Z"
    )
    again = {"zip_id": "again", "ingest_request_time": "2026-10-14T18:20:00Z"}
    others = [msgspec.structs.replace(row, state=again_in, **again)] if again_in else []
    rows = [*others, row]
    diagnoses = diagnose_each(rows, rows, now, patience)
    page = [
        details_of(ingest, diagnoses[ingest.zip_id], zoom_web="https://zoom.us") for ingest in rows
    ]
    (shown,) = zip_answer.meeting_answer(
        1234567890, rows, None, Window(), site(patience), now
    ).recordings
    said = [" ".join(lines) for lines in shown.ingests]
    there = [ingest for ingest in page if ingest.state not in ZOOM_SIDE] or page[:1]
    assert ["an operator has to look" in line for line in said] == [
        ingest.attention for ingest in there
    ]
    for mine, pages in zip(said, there, strict=True):
        assert pages.what_to_do in mine or diagnoses[pages.zip_id].other is None
        assert "next at" not in mine or not pages.attention


def site(patience: timedelta) -> zip_answer.Site:
    return zip_answer.Site(
        stack_name="test",
        zone=ZONE,
        buffer_minutes=30,
        cluster="",
        zoom_web="https://zoom.us",
        patience=patience,
    )


def test_slack_text_of_an_ignored_request_says_nothing_to_do_when_opencast_has_the_recording() -> (
    None
):
    there = row_in(State.SENT_TO_OPENCAST, recording_id="u", zip_id="first")
    ignored = row_in(
        State.IGNORED,
        recording_id="u",
        reason="No opencast series match",
        ingest_request_time="2026-10-14T18:29:00Z",
    )
    diagnosis = diagnose(ignored, [there], UPDATED, PATIENCE)
    shown = ingest_lines(ignored, diagnosis, ZONE, "")
    assert "Nothing to do: the recording is in Opencast already." in shown


def test_slack_text_of_an_overdue_retry_says_since_when_the_retry_is_due() -> None:
    due = "2026-10-14T18:35:00Z"
    shown = lines(State.UPLOADER_FAILED, now=UPDATED + timedelta(hours=1), retry_due=due)
    assert shown[2] == (
        "It is retried automatically when its turn comes, due since Wed, Oct 14, 2026, 2:35 PM EDT"
    )


def test_slack_text_says_that_an_ingest_is_not_retried_when_the_retry_time_is_unreadable() -> None:
    shown = lines(State.UPLOADER_FAILED, retry_due="soon")
    assert shown[2].startswith("It isn't retried automatically: an operator has to look")


def test_slack_text_of_an_ingest_in_progress_has_its_reason() -> None:
    shown = lines(State.SENT_TO_DOWNLOADER, reason="Zoom hasn't finished; asks again at noon")
    assert shown[2] == "Reason: Zoom hasn't finished; asks again at noon"


def test_slack_text_names_the_cluster_only_when_the_upload_failed() -> None:
    assert lines(State.UPLOADER_FAILED, "oc-prod")[1] == "Upload failed (cluster oc-prod)"
    for state in set(State) - {State.UPLOADER_FAILED}:
        assert "oc-prod" not in " ".join(lines(state, "oc-prod"))


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        ("2026-01-02T05:07:00Z", "Fri, Jan 2, 2026, 12:07 AM EST"),
        ("2026-07-02T16:00:00Z", "Thu, Jul 2, 2026, 12:00 PM EDT"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("soon", "soon"),
        ("", "unknown"),
    ],
)
def test_timestamp_is_written_in_local_time_unless_it_is_empty_or_cannot_be_converted(
    stamp: str, text: str
) -> None:
    assert moment_of(stamp, ZONE) == text


@given(st.text())
def test_slack_text_of_a_failed_ingest_has_the_reason_whatever_its_characters(
    reason: str,
) -> None:
    plain = lines(State.DOWNLOADER_FAILED)
    shown = lines(State.DOWNLOADER_FAILED, reason=reason)
    words = reason_words(reason, "")
    assert shown == [*plain[:3], *([f"Reason: {words}"] if reason else []), *plain[3:]]


def test_slack_text_lists_scheduled_classes_by_weekday_and_names_each_series_once() -> None:
    meeting = ScheduledMeeting(
        zoom_series_id="1",
        opencast_series_id="S0",
        course_code="HIST",
        events=(
            ScheduledClass(day="?", time="9", title="Odd"),
            ScheduledClass(day="F", time="9:30", title="Section", opencast_series_id="S2"),
            ScheduledClass(day="M", time="00:05", title="Lecture", course_code="MATH"),
            ScheduledClass(day="M", time="0:04", title=""),
        ),
    )
    assert schedule_lines(meeting) == (
        "HIST: Mondays at 12:04 AM",
        "MATH Lecture: Mondays at 12:05 AM",
        "HIST Section: Fridays at 9:30 AM",
        "HIST Odd: ? 9",
    )
    assert series_of(meeting) == "S0, S2"
    assert series_of(ScheduledMeeting(zoom_series_id="1", opencast_series_id="S0")) == "S0"
    assert series_of(ScheduledMeeting(zoom_series_id="1")) == ""


def test_slack_text_lists_a_scheduled_class_once_when_a_file_and_the_sheet_have_the_class() -> None:
    both = tuple(
        ScheduledClass(day="M", time=time, title="Lecture", course_code="A", source=source)
        for source, time in (("sheet:Fall", "9:30"), ("csv:fall.csv", "09:30"))
    )
    meeting = ScheduledMeeting(zoom_series_id="1", events=both)
    assert schedule_lines(meeting) == ("A Lecture: Mondays at 9:30 AM",)


def test_title_of_a_meeting_is_the_newest_topic_that_is_not_blank_else_the_course_or_number() -> (
    None
):
    def titled(*topics: str, course: str = "") -> str:
        rows = [
            msgspec.structs.replace(
                row_in(State.SENT_TO_OPENCAST),
                recording_id=f"u{number}",
                topic=topic,
                start_time=f"2026-10-1{number}T18:00:00Z",
            )
            for number, topic in enumerate(topics)
        ]
        schedule = ScheduledMeeting(zoom_series_id="1", course_code=course) if course else None
        return zip_answer.meeting_answer(
            1234567890, rows, schedule, Window(), site(PATIENCE), UPDATED
        ).title

    assert titled("Oldest", "Newer", " ", course="HIST") == "Newer"
    assert titled("", " ", course="HIST") == "HIST"
    assert titled("") == "123 456 7890"
