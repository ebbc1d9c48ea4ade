"""The downloader's decisions before a download."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest

from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.cloud import Cloud
from tests.unit.functions.downloader.harness import (
    MEETING,
    SERIES,
    Harness,
    row_in,
    with_file,
)


class TestTooShort:
    @pytest.mark.parametrize("on_demand", [False, True])
    def test_recording_is_ignored_when_it_is_too_short(
        self, harness: Harness, small: Recording, on_demand: bool
    ) -> None:
        message = harness.message(
            small, duration=1, on_demand_ingest=on_demand, on_demand_series_id=SERIES
        )
        assert harness.take(message)
        assert harness.outcome == ("IGNORED", "Recording <2 minutes")
        assert harness.zoom.requests == ()
        assert harness.uploads() == []

    def test_reason_of_a_short_recording_says_2_minutes_when_the_minimum_is_31_minutes(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.settings["minimum_duration"] = 31
        harness.take(harness.message(small))
        assert harness.outcome == ("IGNORED", "Recording <2 minutes")


class TestTheSeries:
    @pytest.fixture
    def scheduled(self, aws: Cloud) -> None:
        common = {"day": "W", "title": "Lecture"}
        aws.schedule.put_item(
            Item={
                "zoom_series_id": str(MEETING),
                "opencast_series_id": "20260199999",
                "course_code": "LAST E-1",
                "events": [
                    {
                        **common,
                        "time": "10:05",
                        "title": "Section",
                        "opencast_series_id": SERIES,
                        "course_code": "HIST E-10",
                    },
                    {**common, "time": "18:00", "opencast_series_id": "20260154321"},
                    {**common, "time": "12:00"},
                ],
            }
        )

    def series(self, harness: Harness, recording: Recording, **changes: Any) -> tuple[str, str]:
        harness.take(harness.message(recording, **changes))
        (sent,) = harness.uploads()
        assert harness.row["oc_series_id"] == sent["body"]["opencast_series_id"]
        return sent["body"]["opencast_series_id"], sent["body"]["oc_title"]

    @pytest.mark.usefixtures("scheduled")
    @pytest.mark.parametrize(
        ("start_time", "found", "course"),
        [
            ("2026-10-14T14:00:12Z", (SERIES, "Section"), "HIST E-10"),
            ("2026-10-14T22:10:00Z", ("20260154321", "Lecture"), "LAST E-1"),
            ("2026-10-14T16:29:59Z", ("20260199999", "Lecture"), "LAST E-1"),
            ("2026-10-14T16:30:00Z", ("99999999999", "Lecture"), None),
            ("2026-10-15T14:00:12Z", ("99999999999", "Lecture"), None),
        ],
        ids=["its own", "another's", "the meeting's", "too late", "another day"],
    )
    def test_recording_goes_to_the_series_of_the_schedule_or_else_to_the_default_series(
        self,
        harness: Harness,
        small: Recording,
        start_time: str,
        found: tuple[str, str],
        course: str | None,
    ) -> None:
        assert self.series(harness, small, start_time=start_time) == found
        assert harness.row.get("course") == course

    @pytest.mark.usefixtures("scheduled")
    def test_buffer_around_a_scheduled_class_comes_from_the_settings(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.settings["buffer_minutes"] = 5
        assert self.series(harness, small)[0] == "99999999999"

    @pytest.mark.parametrize("default", ["", "None"])
    def test_recording_is_ignored_when_it_has_no_series(
        self, harness: Harness, small: Recording, default: str
    ) -> None:
        harness.settings["default_series_id"] = default
        assert harness.take(harness.message(small))
        assert harness.outcome == ("IGNORED", "No opencast series match")
        assert harness.downloads() == 0
        assert harness.uploads() == harness.dead() == []


class TestClassThatLeftTheSchedule:
    """Attempts that find no series, also after the meeting's scheduled class was removed."""

    def errors_of_retry(
        self,
        harness: Harness,
        recording: Recording,
        caplog: pytest.LogCaptureFixture,
        **changes: Any,
    ) -> list[logging.LogRecord]:
        """Retry a failed attempt after the meeting was removed from the schedule.

        Check that the recording is ignored, and return the logged errors.
        """
        harness.settings["default_series_id"] = ""
        message = harness.message(recording)
        item = {"day": "W", "time": "10:00", "title": "Lecture"}
        harness.aws.schedule.put_item(
            Item={
                "zoom_series_id": str(MEETING),
                "opencast_series_id": SERIES,
                "course_code": "HIST E-10",
                "events": [item],
            }
        )
        harness.zoom.fail(Fault(kind="status", status=500, times=99))
        assert not harness.take(message)
        assert harness.row["oc_series_id"] == SERIES
        harness.zoom.clear_faults()
        harness.aws.schedule.delete_item(Key={"zoom_series_id": str(MEETING)})
        caplog.clear()
        assert harness.take(message | changes, receive_count=2)
        assert harness.outcome == ("IGNORED", "No opencast series match")
        return [record for record in caplog.records if record.levelno >= logging.ERROR]

    def test_error_is_logged_when_a_retry_does_not_find_the_series_of_the_first_attempt(
        self, harness: Harness, small: Recording, caplog: pytest.LogCaptureFixture
    ) -> None:
        (error,) = self.errors_of_retry(harness, small, caplog)
        assert "an earlier attempt, which had found a series" in error.getMessage()
        assert vars(error)["outlook"] == "Nothing happens automatically: it needs attention."

    def test_missing_series_is_not_logged_as_an_error_when_the_message_ignores_the_schedule(
        self, harness: Harness, small: Recording, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert self.errors_of_retry(harness, small, caplog, ignore_schedule=True) == []

    def test_missing_series_is_not_logged_as_an_error_when_opencast_has_the_recording(
        self, harness: Harness, small: Recording, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.ingest(small, *small.files)
        assert self.errors_of_retry(harness, small, caplog) == []

    def test_missing_series_is_not_logged_as_an_error_when_no_attempt_has_found_one(
        self, harness: Harness, small: Recording, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.settings["default_series_id"] = ""
        assert harness.take(harness.message(small))
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


class TestFilesThatAreNotFinished:
    @pytest.fixture
    def unfinished(self, zoom: ZoomStandIn, small: Recording) -> Recording:
        """Return a recording that Zoom reports as finished from the API's second answer on."""
        files = tuple(
            dataclasses.replace(file, processing_asks=2, file_id=f"late-{number}")
            for number, file in enumerate(small.files)
        )
        uuid = f"late{len(zoom.recordings)}=="
        return zoom.add(dataclasses.replace(small, uuid=uuid, files=files))

    def test_download_message_is_requeued_when_zoom_has_not_finished_the_files(
        self, harness: Harness, unfinished: Recording
    ) -> None:
        message = harness.message(unfinished)
        assert harness.take(message)
        (again,) = harness.aws.sent_to(harness.aws.download_queue)
        assert again["delay_seconds"] == 60
        assert again["body"] == {**message, "first_seen": "2026-10-14T18:30:00Z"}
        state, reason = harness.outcome
        assert state == "SENT_TO_DOWNLOADER"
        assert "not finished 2 of the files" in reason
        assert "asks again at 2026-10-14T18:31:00Z" in reason
        assert harness.dead() == harness.uploads() == []

    def test_recording_is_staged_when_zoom_has_finished_the_files(
        self, harness: Harness, unfinished: Recording
    ) -> None:
        harness.take(harness.message(unfinished))
        (again,) = harness.aws.sent_to(harness.aws.download_queue)
        harness.clock.forward(minutes=1)
        harness.zoom.expire_download_tokens(unfinished.uuid)
        harness.zoom.forget_requests()
        assert harness.take(again["body"])
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        # Zoom's answer with the files also has the token, so there is no second request.
        assert (
            sum(request.path.startswith("/v2/meetings/") for request in harness.zoom.requests) == 1
        )
        assert len(harness.uploads()) == 1

    @pytest.mark.parametrize(("hours", "delay"), [(0.1, 360), (0.25, 900), (12, 900), (23.9, 900)])
    def test_delay_of_a_requeued_message_grows_with_the_age_of_the_message_up_to_15_minutes(
        self, harness: Harness, unfinished: Recording, hours: float, delay: int
    ) -> None:
        first_seen = "2026-10-14T18:30:00Z"
        harness.clock.forward(hours=hours)
        harness.take(harness.message(unfinished, first_seen=first_seen))
        (again,) = harness.aws.sent_to(harness.aws.download_queue)
        assert again["delay_seconds"] == delay
        assert again["body"]["first_seen"] == first_seen

    def test_message_goes_to_the_dlq_when_zoom_has_not_finished_the_files_after_a_day(
        self, harness: Harness, unfinished: Recording
    ) -> None:
        harness.clock.forward(days=1)
        message = harness.message(unfinished, first_seen="2026-10-14T18:30:00Z")
        assert harness.take(message)
        assert harness.aws.sent_to(harness.aws.download_queue) == []
        (dead,) = harness.dead()
        del message["first_seen"]
        assert dead["body"] == message
        assert "after a day" in dead["reason"]
        state, reason = harness.outcome
        assert state == "DOWNLOADER_FAILED"
        assert reason.startswith("permanent failure: ")
        assert "operator is needed" in reason

    def test_message_waits_again_when_an_operator_redrives_it(
        self, harness: Harness, zoom: ZoomStandIn, small: Recording
    ) -> None:
        slow = with_file(small, 0, processing_asks=9, file_id="slow-0")
        unfinished = zoom.add(dataclasses.replace(slow, uuid="slow=="))
        harness.clock.forward(days=1)
        harness.take(harness.message(unfinished, first_seen="2026-10-14T18:30:00Z"))
        (dead,) = harness.dead()
        harness.clock.forward(hours=5)
        assert harness.take(dead["body"])
        assert "asks again at" in harness.outcome[1]
        assert harness.dead() == []

    def test_row_says_that_the_message_waits_when_an_earlier_attempt_failed(
        self, harness: Harness, unfinished: Recording
    ) -> None:
        row = row_in("DOWNLOADER_FAILED", reason="retryable", retry_due="2026-10-14T18:40:00Z")
        harness.aws.status.put_item(Item=row)
        harness.take(harness.message(unfinished))
        assert harness.outcome[0] == "SENT_TO_DOWNLOADER"
        assert "asks again at" in harness.outcome[1]
        assert "retry_due" not in harness.row

    def test_message_goes_to_the_dlq_when_the_zoom_api_answers_404(
        self, harness: Harness, unfinished: Recording
    ) -> None:
        message = harness.message(unfinished)
        harness.zoom.trash(unfinished.uuid)
        assert harness.take(message)
        assert "Zoom doesn't know this recording any more" in harness.outcome[1]
        assert len(harness.dead()) == 1
