"""What was in Opencast and was deleted there comes back only by an operator's request."""

from __future__ import annotations

import pytest

from ingester.log import JsonFormatter
from ingester.rules.log_records import records_of
from tests.unit.functions.uploader.kit import ZIP_ID, Kit


def rewrite(kit: Kit, state: str) -> None:
    kit.aws.status.update_item(
        Key={"zip_id": ZIP_ID},
        UpdateExpression="SET pipeline_state = :state",
        ExpressionAttributeValues={":state": state},
    )


def test_what_arrived_is_not_sent_again(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody took it back; a late notification of Zoom's doesn't undo that."""
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


def test_a_dead_letter_that_is_retried_changes_nothing(kit: Kit) -> None:
    kit.take(kit.message())
    kit.clock.forward(hours=30)
    kit.delete_event()
    for receive_count in (1, 2):
        assert kit.take(kit.message(), receive_count=receive_count)
    assert (kit.posts, kit.outcome[0]) == (1, "SENT_TO_OPENCAST")


def test_an_operators_request_sends_it(kit: Kit) -> None:
    kit.take(kit.message())
    kit.clock.forward(hours=6)
    kit.delete_event()
    kit.take(kit.message())
    rewrite(kit, "SENT_TO_UPLOADER")
    assert kit.take(kit.message())
    assert kit.outcome == ("SENT_TO_OPENCAST", "")
    assert kit.posts == 2


def test_a_request_that_comes_meanwhile_goes_on(kit: Kit) -> None:
    """Its message would meet `SENT_TO_OPENCAST` otherwise, and send nothing."""
    kit.take(kit.message())
    kit.clock.forward(hours=6)
    kit.delete_event()
    kit.when_answered("/api/events/", lambda: rewrite(kit, "WEBHOOK_RECEIVED"))
    assert kit.take(kit.message())
    assert kit.outcome == ("WEBHOOK_RECEIVED", "")
    assert kit.take(kit.message())
    assert (kit.outcome, kit.posts) == (("SENT_TO_OPENCAST", ""), 2)


def test_one_that_may_only_be_late_is_waited_for(kit: Kit) -> None:
    """Opencast's index can lag behind its answer; 409 doesn't say that the event is there."""
    kit.fail("conflict")
    kit.take(kit.message())
    kit.clock.forward(hours=5)
    assert not kit.take(kit.message(), receive_count=2)
    assert (kit.posts, kit.outcome) == (1, ("SENT_TO_OPENCAST", ""))


class TestSeenThereBefore:
    """As after `exec.pipeline`, which says that the event has to be deleted first."""

    @pytest.fixture(autouse=True)
    def _deleted(self, kit: Kit) -> None:
        kit.take(kit.message())
        rewrite(kit, "SENT_TO_UPLOADER")
        kit.take(kit.message())
        kit.clock.forward(minutes=30)
        kit.delete_event()

    def test_the_next_request_is_sent_at_once(self, kit: Kit) -> None:
        rewrite(kit, "SENT_TO_UPLOADER")
        assert kit.take(kit.message())
        assert (kit.outcome, kit.posts) == (("SENT_TO_OPENCAST", ""), 2)

    def test_and_waited_for_if_its_answer_is_lost(self, kit: Kit) -> None:
        rewrite(kit, "SENT_TO_UPLOADER")
        kit.fail("close")
        assert not kit.take(kit.message())
        kit.clock.forward(hours=1)
        assert not kit.take(kit.message(), receive_count=2)
        assert "doesn't show it yet" in kit.outcome[1]
        assert kit.posts == 2

    def test_anything_else_is_told_so_at_once(self, kit: Kit) -> None:
        assert kit.take(kit.message())
        assert "isn't in Opencast any more" in kit.outcome[1]
        assert kit.posts == 1
