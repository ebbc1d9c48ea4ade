"""The answers of `/zip`."""

from __future__ import annotations

from ingester.status.advice import STUCK
from tests.slack_messages import texts
from tests.unit.functions.slack.conftest import Put
from tests.unit.functions.slack.workspace import MEETING, Harness

COMMAND = "123-4567-8901"
LINK = "https://zoom.us/recording/management/detail?meeting_id=u%2F1%3D%3D"


def schedule(harness: Harness, **more: object) -> None:
    event = {"day": "W", "time": "11:00", "title": "Lecture", "course_code": "HIST E-1010"}
    other = {"day": "M", "time": "14:05", "title": "Section", "course_code": "HIST E-1011"}
    item = {
        "zoom_series_id": str(MEETING),
        "opencast_series_id": "20260112345",
        "course_code": "HIST E-1010",
        "events": [event, {**other, "opencast_series_id": "20260199999"}],
        **more,
    }
    harness.aws.schedule.put_item(Item=item)


def test_slack_answer_shows_help_when_no_meeting_is_named(harness: Harness) -> None:
    for text in ("", "  ", "help", " HELP "):
        answer = harness.command(text)
        assert answer["response_type"] == "ephemeral"
        assert "`/zip 123 456 7890`" in answer["text"]


def test_slack_answer_shows_the_recordings_of_a_meeting(harness: Harness, put: Put) -> None:
    schedule(harness)
    put("u/1==", ingest_request_time="2026-10-14T17:00:00Z")
    answer = harness.command(COMMAND)
    assert answer["text"] == "Recordings of HIST E-1010"
    assert texts(answer).splitlines() == [
        "HIST E-1010",
        "*Source*",
        "test",
        "*Zoom meeting*",
        "123 4567 8901",
        "*Opencast series*",
        "20260112345, 20260199999",
        "*Schedule*",
        "HIST E-1011 Section: Mondays at 2:05 PM",
        "HIST E-1010 Lecture: Wednesdays at 11:00 AM",
        f"*Wed, Oct 14, 2026, 11:00 AM EDT*  ·  HIST E-1010 Lecture  ·  <{LINK}|Open in Zoom>",
        "*Automated ingest, requested Wed, Oct 14, 2026, 1:00 PM EDT*",
        "> In Opencast",
        "> Updated Wed, Oct 14, 2026, 2:00 PM EDT",
        "End of results.",
    ]


def test_slack_answer_says_that_a_meeting_has_neither_a_schedule_nor_recordings(
    harness: Harness,
) -> None:
    text = texts(harness.command("123 456 7890"))
    assert text.splitlines()[0] == "123 456 7890"
    assert "This meeting is not in the schedule." in text
    assert "No recordings of this meeting in the last seven days." in text


def test_slack_answer_shows_the_schedule_when_a_meeting_has_no_recordings(harness: Harness) -> None:
    schedule(harness)
    text = texts(harness.command(COMMAND))
    assert text.splitlines()[0] == "HIST E-1010"
    assert "Mondays at 2:05 PM" in text
    assert "No recordings of this meeting in the last seven days." in text


def test_slack_answer_shows_recordings_and_a_problem_when_the_schedule_cannot_be_read(
    harness: Harness, put: Put
) -> None:
    schedule(harness, events="nonsense")
    put("u1")
    text = texts(harness.command(COMMAND))
    assert "An operator has to look." in text
    assert "Oct 14" in text


def test_slack_answer_marks_a_recording_that_is_outside_the_schedule(
    harness: Harness, put: Put
) -> None:
    schedule(harness)
    put("u1", recording_start_time="2026-10-14T19:00:00Z")
    assert "·  outside the scheduled times  ·" in texts(harness.command(COMMAND))
    harness.set_up(buffer_minutes=300)
    assert "·  HIST E-1010 Lecture  ·" in texts(harness.command(COMMAND))


def test_slack_answer_names_the_opencast_cluster_when_an_upload_failed(
    harness: Harness, put: Put
) -> None:
    harness.set_up(oc_cluster_name="oc-prod")
    put("u1", "UPLOADER_FAILED", reason="Unable to reach Opencast.")
    text = texts(harness.command(COMMAND))
    assert "> Upload failed (cluster oc-prod)" in text


def test_slack_answer_calls_an_ingest_stuck_only_after_oc_ingest_patience_hours(
    harness: Harness, put: Put
) -> None:
    put("u1", "SENT_TO_UPLOADER")
    harness.clock.forward(hours=10)
    assert STUCK in texts(harness.command(COMMAND))
    harness.set_up(oc_ingest_patience_hours=48)
    assert STUCK not in texts(harness.command(COMMAND))


def test_slack_answer_is_valid_when_rows_have_unknown_or_missing_values(
    harness: Harness, put: Put
) -> None:
    put("u1", "SOMETHING_ELSE", topic=None, recording_start_time=None, origin=None)
    put("u2", "IGNORED", recording_start_time="noon", reason="<!here>")
    text = texts(harness.command(COMMAND))
    assert "*unknown*" in text
    assert "*noon*" in text
    assert "Ignored: &lt;!here&gt;" in text
    assert "> Unknown" in text
