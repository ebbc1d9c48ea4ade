"""What a run of reconcile hands in, what it leaves alone, and what it remembers."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import msgspec
import pytest

import webhook
from ingester.ledger.record import End, with_end
from ingester.reconcile.decisions import MOST_FOUND, Verdict
from ingester.zoom import signature
from local.neighbours.https_server import Answer, Request, text_answer
from local.neighbours.zoom_faults import Fault
from tests.cloud import Cloud
from tests.function_harness import OWN_KEY, webhook_dependencies
from tests.unit.functions.reconcile.harness import OK, Stage, named
from tests.unit.zoom_account import file


def test_a_missed_recording_is_handed_in_as_zooms_own_notification(stage: Stage) -> None:
    stage.begin()
    stage.zoom.add(named("missed=="))
    report = stage.run()
    assert (report["listed"], report["handed_in"], report["message"]) == (1, 1, "")
    [event] = stage.posted()
    assert event["event"] == "on.demand.ingest"
    assert event["payload"]["zip_id"] == "auto-ingest-missed=="
    assert "force" not in event["payload"]
    assert event["download_token"]
    [request] = stage.hook.requests
    now = stage.clock().timestamp()
    assert signature.verify([OWN_KEY], dict(request.headers.items()), request.body, now) == OWN_KEY


def test_a_recording_is_left_to_zoom_s_own_event_until_a_second_run_finds_it(stage: Stage) -> None:
    stage.begin()
    stage.zoom.add(named("missed=="))
    report = stage.run(is_found=False)
    assert (report["handed_in"], report["skipped"]) == (0, {str(Verdict.FOUND): 1})
    assert stage.state()["last"]["waiting"] == 1
    assert stage.run(is_found=False)["handed_in"] == 1
    assert stage.state()["found"] == []


def test_a_recording_that_could_not_be_handed_in_is_handed_in_by_the_next_run(stage: Stage) -> None:
    stage.begin()
    stage.zoom.add(named("missed=="))
    stage.run(is_found=False)
    stage.hook.answers[:] = [text_answer(500, "text/plain", b"")]
    assert stage.run(is_found=False)["handed_in"] == 0
    stage.hook.answers[:] = [OK]
    assert stage.run(is_found=False)["handed_in"] == 1


def test_recordings_are_handed_in_at_once_when_very_many_were_missed(stage: Stage) -> None:
    stage.begin()
    for number in range(MOST_FOUND + 2):
        stage.zoom.add(named(f"missed{number}=="))
    assert stage.run(is_found=False)["handed_in"] == 2
    assert len(stage.state()["found"]) == MOST_FOUND


def test_the_webhook_takes_what_is_handed_in(stage: Stage, aws: Cloud) -> None:
    def take(request: Request) -> Answer:
        event = {
            "headers": dict(request.headers.items()),
            "body": request.body.decode(),
            "isBase64Encoded": False,
        }
        said = webhook.respond(event, webhook_dependencies(aws, stage.clock))
        return Answer(said.status, (), said.body.encode())

    stage.hook.answers[:] = [take]
    stage.begin()
    stage.zoom.add(named("missed=="))
    assert stage.run()["handed_in"] == 1
    row = aws.rows()["auto-ingest-missed=="]
    assert (row["pipeline_state"], row["origin"]) == ("SENT_TO_DOWNLOADER", "webhook_notification")
    [message] = aws.sent_to(aws.download_queue)
    assert message["body"]["uuid"] == "missed=="


def test_the_first_run_sets_the_baseline_and_ingests_nothing(stage: Stage) -> None:
    stage.zoom.add(named("old=="))
    report = stage.run()
    assert (report["handed_in"], report["skipped"]) == (0, {"before the baseline": 1})
    assert stage.state()["baseline"] == "2026-10-14T18:30:00Z"
    stage.clock.forward(hours=1)
    stage.run()
    assert stage.state()["baseline"] == "2026-10-14T18:30:00Z"
    assert not stage.hook.requests


def test_a_recording_that_ends_after_the_baseline_is_handed_in_by_a_later_run(
    stage: Stage,
) -> None:
    stage.clock.set("2026-10-14T15:30:00+00:00")
    stage.zoom.add(named("in-between=="))
    assert stage.run()["skipped"] == {"ended less than an hour ago": 1}
    stage.clock.set("2026-10-14T16:30:00+00:00")
    assert stage.run()["skipped"] == {"ended less than an hour ago": 1}
    stage.clock.set("2026-10-14T17:00:00+00:00")
    assert stage.run()["handed_in"] == 1


@pytest.mark.parametrize("end", [None, End.FAILED, End.IGNORED, End.GONE])
def test_a_recording_that_was_ever_requested_is_left_alone(stage: Stage, end: End | None) -> None:
    stage.begin()
    stage.zoom.add(named("known=="))
    stage.note_request("known==")
    if end:
        zip_id = "auto-ingest-known=="
        stage.deps.ledger.change("known==", lambda record: with_end(record, zip_id, end))
    assert stage.run()["skipped"] == {"known": 1}
    assert not stage.hook.requests


def test_zooms_notice_of_the_trash_alone_doesnt_count_as_a_request(stage: Stage) -> None:
    stage.begin()
    stage.zoom.add(named("seen=="))
    notice = "The recording was moved to the trash in Zoom"
    stage.deps.ledger.change(
        "seen==", lambda record: msgspec.structs.replace(record, notice=notice)
    )
    assert stage.run()["handed_in"] == 1


def test_a_recording_that_zoom_hasnt_finished_waits(stage: Stage) -> None:
    stage.begin()
    unfinished = replace(file("f"), processing_asks=1)
    stage.zoom.add(named("early==", files=(unfinished, file("g"))))
    report = stage.run()
    assert (report["skipped"], stage.state()["last"]["waiting"]) == ({"not finished by Zoom": 1}, 1)
    assert not stage.hook.requests


def test_a_recording_without_video_is_left_alone(stage: Stage) -> None:
    stage.begin()
    stage.zoom.add(named("words==", files=(file("c", "CHAT", "chat_file"),)))
    assert stage.run()["skipped"] == {"no video": 1}


def test_a_trashed_recording_is_not_listed(stage: Stage) -> None:
    stage.begin()
    stage.zoom.add(named("trash=="))
    stage.zoom.trash("trash==")
    assert stage.run()["listed"] == 0


def test_a_recording_that_zoom_lists_but_doesnt_find_is_left_alone(stage: Stage) -> None:
    stage.begin()
    stage.zoom.add(named("ghost=="))
    # Token, account list (refused), two lists of users, the user's list: then the recording.
    stage.zoom.fail(Fault("status", where="api", status=404, skip=4))
    assert stage.run()["skipped"] == {"gone from Zoom": 1}
    assert not stage.hook.requests


def test_recordings_older_than_the_days_are_not_looked_at(stage: Stage) -> None:
    stage.begin("2026-10-01T00:00:00Z")
    stage.zoom.add(named("four days ago==", start_time="2026-10-10T15:00:00Z"))
    stage.zoom.add(named("yesterday==", start_time="2026-10-13T15:00:00Z"))
    assert stage.run()["listed"] == 1
    assert stage.handed_in() == ["yesterday=="]


def test_recordings_of_deactivated_users_are_found(stage: Stage) -> None:
    stage.begin()
    stage.zoom.add(named("left=="))
    stage.zoom.set_user("host", "inactive")
    assert stage.run()["how"] == "users"
    assert stage.handed_in() == ["left=="]


def test_a_run_tells_its_counts_and_the_metric_in_one_record(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.begin()
    stage.zoom.add(named("missed=="))
    stage.zoom.add(named("known=="))
    stage.note_request("known==")
    with caplog.at_level(logging.INFO, "ingester.reconcile"):
        stage.run()
    [record] = [one for one in caplog.records if one.getMessage().startswith("Reconciled")]
    assert record.getMessage() == "Reconciled by the users' lists: 1 of 2 recordings handed in"
    assert vars(record)["RecordingsReconciled"] == 1.0
    assert vars(record)["skipped"] == {"known": 1}


def test_a_run_without_missed_recordings_tells_a_zero(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.begin()
    with caplog.at_level(logging.INFO, "ingester.reconcile"):
        stage.run()
    assert vars(caplog.records[-1])["RecordingsReconciled"] == 0.0
    last = stage.state()["last"]
    assert last == {"at": "2026-10-14T18:30:00Z", "how": "users"}


def test_a_run_stops_in_time_and_the_next_one_goes_on(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.begin()
    for name in ("a", "b", "c"):
        stage.zoom.add(named(f"{name}==", host_id=name))

    def slow(_request: Request) -> Answer:
        stage.watch.now += 500
        return Answer(200)

    stage.hook.answers[:] = [slow]
    with caplog.at_level(logging.INFO, "ingester.reconcile"):
        assert stage.run()["is_complete"] is False
    assert stage.handed_in() == ["a==", "b=="]
    assert caplog.records[-1].getMessage().endswith("not done with the list: the next run goes on")
    assert stage.state()["next_user"] == "c"
    for name in ("a", "b"):
        stage.note_request(f"{name}==")
    assert stage.run()["is_complete"] is True
    assert stage.handed_in() == ["a==", "b==", "c=="]
    assert stage.state()["next_user"] == ""


def test_a_run_that_another_one_overtakes_keeps_what_both_have_told(stage: Stage) -> None:
    stage.begin()
    stage.zoom.add(named("bad=="))

    def overtaken(_request: Request) -> Answer:
        stage.deps.state.change(
            lambda state: msgspec.structs.replace(state, told={"other": "2026-10-14T18:00:00Z"})
        )
        return Answer(400, (), json.dumps({"message": "no"}).encode())

    stage.hook.answers[:] = [overtaken]
    stage.run()
    assert set(stage.state()["told"]) == {"other", "bad=="}


def test_reconcile_that_is_off_does_nothing(stage: Stage) -> None:
    stage.set_up(reconcile_days=0)
    stage.zoom.add(named("missed=="))
    assert "RECONCILE_DAYS is 0" in stage.run()["message"]
    assert not stage.zoom.requests
    assert not stage.aws.recordings.scan()["Items"]


def test_a_recording_is_handed_in_when_zoom_lists_a_file_that_no_notification_named(
    stage: Stage,
) -> None:
    stage.begin()
    stage.zoom.add(named("known==", files=(*named("known==").files, file("later"))))
    stage.note_request("known==")
    report = stage.run()
    assert (report["handed_in"], report["skipped"]) == (1, {})
    assert stage.handed_in() == ["known=="]
