"""Runs of the reconcile function."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import msgspec
import pytest

import webhook
from ingester.ledger.record import End, with_end
from ingester.reconcile.decisions import MAX_FOUND, Decision
from ingester.zoom import signature
from local.neighbours.https_server import Answer, Request, text_answer
from local.neighbours.zoom_faults import Fault
from tests.cloud import Cloud
from tests.function_harness import OWN_KEY, webhook_dependencies
from tests.unit.functions.reconcile.harness import Harness, named
from tests.unit.functions.requesting import OK
from tests.unit.zoom_account import file


def test_missed_recording_is_requested_under_the_zip_id_of_the_lost_webhook_event(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("missed=="))
    report = harness.run()
    assert (report["listed"], report["handed_in"], report["message"]) == (1, 1, "")
    [event] = harness.posted()
    assert event["event"] == "on.demand.ingest"
    assert event["payload"]["zip_id"] == "auto-ingest-missed=="
    assert "force" not in event["payload"]
    assert event["download_token"]
    [request] = harness.hook.requests
    now = harness.clock().timestamp()
    assert signature.verify([OWN_KEY], dict(request.headers.items()), request.body, now) == OWN_KEY


def test_missed_recording_is_requested_when_a_second_run_of_reconcile_finds_it(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("missed=="))
    report = harness.run(is_found=False)
    assert (report["handed_in"], report["skipped"]) == (0, {str(Decision.FOUND): 1})
    assert harness.state()["last"]["waiting"] == 1
    assert harness.run(is_found=False)["handed_in"] == 1
    assert harness.state()["found"] == []


def test_next_run_of_reconcile_requests_a_recording_when_the_webhook_answered_500(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("missed=="))
    harness.run(is_found=False)
    harness.hook.answers[:] = [text_answer(500, "text/plain", b"")]
    assert harness.run(is_found=False)["handed_in"] == 0
    harness.hook.answers[:] = [OK]
    assert harness.run(is_found=False)["handed_in"] == 1


def test_reconcile_requests_the_found_recordings_that_its_state_cannot_hold(
    harness: Harness,
) -> None:
    harness.begin()
    for number in range(MAX_FOUND + 2):
        harness.zoom.add(named(f"missed{number}=="))
    assert harness.run(is_found=False)["handed_in"] == 2
    assert len(harness.state()["found"]) == MAX_FOUND


def test_webhook_accepts_the_request_of_reconcile_for_a_missed_recording(
    harness: Harness, aws: Cloud
) -> None:
    def take(request: Request) -> Answer:
        event = {
            "headers": dict(request.headers.items()),
            "body": request.body.decode(),
            "isBase64Encoded": False,
        }
        said = webhook.respond(event, webhook_dependencies(aws, harness.clock))
        return Answer(said.status, (), said.body.encode())

    harness.hook.answers[:] = [take]
    harness.begin()
    harness.zoom.add(named("missed=="))
    assert harness.run()["handed_in"] == 1
    row = aws.rows()["auto-ingest-missed=="]
    assert (row["pipeline_state"], row["origin"]) == ("SENT_TO_DOWNLOADER", "webhook_notification")
    [message] = aws.sent_to(aws.download_queue)
    assert message["body"]["uuid"] == "missed=="


def test_first_run_of_reconcile_sets_the_baseline_and_requests_nothing(harness: Harness) -> None:
    harness.zoom.add(named("old=="))
    report = harness.run()
    assert (report["handed_in"], report["skipped"]) == (0, {"before the baseline": 1})
    assert harness.state()["baseline"] == "2026-10-14T18:30:00Z"
    harness.clock.forward(hours=1)
    harness.run()
    assert harness.state()["baseline"] == "2026-10-14T18:30:00Z"
    assert not harness.hook.requests


@pytest.mark.parametrize("end", [None, End.FAILED, End.IGNORED, End.GONE])
def test_reconcile_skips_a_recording_when_it_was_requested_before(
    harness: Harness, end: End | None
) -> None:
    harness.begin()
    harness.zoom.add(named("known=="))
    harness.note_request("known==")
    if end:
        zip_id = "auto-ingest-known=="
        harness.deps.ledger.change("known==", lambda record: with_end(record, zip_id, end))
    assert harness.run()["skipped"] == {"known": 1}
    assert not harness.hook.requests


def test_reconcile_requests_a_recording_when_the_ledger_has_only_a_notice_of_the_zoom_trash(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("seen=="))
    notice = "The recording was moved to the trash in Zoom"
    harness.deps.ledger.change(
        "seen==", lambda record: msgspec.structs.replace(record, notice=notice)
    )
    assert harness.run()["handed_in"] == 1


def test_reconcile_does_not_request_a_recording_that_zoom_has_not_finished(
    harness: Harness,
) -> None:
    harness.begin()
    unfinished = replace(file("f"), processing_asks=1)
    harness.zoom.add(named("early==", files=(unfinished, file("g"))))
    report = harness.run()
    assert (report["skipped"], harness.state()["last"]["waiting"]) == (
        {"not finished by Zoom": 1},
        1,
    )
    assert not harness.hook.requests


def test_reconcile_skips_a_recording_when_zoom_lists_it_and_answers_404(harness: Harness) -> None:
    harness.begin()
    harness.zoom.add(named("ghost=="))
    # Skip the requests for the account's list, for two lists of users, and for the user's list.
    harness.zoom.fail(Fault("status", where="api", status=404, skip=4))
    assert harness.run()["skipped"] == {"gone from Zoom": 1}
    assert not harness.hook.requests


def test_reconcile_lists_no_recording_that_is_older_than_reconcile_days(
    harness: Harness,
) -> None:
    harness.begin("2026-10-01T00:00:00Z")
    harness.zoom.add(named("four days ago==", start_time="2026-10-10T15:00:00Z"))
    harness.zoom.add(named("yesterday==", start_time="2026-10-13T15:00:00Z"))
    assert harness.run()["listed"] == 1
    assert harness.requested_uuids() == ["yesterday=="]


def test_reconcile_requests_a_recording_when_its_user_is_deactivated(harness: Harness) -> None:
    harness.begin()
    harness.zoom.add(named("left=="))
    harness.zoom.set_user("host", "inactive")
    assert harness.run()["how"] == "users"
    assert harness.requested_uuids() == ["left=="]


def test_reconcile_logs_its_counts_and_the_metric_in_one_log_record(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("missed=="))
    harness.zoom.add(named("known=="))
    harness.note_request("known==")
    with caplog.at_level(logging.INFO, "ingester.reconcile"):
        harness.run()
    [record] = [record for record in caplog.records if record.getMessage().startswith("Reconciled")]
    assert record.getMessage() == "Reconciled by the users' lists: 1 of 2 recordings requested"
    assert vars(record)["RecordingsReconciled"] == 1.0
    assert vars(record)["skipped"] == {"known": 1}


def test_reconcile_logs_a_metric_of_0_when_no_recording_was_missed(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    with caplog.at_level(logging.INFO, "ingester.reconcile"):
        harness.run()
    assert vars(caplog.records[-1])["RecordingsReconciled"] == 0.0
    last = harness.state()["last"]
    assert last == {"at": "2026-10-14T18:30:00Z", "how": "users"}


def test_reconcile_begins_no_request_after_its_deadline_and_the_next_run_continues(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    for name in ("a", "b", "c"):
        harness.zoom.add(named(f"{name}==", host_id=name))

    def slow(_request: Request) -> Answer:
        harness.watch.now += 500
        return Answer(200)

    harness.hook.answers[:] = [slow]
    with caplog.at_level(logging.INFO, "ingester.reconcile"):
        assert harness.run()["is_complete"] is False
    assert harness.requested_uuids() == ["a==", "b=="]
    assert caplog.records[-1].getMessage().endswith("not done with the list: the next run goes on")
    assert harness.state()["next_user"] == "c"
    for name in ("a", "b"):
        harness.note_request(f"{name}==")
    assert harness.run()["is_complete"] is True
    assert harness.requested_uuids() == ["a==", "b==", "c=="]
    assert harness.state()["next_user"] == ""


def test_state_of_reconcile_keeps_the_logged_problems_of_two_overlapping_runs(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("bad=="))

    def overtaken(_request: Request) -> Answer:
        harness.deps.state.change(
            lambda state: msgspec.structs.replace(state, told={"other": "2026-10-14T18:00:00Z"})
        )
        return Answer(400, (), json.dumps({"message": "no"}).encode())

    harness.hook.answers[:] = [overtaken]
    harness.run()
    assert set(harness.state()["told"]) == {"other", "bad=="}


def test_reconcile_asks_zoom_nothing_and_writes_no_state_when_reconcile_days_is_0(
    harness: Harness,
) -> None:
    harness.set_up(reconcile_days=0)
    harness.zoom.add(named("missed=="))
    assert "RECONCILE_DAYS is 0" in harness.run()["message"]
    assert not harness.zoom.requests
    assert not harness.aws.recordings.scan()["Items"]


def test_reconcile_requests_a_recording_when_zoom_lists_a_file_that_no_webhook_event_named(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("known==", files=(*named("known==").files, file("later"))))
    harness.note_request("known==")
    report = harness.run()
    assert (report["handed_in"], report["skipped"]) == (1, {})
    assert harness.requested_uuids() == ["known=="]
