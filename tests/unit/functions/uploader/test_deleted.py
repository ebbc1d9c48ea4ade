"""What was in Opencast and was deleted there comes back only when somebody asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from ingester.alerts.log_records import records_of
from ingester.ledger.record import End
from ingester.log import JsonFormatter
from tests.unit.functions.uploader.harness import OTHER_ZIP_ID, OWN_ID, ZIP_ID, Kit


def ingest_and_delete(kit: Kit) -> None:
    """Ingest a recording; somebody deletes it in Opencast a day later."""
    kit.accept()
    kit.take(kit.message())
    kit.clock.forward(days=1)
    kit.delete_event()


def test_deleted_event_is_told_and_not_sent_again(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody took it back; a late notification of Zoom's doesn't undo that."""
    kit.accept()
    kit.take(kit.message("active_speaker"))
    kit.clock.forward(hours=6)
    kit.delete_event()
    assert kit.take(kit.message("active_speaker", "chat_file"))
    assert kit.posts == 1
    state, reason = kit.outcome
    assert state == "SENT_TO_OPENCAST"
    assert "The ingest of 2026-10-14T18:30:00Z isn't in Opencast any more" in reason
    assert "`exec.pipeline` sends it" in reason
    [told] = [one for one in caplog.records if "any more" in one.message]
    [record] = records_of([JsonFormatter().format(told)])
    assert (told.levelname, record.goes_on) == ("ERROR", True)
    assert "`invoke exec.pipeline UUID`" in record.advice
    assert kit.dead() == []
    assert kit.record.request(ZIP_ID).end is End.IGNORED


def test_nothing_is_sent_when_a_dead_letter_is_retried_after_the_deletion(kit: Kit) -> None:
    ingest_and_delete(kit)
    for receive_count in (1, 2):
        assert kit.take(kit.message(), receive_count=receive_count)
    assert (kit.posts, kit.outcome[0]) == (1, "SENT_TO_OPENCAST")


def test_deleted_event_is_sent_again_when_somebody_asks_for_it_afterwards(kit: Kit) -> None:
    ingest_and_delete(kit)
    kit.take(kit.message())
    kit.accept()
    kit.put_row(ZIP_ID)
    assert kit.take(kit.message())
    assert kit.outcome == ("SENT_TO_OPENCAST", "")
    assert kit.posts == 2
    assert kit.posts_of == {OWN_ID: ["taken"]}


def test_deleted_event_is_sent_again_when_another_request_asks_for_it(kit: Kit) -> None:
    ingest_and_delete(kit)
    kit.accept(zip_id=OTHER_ZIP_ID)
    kit.put_row(OTHER_ZIP_ID)
    assert kit.take(kit.message(zip_id=OTHER_ZIP_ID))
    assert kit.outcome_of(OTHER_ZIP_ID) == ("SENT_TO_OPENCAST", "")
    assert kit.posts == 2
    assert kit.own_ingest.zip_id == OTHER_ZIP_ID


def test_request_of_before_the_ingest_ends_when_the_event_was_deleted(kit: Kit) -> None:
    """Two requests at once, one event: it was deleted before the second message had its turn."""
    kit.accept(zip_id=OTHER_ZIP_ID)
    kit.put_row(OTHER_ZIP_ID)
    ingest_and_delete(kit)
    assert kit.take(kit.message(zip_id=OTHER_ZIP_ID))
    assert kit.posts == 1
    state, reason = kit.outcome_of(OTHER_ZIP_ID)
    assert state == "IGNORED"
    assert "isn't in Opencast any more" in reason


def test_row_ends_when_the_deletion_came_before_its_last_write(kit: Kit) -> None:
    kit.accept()
    with kit.status_failing():
        kit.take(kit.message())
    kit.clock.forward(days=1)
    kit.delete_event()
    assert kit.take(kit.message(), receive_count=2)
    state, reason = kit.outcome
    assert state == "IGNORED"
    assert "isn't in Opencast any more" in reason


def test_request_that_comes_meanwhile_is_ingested(kit: Kit) -> None:
    ingest_and_delete(kit)

    def ask() -> None:
        kit.accept()
        kit.put_row(ZIP_ID, "SENT_TO_DOWNLOADER")

    kit.when_answered("/api/events/", ask)
    assert kit.take(kit.message())
    assert kit.posts == 1
    assert kit.take(kit.message())
    assert (kit.outcome, kit.posts) == (("SENT_TO_OPENCAST", ""), 2)


def test_event_is_waited_for_when_it_was_taken_and_never_shown(kit: Kit) -> None:
    """Opencast's index can lag behind its answer; 409 doesn't say that the event is there."""
    kit.fail("conflict")
    kit.take(kit.message())
    kit.clock.forward(hours=5)
    assert not kit.take(kit.message(), receive_count=2)
    assert (kit.posts, kit.outcome) == (1, ("SENT_TO_OPENCAST", ""))


class TestAnEventThatWasShownBefore:
    """As after `exec.pipeline`, which says that the event has to be deleted first."""

    @pytest.fixture(autouse=True)
    def _deleted(self, kit: Kit) -> None:
        kit.accept()
        kit.take(kit.message())
        kit.take(kit.message())
        kit.clock.forward(minutes=30)
        kit.delete_event()

    def ask_again(self, kit: Kit) -> dict[str, Any]:
        kit.accept()
        kit.put_row(ZIP_ID)
        return kit.message()

    def test_next_request_is_sent_at_once_when_the_deleted_event_was_shown_before(
        self, kit: Kit
    ) -> None:
        assert kit.take(self.ask_again(kit))
        assert (kit.outcome, kit.posts) == (("SENT_TO_OPENCAST", ""), 2)

    def test_next_request_waits_when_the_answer_to_its_post_is_lost(self, kit: Kit) -> None:
        kit.be_busy()
        kit.fail("close")
        message = self.ask_again(kit)
        assert not kit.take(message)
        kit.clock.forward(hours=1)
        assert not kit.take(message, receive_count=2)
        assert "doesn't show it yet" in kit.outcome[1]
        assert kit.posts == 2

    def test_redelivery_reports_the_deletion_at_once(self, kit: Kit) -> None:
        assert kit.take(kit.message())
        assert "isn't in Opencast any more" in kit.outcome[1]
        assert kit.posts == 1
