"""What the downloader decides before it fetches anything (section 7)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_recordings import Recording
from tests.cloud import Cloud
from tests.unit.functions.downloader.harness import (
    MEETING,
    SERIES,
    Kit,
    row_in,
    with_file,
)


class TestTooShort:
    @pytest.mark.parametrize("on_demand", [False, True])
    def test_recording_is_ignored_when_it_is_too_short(
        self, kit: Kit, small: Recording, on_demand: bool
    ) -> None:
        message = kit.message(
            small, duration=1, on_demand_ingest=on_demand, on_demand_series_id=SERIES
        )
        assert kit.take(message)
        assert kit.outcome == ("IGNORED", "Recording <2 minutes")
        assert kit.zoom.requests == ()
        assert kit.uploads() == []

    def test_reason_is_the_same_text_whatever_the_minimum_duration_is(
        self, kit: Kit, small: Recording
    ) -> None:
        kit.settings["minimum_duration"] = 31
        kit.take(kit.message(small))
        assert kit.outcome == ("IGNORED", "Recording <2 minutes")

    def test_recording_is_staged_when_it_has_just_the_minimum_duration(
        self, kit: Kit, small: Recording
    ) -> None:
        kit.settings["minimum_duration"] = 30
        kit.take(kit.message(small))
        assert kit.outcome == ("SENT_TO_UPLOADER", "")


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

    def series(self, kit: Kit, recording: Recording, **changes: Any) -> tuple[str, str]:
        kit.take(kit.message(recording, **changes))
        (sent,) = kit.uploads()
        assert kit.row["oc_series_id"] == sent["body"]["opencast_series_id"]
        return sent["body"]["opencast_series_id"], sent["body"]["oc_title"]

    @pytest.mark.usefixtures("scheduled")
    def test_series_of_an_operator_is_chosen_before_all_others(
        self, kit: Kit, small: Recording
    ) -> None:
        found = self.series(
            kit, small, override_series_id="20260111111", on_demand_series_id="20260122222"
        )
        assert found == ("20260111111", "Lecture")

    @pytest.mark.usefixtures("scheduled")
    def test_series_of_the_request_is_chosen_before_the_schedules(
        self, kit: Kit, small: Recording
    ) -> None:
        found = self.series(kit, small, on_demand_series_id="20260122222")
        assert found == ("20260122222", "Lecture")

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
    def test_series_of_the_schedule_is_chosen_before_the_default(
        self,
        kit: Kit,
        small: Recording,
        start_time: str,
        found: tuple[str, str],
        course: str | None,
    ) -> None:
        assert self.series(kit, small, start_time=start_time) == found
        assert kit.row.get("course") == course

    @pytest.mark.usefixtures("scheduled")
    def test_buffer_around_a_scheduled_class_is_a_setting(self, kit: Kit, small: Recording) -> None:
        kit.settings["buffer_minutes"] = 5
        assert self.series(kit, small)[0] == "99999999999"

    @pytest.mark.usefixtures("scheduled")
    def test_series_is_the_default_when_the_schedule_is_ignored(
        self, kit: Kit, small: Recording
    ) -> None:
        assert self.series(kit, small, ignore_schedule=True) == ("99999999999", "Lecture")

    @pytest.mark.parametrize("default", ["", "None"])
    def test_recording_is_ignored_when_it_has_no_series(
        self, kit: Kit, small: Recording, default: str
    ) -> None:
        kit.settings["default_series_id"] = default
        assert kit.take(kit.message(small))
        assert kit.outcome == ("IGNORED", "No opencast series match")
        assert kit.downloads() == 0
        assert kit.uploads() == kit.dead() == []


class TestFilesThatAreNotFinished:
    @pytest.fixture
    def unfinished(self, zoom: ZoomStandIn, small: Recording) -> Recording:
        """Done when Zoom's API has been asked twice more."""
        files = tuple(
            dataclasses.replace(file, processing_asks=2, file_id=f"late-{number}")
            for number, file in enumerate(small.files)
        )
        uuid = f"late{len(zoom.recordings)}=="
        return zoom.add(dataclasses.replace(small, uuid=uuid, files=files))

    def test_message_is_requeued_when_zoom_has_not_finished_the_files(
        self, kit: Kit, unfinished: Recording
    ) -> None:
        message = kit.message(unfinished)
        assert kit.take(message)
        (again,) = kit.aws.sent_to(kit.aws.download_queue)
        assert again["delay_seconds"] == 60
        assert again["body"] == {**message, "first_seen": "2026-10-14T18:30:00Z"}
        state, reason = kit.outcome
        assert state == "SENT_TO_DOWNLOADER"
        assert "not finished 2 of the files" in reason
        assert "asks again at 2026-10-14T18:31:00Z" in reason
        assert kit.dead() == kit.uploads() == []

    def test_recording_is_staged_when_zoom_has_finished_the_files(
        self, kit: Kit, unfinished: Recording
    ) -> None:
        kit.take(kit.message(unfinished))
        (again,) = kit.aws.sent_to(kit.aws.download_queue)
        kit.clock.forward(minutes=1)
        kit.zoom.expire_download_tokens(unfinished.uuid)
        kit.zoom.forget_requests()
        assert kit.take(again["body"])
        assert kit.outcome == ("SENT_TO_UPLOADER", "")
        # The same answer brings the token: there is no second question.
        assert sum(one.path.startswith("/v2/meetings/") for one in kit.zoom.requests) == 1
        assert len(kit.uploads()) == 1

    @pytest.mark.parametrize(("hours", "delay"), [(0.1, 360), (0.25, 900), (12, 900), (23.9, 900)])
    def test_delay_of_a_requeued_message_grows_with_its_age(
        self, kit: Kit, unfinished: Recording, hours: float, delay: int
    ) -> None:
        first_seen = "2026-10-14T18:30:00Z"
        kit.clock.forward(hours=hours)
        kit.take(kit.message(unfinished, first_seen=first_seen))
        (again,) = kit.aws.sent_to(kit.aws.download_queue)
        assert again["delay_seconds"] == delay
        assert again["body"]["first_seen"] == first_seen

    def test_message_is_given_up_when_zoom_has_not_finished_the_files_after_a_day(
        self, kit: Kit, unfinished: Recording
    ) -> None:
        kit.clock.forward(days=1)
        message = kit.message(unfinished, first_seen="2026-10-14T18:30:00Z")
        assert kit.take(message)
        assert kit.aws.sent_to(kit.aws.download_queue) == []
        (dead,) = kit.dead()
        del message["first_seen"]
        assert dead["body"] == message
        assert "after a day" in dead["reason"]
        state, reason = kit.outcome
        assert state == "DOWNLOADER_FAILED"
        assert reason.startswith("permanent failure: ")
        assert "operator is needed" in reason

    def test_message_waits_for_another_day_when_an_operator_retries_it(
        self, kit: Kit, zoom: ZoomStandIn, small: Recording
    ) -> None:
        slow = with_file(small, 0, processing_asks=9, file_id="slow-0")
        unfinished = zoom.add(dataclasses.replace(slow, uuid="slow=="))
        kit.clock.forward(days=1)
        kit.take(kit.message(unfinished, first_seen="2026-10-14T18:30:00Z"))
        (dead,) = kit.dead()
        kit.clock.forward(hours=5)
        assert kit.take(dead["body"])
        assert "asks again at" in kit.outcome[1]
        assert kit.dead() == []

    def test_row_says_that_the_message_waits_when_it_failed_before(
        self, kit: Kit, unfinished: Recording
    ) -> None:
        row = row_in("DOWNLOADER_FAILED", reason="retryable", retry_due="2026-10-14T18:40:00Z")
        kit.aws.status.put_item(Item=row)
        kit.take(kit.message(unfinished))
        assert kit.outcome[0] == "SENT_TO_DOWNLOADER"
        assert "asks again at" in kit.outcome[1]
        assert "retry_due" not in kit.row

    def test_message_is_given_up_when_zoom_does_not_know_the_recording(
        self, kit: Kit, unfinished: Recording
    ) -> None:
        message = kit.message(unfinished)
        kit.zoom.trash(unfinished.uuid)
        assert kit.take(message)
        assert "Zoom knows this recording no more" in kit.outcome[1]
        assert len(kit.dead()) == 1
