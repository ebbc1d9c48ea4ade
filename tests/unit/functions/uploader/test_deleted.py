"""Events that were deleted in Opencast, whose recordings are ingested again only on request."""

from __future__ import annotations

from typing import Any

import pytest

from ingester.alerts.log_records import records_of
from ingester.ledger.record import End
from ingester.log import JsonFormatter
from tests.hooks import failing_table
from tests.unit.functions.uploader.harness import OTHER_ZIP_ID, OWN_ID, ZIP_ID, Harness


def ingest_and_delete(harness: Harness) -> None:
    """Ingest a recording, and delete its event in Opencast a day later."""
    harness.accept()
    harness.take(harness.message())
    harness.clock.forward(days=1)
    harness.delete_event()


def test_deletion_of_an_event_is_reported_and_not_undone_when_a_late_message_comes(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    # A late webhook event of Zoom's must not undo a deletion.
    harness.accept()
    harness.take(harness.message("active_speaker"))
    harness.clock.forward(hours=6)
    harness.delete_event()
    assert harness.take(harness.message("active_speaker", "chat_file"))
    assert harness.posts == 1
    state, reason = harness.outcome
    assert state == "SENT_TO_OPENCAST"
    assert "The ingest of 2026-10-14T18:30:00Z isn't in Opencast any more" in reason
    assert "`exec.pipeline` sends it" in reason
    [error] = [record for record in caplog.records if "any more" in record.message]
    [record] = records_of([JsonFormatter().format(error)])
    assert (error.levelname, record.goes_on) == ("ERROR", True)
    assert "`invoke exec.pipeline UUID`" in record.advice
    assert harness.dead() == []
    assert harness.record.request(ZIP_ID).end is End.IGNORED


def test_redriven_message_causes_no_second_post_after_the_event_was_deleted_in_opencast(
    harness: Harness,
) -> None:
    ingest_and_delete(harness)
    for receive_count in (1, 2):
        assert harness.take(harness.message(), receive_count=receive_count)
    assert (harness.posts, harness.outcome[0]) == (1, "SENT_TO_OPENCAST")


def test_recording_of_a_deleted_event_is_ingested_again_when_its_request_is_accepted_again(
    harness: Harness,
) -> None:
    ingest_and_delete(harness)
    harness.take(harness.message())
    harness.accept()
    harness.put_row(ZIP_ID)
    assert harness.take(harness.message())
    assert harness.outcome == ("SENT_TO_OPENCAST", "")
    assert harness.posts == 2
    assert harness.posts_of == {OWN_ID: ["taken"]}


def test_recording_of_a_deleted_event_is_ingested_again_when_another_request_is_accepted(
    harness: Harness,
) -> None:
    ingest_and_delete(harness)
    harness.accept(zip_id=OTHER_ZIP_ID)
    harness.put_row(OTHER_ZIP_ID)
    assert harness.take(harness.message(zip_id=OTHER_ZIP_ID))
    assert harness.outcome_of(OTHER_ZIP_ID) == ("SENT_TO_OPENCAST", "")
    assert harness.posts == 2
    assert harness.own_ingest.zip_id == OTHER_ZIP_ID


def test_request_from_before_the_ingest_is_ignored_when_the_event_was_deleted(
    harness: Harness,
) -> None:
    # Somebody deletes the event of two simultaneous requests before the second message comes.
    harness.accept(zip_id=OTHER_ZIP_ID)
    harness.put_row(OTHER_ZIP_ID)
    ingest_and_delete(harness)
    assert harness.take(harness.message(zip_id=OTHER_ZIP_ID))
    assert harness.posts == 1
    state, reason = harness.outcome_of(OTHER_ZIP_ID)
    assert state == "IGNORED"
    assert "isn't in Opencast any more" in reason


def test_row_becomes_ignored_when_the_event_was_deleted_and_the_row_could_not_be_written(
    harness: Harness,
) -> None:
    harness.accept()
    with failing_table(harness.aws.status):
        harness.take(harness.message())
    harness.clock.forward(days=1)
    harness.delete_event()
    assert harness.take(harness.message(), receive_count=2)
    state, reason = harness.outcome
    assert state == "IGNORED"
    assert "isn't in Opencast any more" in reason


def test_recording_is_ingested_when_a_request_comes_while_the_deletion_is_noticed(
    harness: Harness,
) -> None:
    ingest_and_delete(harness)

    def ask() -> None:
        harness.accept()
        harness.put_row(ZIP_ID, "SENT_TO_DOWNLOADER")

    harness.when_answered("/api/events/", ask)
    assert harness.take(harness.message())
    assert harness.posts == 1
    assert harness.take(harness.message())
    assert (harness.outcome, harness.posts) == (("SENT_TO_OPENCAST", ""), 2)


def test_message_waits_when_opencast_answered_409_to_the_ingest_and_shows_no_event(
    harness: Harness,
) -> None:
    # Opencast's index can lag behind its answer. A 409 doesn't mean that the event exists.
    harness.fail("conflict")
    harness.take(harness.message())
    harness.clock.forward(hours=5)
    assert not harness.take(harness.message(), receive_count=2)
    assert (harness.posts, harness.outcome) == (1, ("SENT_TO_OPENCAST", ""))


class TestAnEventThatWasShownBefore:
    """Deleted events that the uploader had seen.

    An operator deletes an event in order to ingest its recording again by `exec.pipeline`.
    """

    @pytest.fixture(autouse=True)
    def _deleted(self, harness: Harness) -> None:
        harness.accept()
        harness.take(harness.message())
        harness.take(harness.message())
        harness.clock.forward(minutes=30)
        harness.delete_event()

    def ask_again(self, harness: Harness) -> dict[str, Any]:
        harness.accept()
        harness.put_row(ZIP_ID)
        return harness.message()

    def test_next_request_is_posted_without_waiting_when_the_deleted_event_was_shown_before(
        self, harness: Harness
    ) -> None:
        assert harness.take(self.ask_again(harness))
        assert (harness.outcome, harness.posts) == (("SENT_TO_OPENCAST", ""), 2)

    def test_next_request_waits_when_the_answer_to_its_post_is_lost(self, harness: Harness) -> None:
        harness.be_busy()
        harness.fail("close")
        message = self.ask_again(harness)
        assert not harness.take(message)
        harness.clock.forward(hours=1)
        assert not harness.take(message, receive_count=2)
        assert "doesn't show it yet" in harness.outcome[1]
        assert harness.posts == 2

    def test_redelivered_message_reports_the_deletion_when_the_event_was_shown_before(
        self, harness: Harness
    ) -> None:
        assert harness.take(harness.message())
        assert "isn't in Opencast any more" in harness.outcome[1]
        assert harness.posts == 1
