"""What a message does whose recording is in Opencast already: its own ingest, or another one."""

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
    Kit,
    id_of,
    key_of,
)

ANOTHER_SERIES = "20260100000"


@pytest.fixture
def other(kit: Kit) -> dict[str, Any]:
    """Another request's message for the same recording."""
    kit.put_row(OTHER_ZIP_ID)
    return kit.message(zip_id=OTHER_ZIP_ID)


def told(caplog: pytest.LogCaptureFixture, part: str) -> LogRecord:
    """The only ERROR that holds these words, as log-notifications reads it."""
    [found] = [one for one in caplog.records if part in one.message and one.levelname == "ERROR"]
    [record] = records_of([JsonFormatter().format(found)])
    return record


class TestAnEventThatTheLedgerDoesNotKnow:
    def test_message_is_ignored_when_the_ledger_does_not_know_the_event(self, kit: Kit) -> None:
        kit.has_event()
        for _ in range(2):
            assert kit.take(kit.message())
            assert kit.outcome == ("IGNORED", "Already in opencast")
        assert kit.posts == 0
        assert kit.posts_of == {}
        assert kit.record.request(ZIP_ID).end is End.IGNORED


class TestAnotherRequestsIngest:
    def test_message_is_ignored_when_the_event_is_there(
        self, kit: Kit, other: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        kit.take(other)
        assert kit.take(kit.message())
        assert kit.outcome == ("IGNORED", "Already in opencast")
        assert kit.outcome_of(OTHER_ZIP_ID) == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1
        assert kit.record.request(ZIP_ID).end is End.IGNORED
        assert not [one for one in caplog.records if one.levelname == "ERROR"]

    def test_files_that_it_lacks_are_told_in_the_row_of_its_request(
        self, kit: Kit, other: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        kit.take(other)
        assert kit.take(kit.message("active_speaker", "shared_screen"))
        assert kit.outcome == ("IGNORED", "Already in opencast")
        state, reason = kit.outcome_of(OTHER_ZIP_ID)
        assert state == "SENT_TO_OPENCAST"
        assert reason.startswith(
            "1 file(s) came after the ingest and stayed outside of it: "
            "shared_screen of 2026-10-14T14:00:12Z."
        )
        record = told(caplog, "came after the ingest")
        assert (record.goes_on, record.advice) == (True, one_ingest.ADD_THEM)
        assert kit.posts == 1

    def test_message_waits_when_the_event_may_still_come(
        self, kit: Kit, other: dict[str, Any]
    ) -> None:
        kit.be_busy()
        kit.fail("close")
        kit.take(other)
        assert not kit.take(kit.message())
        state, reason = kit.outcome
        assert state == "UPLOADER_RECEIVED"
        assert reason.startswith(
            "Another request for this recording is just being ingested; asks again at"
        )
        assert kit.posts == 1

    def test_message_is_ingested_when_the_other_one_was_refused(
        self, kit: Kit, other: dict[str, Any]
    ) -> None:
        kit.fail("status", status=400)
        kit.take(other)
        assert kit.take(kit.message())
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.own_ingest.zip_id == ZIP_ID
        assert kit.take(other, receive_count=2)
        assert kit.outcome_of(OTHER_ZIP_ID) == ("IGNORED", "Already in opencast")
        assert len(kit.opencast.ingests) == 1

    def test_message_is_ingested_under_the_same_id_when_the_other_one_got_lost(
        self, kit: Kit, other: dict[str, Any]
    ) -> None:
        kit.be_silent()
        kit.fail("close")
        kit.take(other)
        kit.clock.forward(hours=6)
        assert kit.take(kit.message())
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts_of == {OWN_ID: ["unknown", "taken"]}
        assert kit.own_ingest.zip_id == ZIP_ID


class TestMultipleIngests:
    def test_second_event_has_a_random_id_when_the_first_is_there(self, kit: Kit) -> None:
        kit.has_event()
        assert kit.take(kit.message(allow_multiple_ingests=True))
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        (ingest,) = kit.opencast.ingests
        assert ingest.mediapackage_id != OWN_ID
        assert uuid.UUID(ingest.mediapackage_id).version == 4

    def test_second_event_has_a_random_id_when_the_first_is_only_claimed(
        self, kit: Kit, other: dict[str, Any]
    ) -> None:
        kit.be_busy()
        kit.fail("close")
        kit.take(other)
        assert kit.take(kit.message(allow_multiple_ingests=True))
        (ingest,) = kit.opencast.ingests
        assert ingest.mediapackage_id != OWN_ID
        assert kit.posts_of == {OWN_ID: ["unknown"], ingest.mediapackage_id: ["taken"]}

    def test_first_event_has_the_primary_id_when_nothing_is_there(self, kit: Kit) -> None:
        kit.take(kit.message(allow_multiple_ingests=True))
        assert kit.opencast.ingests[0].mediapackage_id == OWN_ID

    def test_redelivery_finds_its_random_id_in_the_ledger(self, kit: Kit) -> None:
        kit.has_event()
        kit.be_silent()
        kit.fail("close")
        message = kit.message(allow_multiple_ingests=True)
        assert not kit.take(message)
        (chosen,) = kit.posts_of
        assert not kit.take(message, receive_count=2)
        assert kit.posts == 1
        kit.clock.forward(hours=6)
        assert kit.take(message, receive_count=3)
        (ingest,) = kit.opencast.ingests
        assert ingest.mediapackage_id == chosen != OWN_ID

    def test_redelivery_makes_no_third_event_when_the_second_is_there(self, kit: Kit) -> None:
        kit.has_event()
        message = kit.message(allow_multiple_ingests=True)
        for receive_count in (1, 2):
            assert kit.take(message, receive_count=receive_count)
            assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1

    def test_each_request_gets_its_own_event(self, kit: Kit, other: dict[str, Any]) -> None:
        kit.take(kit.message())
        kit.take(other | {"allow_multiple_ingests": True})
        kit.put_row("third")
        kit.take(kit.message(zip_id="third", allow_multiple_ingests=True))
        record = kit.record
        assert len(record.ingests) == 3
        assert record.ingest_of(ZIP_ID) == OWN_ID
        assert len({record.ingest_of(one) for one in (ZIP_ID, OTHER_ZIP_ID, "third")}) == 3
        assert all(kit.outcome_of(one)[0] == "SENT_TO_OPENCAST" for one in record.requests)


class TestAnotherSeries:
    def test_reason_names_the_series_that_the_ingest_is_in(
        self, kit: Kit, caplog: pytest.LogCaptureFixture
    ) -> None:
        """`exec.pipeline --oc-series-id`, while an earlier message was on the upload queue."""
        kit.take(kit.message())
        assert kit.take(kit.message(opencast_series_id=ANOTHER_SERIES))
        said = f"It was ingested into series {SERIES}, before it was asked for in {ANOTHER_SERIES}"
        assert kit.outcome[0] == "SENT_TO_OPENCAST"
        assert kit.outcome[1].startswith(said)
        assert kit.part("isPartOf") == [kit.own_ingest.series] == [SERIES]
        assert told(caplog, said).advice == one_ingest.CHANGE_IT


class TestLateFiles:
    def test_files_are_told_by_name_when_they_stayed_outside(
        self, kit: Kit, caplog: pytest.LogCaptureFixture
    ) -> None:
        kit.take(kit.message("active_speaker"))
        assert kit.take(kit.message("active_speaker", "shared_screen", "chat_file"))
        reason = (
            "2 file(s) came after the ingest and stayed outside of it: "
            "shared_screen of 2026-10-14T14:00:12Z, chat_file of 2026-10-14T14:00:12Z. "
            "Add them in Opencast, or ingest the recording again."
        )
        assert kit.outcome == ("SENT_TO_OPENCAST", reason)
        assert kit.posts == 1
        record = told(caplog, "came after")
        assert (record.goes_on, record.advice) == (True, one_ingest.ADD_THEM)
        assert "exec.on-demand UUID --allow-multiple-ingests" in record.advice

    def test_file_is_inside_when_another_message_gave_it_another_number(self, kit: Kit) -> None:
        """Zoom finished an earlier segment later: what was number 0 is number 1 then."""
        both = kit.message(segments=2)
        kit.take(second_alone(both))
        assert kit.take(both)
        assert kit.outcome[1].startswith(
            "1 file(s) came after the ingest and stayed outside of it: "
            "active_speaker of 2026-10-14T14:00:12Z."
        )

    def test_nothing_is_outside_when_the_message_knows_fewer_files(self, kit: Kit) -> None:
        both = kit.message(segments=2)
        kit.take(both)
        assert kit.take(second_alone(both))
        assert kit.outcome == ("SENT_TO_OPENCAST", "")

    def test_failures_end_also_when_the_ingest_is_done(self, kit: Kit) -> None:
        """Its row stays as it is: the ledger counts."""
        kit.take(kit.message("active_speaker"))
        kit.fail("status", path="/api/events", status=403, times=None)
        late = kit.message("active_speaker", "shared_screen")
        for receive_count in range(1, 5):
            assert not kit.take(late, receive_count=receive_count)
        assert kit.take(late, receive_count=5)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        (dead,) = kit.dead()
        assert "attempt 5 of 5" in dead["reason"]

    def test_messages_of_an_earlier_version_are_compared_by_their_keys(self, kit: Kit) -> None:
        """They tell no ids."""
        both = kit.message(segments=2)
        for file in both["s3_files"]["active_speaker"]["segments"]:
            del file["file_id"]
        kit.take(both)
        assert list(kit.own_ingest.files) == [key_of("active_speaker", n) for n in (0, 1)]
        assert kit.take(both, receive_count=2)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")


def second_alone(both: dict[str, Any]) -> dict[str, Any]:
    """The message of a notification that brings the second segment only: number 0 in it."""
    alone = copy.deepcopy(both)
    files = alone["s3_files"]["active_speaker"]["segments"]
    files[:] = [{**files[1], "segment_num": 0}]
    assert files[0]["file_id"] == id_of("active_speaker", 1)
    return alone
