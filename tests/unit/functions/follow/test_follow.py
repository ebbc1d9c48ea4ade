"""The follow function, which polls Opencast about ingests."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingester.ledger.record import Fate
from ingester.opencast.following import LONGEST
from ingester.opencast.mediapackage import media_package_id
from tests.hooks import failing_table
from tests.unit.functions.follow.harness import Harness
from tests.unit.functions.uploader.harness import UUID

DAYS = LONGEST.days


@pytest.fixture(autouse=True)
def _every_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ingester")


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def metrics(caplog: pytest.LogCaptureFixture) -> list[Any]:
    values = [getattr(record, "MinutesToPublished", None) for record in caplog.records]
    return [value for value in values if value is not None]


def is_about_first(query: dict[str, Any]) -> bool:
    return "first==" in str(query["Key"])


def test_row_gets_state_published_when_the_workflow_has_published_its_event(
    harness: Harness,
) -> None:
    harness.ingest()
    assert harness.run_after(minutes=40) == {"asked": 1}
    assert harness.outcome() == ("PUBLISHED", "")
    assert (harness.following().fate, harness.following().due) == (Fate.PUBLISHED, "")


def test_minutes_from_request_to_end_of_the_workflow_are_counted_once(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.ingest()
    harness.run_after(minutes=40)
    harness.run_after(minutes=40)
    assert metrics(caplog) == [30.0]


def test_follow_continues_with_other_recordings_when_one_recording_causes_an_error(
    harness: Harness,
) -> None:
    harness.ingest("first==", "auto-ingest-first")
    harness.clock.forward(minutes=1)
    harness.ingest()

    with (
        failing_table(harness.aws.recordings, "GetItem", is_about_first),
        pytest.raises(ClientError),
    ):
        harness.run_after(minutes=40)
    assert harness.outcome() == ("PUBLISHED", "")


def test_an_error_about_one_recording_is_raised_when_opencast_answers_502_for_the_next_one(
    harness: Harness,
) -> None:
    harness.ingest("first==", "auto-ingest-first")
    harness.clock.forward(minutes=1)
    harness.ingest()
    harness.uploader.fail("status", "/api/events/", status=502)

    with (
        failing_table(harness.aws.recordings, "GetItem", is_about_first),
        pytest.raises(ClientError),
    ):
        harness.run_after(minutes=40)


def test_row_does_not_change_while_the_workflow_runs(harness: Harness) -> None:
    harness.ingest()
    harness.run_after(minutes=20)
    assert harness.outcome() == ("SENT_TO_OPENCAST", "")
    assert harness.following().fate is None


def test_follow_does_not_ask_again_about_a_published_ingest(harness: Harness) -> None:
    harness.ingest()
    harness.run_after(minutes=40)
    assert harness.run_after(days=1) == {"asked": 0}


def test_row_keeps_the_reason_about_late_files_when_its_event_is_published(
    harness: Harness,
) -> None:
    harness.ingest()
    harness.aws.status.update_item(
        Key={"zip_id": "auto-ingest-0001"},
        UpdateExpression="SET reason = :reason",
        ExpressionAttributeValues={":reason": "It lacks a file"},
    )
    harness.run_after(minutes=40)
    assert harness.outcome() == ("PUBLISHED", "It lacks a file")


def test_a_failed_workflow_is_reported_with_the_operation_the_reason_and_a_link(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.ingest()
    harness.end_workflow(end="FAILED", operation="encode", incident="No space left")
    harness.run_after(minutes=5)
    reason = "Opencast's operation encode failed: Operation failed: No space left"
    assert harness.outcome() == ("OPENCAST_FAILED", reason)
    (told,) = errors(caplog)
    workflow = harness.record().ingests[media_package_id(UUID)].workflow
    page = f"{harness.opencast.url}/workflow/instance/{workflow}.json"
    assert told.getMessage() == f"{reason} {page}"
    assert vars(told)["outlook"] == "Nothing happens automatically: it needs attention."


def test_a_failed_workflow_is_reported_once(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.ingest()
    harness.end_workflow(end="FAILED")
    harness.run_for(days=1)
    assert len(errors(caplog)) == 1


def test_a_failed_workflow_is_reported_with_its_operation_when_opencast_gives_no_reason(
    harness: Harness,
) -> None:
    harness.ingest()
    harness.end_workflow(end="FAILED", incident="")
    harness.run_after(minutes=5)
    assert harness.outcome()[1].startswith("Opencast's operation encode failed")


def test_a_failed_workflow_is_reported_again_when_the_ledger_could_not_be_written(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.ingest()
    harness.end_workflow(end="FAILED")
    with failing_table(harness.aws.recordings), pytest.raises(ClientError):
        harness.run_after(minutes=5)
    harness.run_after(minutes=5)
    assert len(errors(caplog)) == 2
    assert harness.following().fate is Fate.FAILED


def test_a_stopped_workflow_is_reported_as_a_failure(harness: Harness) -> None:
    harness.ingest()
    harness.end_workflow(end="STOPPED")
    harness.run_after(minutes=5)
    reason = "Somebody has stopped its workflow in Opencast."
    assert harness.outcome() == ("OPENCAST_FAILED", reason)


def test_row_gets_state_published_when_a_failed_workflow_finally_succeeds(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.ingest()
    harness.end_workflow(end="FAILED")
    harness.run_after(minutes=5)
    harness.end_workflow(end="SUCCEEDED")
    harness.run_for(days=1)
    assert harness.outcome() == ("PUBLISHED", "")
    assert len(metrics(caplog)) == 1


def test_row_does_not_change_while_the_workflow_is_paused(harness: Harness) -> None:
    harness.ingest()
    harness.end_workflow(end="PAUSED")
    harness.run_after(minutes=5)
    assert harness.outcome() == ("SENT_TO_OPENCAST", "")


def test_row_gets_state_opencast_deleted_when_its_event_stays_missing(
    harness: Harness,
) -> None:
    harness.ingest()
    harness.run_after(minutes=5)
    harness.delete_event()
    harness.run_after(minutes=10)
    assert harness.outcome() == ("SENT_TO_OPENCAST", "")
    harness.run_for(days=0.5)
    state, reason = harness.outcome()
    assert (state, reason.startswith("Its event isn't in Opencast")) == ("OPENCAST_DELETED", True)
    assert harness.run_after(days=1) == {"asked": 0}


def test_row_gets_state_published_when_its_event_was_missing_only_once(harness: Harness) -> None:
    harness.ingest()
    event = harness.opencast.store.events.pop(media_package_id(UUID))
    harness.run_after(minutes=40)
    harness.opencast.store.events[event.identifier] = event
    harness.run_for(days=0.5)
    assert harness.outcome() == ("PUBLISHED", "")


def test_row_does_not_change_when_the_workflow_in_the_ledger_is_of_another_event(
    harness: Harness,
) -> None:
    harness.ingest("another==", "auto-ingest-0002")
    harness.ingest()
    other = harness.record("another==").ingests[media_package_id("another==")].workflow
    harness.end_workflow("another==")
    harness.change_workflow_id(other)
    assert "another event" in harness.run(UUID)["message"]
    assert harness.outcome()[0] == "SENT_TO_OPENCAST"


def test_follow_asks_about_the_event_when_the_workflow_of_an_ingest_is_unknown(
    harness: Harness,
) -> None:
    harness.ingest()
    harness.change_workflow_id("")
    harness.run_after(minutes=40)
    assert harness.outcome() == ("PUBLISHED", "")


@pytest.mark.parametrize("change", [{"end": "PAUSED"}, {"publishes": False}])
def test_an_ingest_that_is_never_published_is_reported_once_after_a_week(
    harness: Harness, caplog: pytest.LogCaptureFixture, change: dict[str, Any]
) -> None:
    harness.ingest()
    harness.end_workflow(**change)
    asked = harness.run_for(days=DAYS + 0.2)
    (told,) = errors(caplog)
    assert vars(told)["goes_on"]
    assert str(DAYS) in harness.outcome()[1]
    assert harness.outcome()[0] == "SENT_TO_OPENCAST"
    assert asked < 60
    assert harness.run_after(days=1) == {"asked": 0}


def test_follow_up_of_an_ingest_ends_after_a_week_when_opencast_refuses_to_answer(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.ingest()
    harness.user = "agent"
    harness.run_for(days=DAYS + 0.2)
    (told,) = errors(caplog)
    assert "hasn't told for 7 days" in told.getMessage()
    assert harness.following().due == ""


def test_follow_changes_no_row_when_the_opencast_user_lacks_role_admin(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.ingest()
    harness.user = "agent"
    assert "ROLE_ADMIN" in harness.run_after(minutes=40)["message"]
    assert errors(caplog) == []
    assert harness.outcome() == ("SENT_TO_OPENCAST", "")


def test_follow_changes_no_row_when_the_opencast_user_may_not_read_the_event(
    harness: Harness,
) -> None:
    harness.ingest()
    harness.user = "blind"
    harness.run_for(days=1)
    assert harness.outcome() == ("SENT_TO_OPENCAST", "")


def test_follow_asks_about_at_most_five_recordings_in_a_run(
    harness: Harness,
) -> None:
    for number in range(8):
        harness.ingest(f"u{number}==", f"auto-ingest-u{number}")
    before = len(harness.asked())
    assert harness.run_after(minutes=40) == {"asked": 5}
    assert len(harness.asked()) - before <= 2 * 5 + 1
    assert harness.run() == {"asked": 3}
    states = {harness.outcome(f"auto-ingest-u{number}")[0] for number in range(8)}
    assert states == {"PUBLISHED"}


def test_follow_stops_at_a_502_of_opencast_and_begins_the_next_run_with_another_recording(
    harness: Harness,
) -> None:
    for number in range(2):
        harness.ingest(f"u{number}==", f"auto-ingest-u{number}")
        harness.clock.now += timedelta(seconds=1)
    harness.clock.now += timedelta(minutes=40)
    harness.uploader.fail("status", "/api/events/", status=502)
    assert "502" in harness.run()["message"]
    assert harness.run() == {"asked": 1}
    assert harness.outcome("auto-ingest-u1")[0] == "PUBLISHED"


def test_follow_asks_about_a_recording_before_it_is_due_when_an_operator_names_the_recording(
    harness: Harness,
) -> None:
    harness.ingest()
    harness.run()
    harness.end_workflow()
    assert harness.run() == {"asked": 0}
    assert harness.run(UUID) == {"asked": 1}
    assert harness.outcome() == ("PUBLISHED", "")


def test_follow_changes_no_row_when_follow_ingests_is_off(harness: Harness) -> None:
    harness.ingest()
    harness.is_on = False
    assert "FOLLOW_INGESTS" in harness.run_after(minutes=40)["message"]
    assert harness.outcome() == ("SENT_TO_OPENCAST", "")


def test_uploader_notes_no_follow_up_when_follow_ingests_is_off(harness: Harness) -> None:
    harness.uploader.settings["follow_ingests"] = False
    harness.ingest()
    assert harness.record().ingests[media_package_id(UUID)].following is None
    assert harness.run_after(minutes=40) == {"asked": 0}


def test_unreadable_record_is_reported_once_and_other_ingests_are_followed(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.ingest()
    harness.ingest("other==", "auto-ingest-0002")
    harness.aws.recordings.update_item(
        Key={"uuid": UUID},
        UpdateExpression="SET files = :wrong",
        ExpressionAttributeValues={":wrong": "edited by hand"},
    )
    assert harness.run_after(minutes=40) == {"asked": 1}
    assert harness.run_after(minutes=40) == {"asked": 0}
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize("changes", [{}, {"version": 0}], ids=["own version", "version 0"])
def test_record_leaves_the_follow_index_when_older_code_has_dropped_its_follow_up(
    harness: Harness, changes: dict[str, int]
) -> None:
    harness.ingest()
    item = {**harness.aws.recordings.get_item(Key={"uuid": UUID})["Item"], **changes}
    for ingest in item["ingests"].values():
        del ingest["following"]
    harness.aws.recordings.put_item(Item=item)
    assert harness.run_after(minutes=40) == {"asked": 0}
    assert harness.deps().ledger.due_to_follow(5) == []


def test_record_is_not_created_when_an_operator_names_a_recording_that_the_ledger_lacks(
    harness: Harness,
) -> None:
    assert harness.run("unknown==") == {"asked": 0}
    assert "Item" not in harness.aws.recordings.get_item(Key={"uuid": "unknown=="})
