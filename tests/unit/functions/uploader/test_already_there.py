"""Messages whose recording is in Opencast already, or may be."""

from __future__ import annotations

import copy
import uuid
from typing import Any

import pytest

from ingester.alerts.log_records import LogRecord, records_of
from ingester.ledger.record import End
from ingester.log import JsonFormatter
from ingester.opencast import differences as one_ingest
from tests.unit.functions.uploader.harness import (
    OTHER_ZIP_ID,
    OWN_ID,
    SERIES,
    ZIP_ID,
    Harness,
    id_of,
    key_of,
)

ANOTHER_SERIES = "20260100000"


@pytest.fixture
def other(harness: Harness) -> dict[str, Any]:
    """Write the row of another request for the same recording, and return the request's message."""
    harness.put_row(OTHER_ZIP_ID)
    return harness.message(zip_id=OTHER_ZIP_ID)


def error_record(caplog: pytest.LogCaptureFixture, part: str) -> LogRecord:
    """Return the only ERROR log record with the text `part`, as log-notifications reads it."""
    [found] = [
        record
        for record in caplog.records
        if part in record.message and record.levelname == "ERROR"
    ]
    [record] = records_of([JsonFormatter().format(found)])
    return record


class TestAnEventThatTheLedgerDoesNotKnow:
    def test_request_is_ignored_when_opencast_has_an_event_that_the_ledger_does_not_know(
        self, harness: Harness
    ) -> None:
        harness.has_event()
        for _ in range(2):
            assert harness.take(harness.message())
            assert harness.outcome == ("IGNORED", "Already in opencast")
        assert harness.posts == 0
        assert harness.posts_of == {}
        assert harness.record.request(ZIP_ID).end is End.IGNORED


class TestAnotherRequestsIngest:
    def test_request_is_ignored_when_another_request_has_ingested_the_recording(
        self, harness: Harness, other: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.take(other)
        assert harness.take(harness.message())
        assert harness.outcome == ("IGNORED", "Already in opencast")
        assert harness.outcome_of(OTHER_ZIP_ID) == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1
        assert harness.record.request(ZIP_ID).end is End.IGNORED
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    def test_row_of_the_request_that_led_to_the_ingest_names_the_files_that_the_event_lacks(
        self, harness: Harness, other: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.take(other)
        assert harness.take(harness.message("active_speaker", "shared_screen"))
        assert harness.outcome == ("IGNORED", "Already in opencast")
        state, reason = harness.outcome_of(OTHER_ZIP_ID)
        assert state == "SENT_TO_OPENCAST"
        assert reason.startswith(
            "1 file(s) came after the ingest and stayed outside of it: "
            "shared_screen of 2026-10-14T14:00:12Z."
        )
        record = error_record(caplog, "came after the ingest")
        assert (record.goes_on, record.advice) == (True, one_ingest.ADD_THEM)
        assert harness.posts == 1

    def test_message_waits_when_the_event_of_another_request_may_still_appear(
        self, harness: Harness, other: dict[str, Any]
    ) -> None:
        harness.be_busy()
        harness.fail("close")
        harness.take(other)
        assert not harness.take(harness.message())
        state, reason = harness.outcome
        assert state == "UPLOADER_RECEIVED"
        assert reason.startswith(
            "Another request for this recording is just being ingested; asks again at"
        )
        assert harness.posts == 1

    def test_recording_is_ingested_when_opencast_refused_the_post_of_another_request(
        self, harness: Harness, other: dict[str, Any]
    ) -> None:
        harness.fail("status", status=400)
        harness.take(other)
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.own_ingest.zip_id == ZIP_ID
        assert harness.take(other, receive_count=2)
        assert harness.outcome_of(OTHER_ZIP_ID) == ("IGNORED", "Already in opencast")
        assert len(harness.opencast.ingests) == 1

    def test_recording_is_ingested_under_the_same_id_when_the_post_of_another_request_was_lost(
        self, harness: Harness, other: dict[str, Any]
    ) -> None:
        harness.be_silent()
        harness.fail("close")
        harness.take(other)
        harness.clock.forward(hours=6)
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts_of == {OWN_ID: ["unknown", "taken"]}
        assert harness.own_ingest.zip_id == ZIP_ID


class TestMultipleIngests:
    def test_second_event_has_a_random_id_when_the_first_event_is_in_opencast(
        self, harness: Harness
    ) -> None:
        harness.has_event()
        assert harness.take(harness.message(allow_multiple_ingests=True))
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        (ingest,) = harness.opencast.ingests
        assert ingest.mediapackage_id != OWN_ID
        assert uuid.UUID(ingest.mediapackage_id).version == 4

    def test_second_event_has_a_random_id_when_the_outcome_of_the_first_post_is_unknown(
        self, harness: Harness, other: dict[str, Any]
    ) -> None:
        harness.be_busy()
        harness.fail("close")
        harness.take(other)
        assert harness.take(harness.message(allow_multiple_ingests=True))
        (ingest,) = harness.opencast.ingests
        assert ingest.mediapackage_id != OWN_ID
        assert harness.posts_of == {OWN_ID: ["unknown"], ingest.mediapackage_id: ["taken"]}

    def test_first_event_has_the_id_that_follows_from_the_uuid(self, harness: Harness) -> None:
        harness.take(harness.message(allow_multiple_ingests=True))
        assert harness.opencast.ingests[0].mediapackage_id == OWN_ID

    def test_redelivered_message_finds_its_random_media_package_id_in_the_ledger(
        self, harness: Harness
    ) -> None:
        harness.has_event()
        harness.be_silent()
        harness.fail("close")
        message = harness.message(allow_multiple_ingests=True)
        assert not harness.take(message)
        (chosen,) = harness.posts_of
        assert not harness.take(message, receive_count=2)
        assert harness.posts == 1
        harness.clock.forward(hours=6)
        assert harness.take(message, receive_count=3)
        (ingest,) = harness.opencast.ingests
        assert ingest.mediapackage_id == chosen != OWN_ID

    def test_redelivered_message_makes_no_third_event_when_the_second_event_is_in_opencast(
        self, harness: Harness
    ) -> None:
        harness.has_event()
        message = harness.message(allow_multiple_ingests=True)
        for receive_count in (1, 2):
            assert harness.take(message, receive_count=receive_count)
            assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1

    def test_each_request_has_its_own_event_when_several_ingests_are_allowed(
        self, harness: Harness, other: dict[str, Any]
    ) -> None:
        harness.take(harness.message())
        harness.take(other | {"allow_multiple_ingests": True})
        harness.put_row("third")
        harness.take(harness.message(zip_id="third", allow_multiple_ingests=True))
        record = harness.record
        assert len(record.ingests) == 3
        assert record.media_package_of(ZIP_ID) == OWN_ID
        assert (
            len({record.media_package_of(zip_id) for zip_id in (ZIP_ID, OTHER_ZIP_ID, "third")})
            == 3
        )
        assert all(
            harness.outcome_of(zip_id)[0] == "SENT_TO_OPENCAST" for zip_id in record.requests
        )


class TestAnotherSeries:
    def test_reason_names_the_series_of_the_ingest_when_a_later_message_names_another_series(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        # `exec.pipeline --oc-series-id` sends a message while an earlier message is on the queue.
        harness.take(harness.message())
        assert harness.take(harness.message(opencast_series_id=ANOTHER_SERIES))
        said = f"It is in series {SERIES}, but this request is for series {ANOTHER_SERIES}"
        assert harness.outcome[0] == "SENT_TO_OPENCAST"
        assert harness.outcome[1].startswith(said)
        assert harness.row["oc_series_id"] == SERIES
        assert harness.part("isPartOf") == [harness.own_ingest.series] == [SERIES]
        assert error_record(caplog, said).advice == one_ingest.CHANGE_IT


class TestLateFiles:
    def test_row_names_the_late_files(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.take(harness.message("active_speaker"))
        assert harness.take(harness.message("active_speaker", "shared_screen", "chat_file"))
        reason = (
            "2 file(s) came after the ingest and stayed outside of it: "
            "shared_screen of 2026-10-14T14:00:12Z, chat_file of 2026-10-14T14:00:12Z. "
            "Add them in Opencast, or ingest the recording again."
        )
        assert harness.outcome == ("SENT_TO_OPENCAST", reason)
        assert harness.posts == 1
        record = error_record(caplog, "came after")
        assert (record.goes_on, record.advice) == (True, one_ingest.ADD_THEM)
        assert "exec.on-demand UUID --allow-multiple-ingests" in record.advice

    def test_file_is_not_late_when_another_message_gave_it_another_segment_number(
        self, harness: Harness
    ) -> None:
        # Zoom finishes the earlier segment later, so the other segment's number changes to 1.
        both = harness.message(segments=2)
        harness.take(second_alone(both))
        assert harness.take(both)
        assert harness.outcome[1].startswith(
            "1 file(s) came after the ingest and stayed outside of it: "
            "active_speaker of 2026-10-14T14:00:12Z."
        )

    def test_no_file_is_late_when_the_message_has_fewer_files(self, harness: Harness) -> None:
        both = harness.message(segments=2)
        harness.take(both)
        assert harness.take(second_alone(both))
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    def test_message_goes_to_the_dlq_after_five_failures_when_its_recording_was_ingested_before(
        self, harness: Harness
    ) -> None:
        harness.take(harness.message("active_speaker"))
        harness.fail("status", path="/api/events", status=403, times=None)
        late = harness.message("active_speaker", "shared_screen")
        for receive_count in range(1, 5):
            assert not harness.take(late, receive_count=receive_count)
        assert harness.take(late, receive_count=5)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        (dead,) = harness.dead()
        assert "attempt 5 of 5" in dead["reason"]

    def test_files_are_compared_by_their_keys_when_the_message_is_of_an_earlier_version(
        self, harness: Harness
    ) -> None:
        # Messages of an earlier version have no file ids.
        both = harness.message(segments=2)
        for file in both["s3_files"]["active_speaker"]["segments"]:
            del file["file_id"]
        harness.take(both)
        assert list(harness.own_ingest.files) == [key_of("active_speaker", n) for n in (0, 1)]
        assert harness.take(both, receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")


def second_alone(both: dict[str, Any]) -> dict[str, Any]:
    """Return a message with only the second segment, which has the number 0."""
    alone = copy.deepcopy(both)
    files = alone["s3_files"]["active_speaker"]["segments"]
    files[:] = [{**files[1], "segment_num": 0}]
    assert files[0]["file_id"] == id_of("active_speaker", 1)
    return alone
