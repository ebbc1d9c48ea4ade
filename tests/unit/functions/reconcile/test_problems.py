"""Failures of reconcile, for example by one recording, Zoom, the webhook or the state."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

import reconcile
from ingester.log import JsonFormatter
from ingester.reconcile.decisions import Decision, State
from ingester.reconcile.state_table import KEY, ReconcileState
from ingester.zoom.recording_list import ATTEMPTS
from local.neighbours.https_server import Answer, Request, json_answer
from local.neighbours.zoom_account import READ_FILES_SCOPE, USERS_SCOPES
from local.neighbours.zoom_faults import Fault
from tests.hooks import failing_table
from tests.unit.functions.reconcile.harness import EVERY_HOUR, SECONDS, Harness, named
from tests.unit.functions.requesting import OK
from tests.unit.zoom_account import file

REFUSED = Answer(400, (), json.dumps({"message": "no field"}).encode())
DELETED = "The item #reconcile in the table of recordings was deleted meanwhile."


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


def test_reconcile_requests_other_recordings_when_the_webhook_refuses_one_recording(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("a==", start_time="2026-10-14T15:01:00Z"))
    harness.zoom.add(named("b=="))
    harness.hook.answers[:] = [REFUSED, OK]
    report = harness.run()
    assert (report["handed_in"], report["failed"], report["message"]) == (1, 1, "")
    outcomes = {recording["uuid"]: recording["outcome"] for recording in report["recordings"]}
    assert outcomes == {
        "a==": "failed: The webhook answered 400: no field",
        "b==": "requested",
    }
    [error] = errors(caplog)
    assert error == (
        "HIST E-10, 2026-10-14T15:01:00Z, meeting 95846636714 can't be requested: "
        "The webhook answered 400: no field"
    )


def test_reconcile_requests_other_recordings_when_one_ledger_record_is_unreadable(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("edited=="))
    harness.zoom.add(named("fine=="))
    harness.aws.recordings.put_item(Item={"uuid": "edited==", "version": 1, "requests": "many"})
    report = harness.run()
    assert (report["handed_in"], report["failed"]) == (1, 1)
    assert harness.requested_uuids() == ["fine=="]
    [error] = errors(caplog)
    assert "edited==" in error


def test_reconcile_requests_other_recordings_when_one_entry_of_the_zoom_list_is_invalid(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("odd==", start_time="2026-10-14T25:00:00Z", topic="Odd"))
    harness.zoom.add(named("fine=="))
    assert harness.run()["handed_in"] == 1
    [error] = errors(caplog)
    assert "uuid odd==, id 95846636714, topic Odd" in error


def test_reconcile_requests_other_recordings_when_the_id_of_one_file_is_no_text(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    odd: Any = ["f"]
    harness.zoom.add(named("odd==", files=(replace(file("f"), file_id=odd),)))
    harness.zoom.add(named("fine=="))
    harness.note_request("odd==")
    report = harness.run()
    assert (report["handed_in"], report["failed"]) == (1, 1)
    assert harness.requested_uuids() == ["fine=="]
    [error] = errors(caplog)
    assert "can't be requested: Zoom's answer lacks something" in error


def test_run_of_reconcile_is_incomplete_and_the_next_run_retries_when_the_webhook_answers_502(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("a==", start_time="2026-10-14T15:01:00Z"))
    harness.zoom.add(named("b=="))
    harness.hook.answers[:] = [Answer(502)]
    with caplog.at_level(logging.INFO, "ingester.reconcile"):
        report = harness.run()
    assert (report["handed_in"], report["is_complete"]) == (0, False)
    assert report["message"] == "The webhook answered 502."
    assert harness.state()["last"]["error"] == "The webhook answered 502."
    assert set(harness.requested_uuids()) == {"a==", "b=="}
    # The next run retries, so no error is logged. A run that ends with an error and has requested
    # nothing writes no metric for the alarm.
    assert not errors(caplog)
    assert "RecordingsReconciled" not in vars(caplog.records[-1])
    harness.hook.answers[:] = [OK]
    assert harness.run()["handed_in"] == 2
    assert "error" not in harness.state()["last"]


def test_run_of_reconcile_stops_when_the_webhook_answers_502_for_three_recordings_in_a_row(
    harness: Harness,
) -> None:
    harness.begin()
    for uuid in ("a==", "b==", "c==", "d=="):
        harness.zoom.add(named(uuid))
    harness.hook.answers[:] = [Answer(502)]
    assert harness.run()["message"] == "The webhook answered 502."
    assert len(set(harness.requested_uuids())) == 3


@pytest.mark.parametrize("broken", ["first==", "last=="])
def test_reconcile_requests_other_recordings_when_the_webhook_answers_502_for_one_recording(
    harness: Harness, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    harness.begin()
    harness.zoom.add(named("first==", start_time="2026-10-14T15:01:00Z"))
    harness.zoom.add(named("last=="))
    harness.hook.answers[:] = [unanswered(broken)]
    report = harness.run()
    assert (report["handed_in"], report["failed"], report["message"]) == (1, 1, "")
    outcomes = {recording["uuid"]: recording["outcome"] for recording in report["recordings"]}
    assert outcomes.pop(broken) == "failed: The webhook answered 502."
    assert list(outcomes.values()) == ["requested"]
    [error] = errors(caplog)
    assert "can't be requested: The webhook answered 502." in error


@pytest.mark.parametrize("broken", ["first==", "last=="])
def test_error_of_reconcile_has_the_uuid_of_the_recording_for_which_the_webhook_answers_502(
    harness: Harness, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    harness.begin()
    harness.zoom.add(named("first==", start_time="2026-10-14T15:01:00Z"))
    harness.zoom.add(named("last=="))
    harness.hook.answers[:] = [unanswered(broken)]
    caplog.handler.setFormatter(JsonFormatter())
    harness.run()
    records = [json.loads(line) for line in caplog.text.splitlines()]
    [error] = [record for record in records if record["level"] == "ERROR"]
    assert error["uuid"] == broken


def test_reconcile_requests_a_recording_when_the_webhook_answers_502_for_three_others_in_each_run(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    for number, uuid in enumerate(("a==", "b==", "c==", "d==")):
        harness.zoom.add(named(uuid, topic=uuid, start_time=f"2026-10-14T15:0{9 - number}:00Z"))
    harness.hook.answers[:] = [unanswered("a==", "b==", "c==")]
    assert (harness.run()["handed_in"], harness.state()["unanswered"]) == (0, ["a==", "b==", "c=="])
    assert not errors(caplog)
    report = harness.run()
    assert (report["handed_in"], report["failed"], report["is_complete"]) == (1, 3, False)
    harness.note_request("d==")
    assert harness.run()["failed"] == 3
    assert [error[:3] for error in errors(caplog)] == ["a==", "b==", "c=="]


def test_reconcile_logs_an_error_when_the_webhook_answers_502_for_one_recording_in_two_runs(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("a=="))
    harness.hook.answers[:] = [Answer(502)]
    assert (harness.run()["failed"], errors(caplog)) == (0, [])
    report = harness.run()
    assert (report["failed"], report["is_complete"]) == (1, False)
    assert report["message"] == "The webhook answered 502."
    [error] = errors(caplog)
    assert "can't be requested: The webhook answered 502." in error


def test_reconcile_requests_a_recording_after_one_502_when_three_others_get_502_in_each_run(
    harness: Harness,
) -> None:
    harness.begin()
    for number, uuid in enumerate(("a==", "b==", "c==", "once==")):
        harness.zoom.add(named(uuid, start_time=f"2026-10-14T15:0{9 - number}:00Z"))
    harness.hook.answers[:] = [unanswered("a==", "b==", "c==", "once==")]
    harness.run()
    harness.run()
    assert harness.state()["unanswered"] == ["c==", "once==", "a==", "b=="]
    harness.hook.answers[:] = [unanswered("a==", "b==", "c==")]
    report = harness.run()
    assert (report["handed_in"], report["failed"]) == (1, 3)


def test_reconcile_repeats_a_request_that_got_a_502_although_the_list_of_another_user_fails(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("a==", host_id="a"))
    harness.zoom.set_user("b", "active")
    harness.hook.answers[:] = [Answer(502)]
    harness.run()
    harness.hook.answers[:] = [OK]
    # Skip the requests for the account's list, for two lists of users, and for the list of `a`.
    harness.zoom.fail(Fault("status", where="api", status=500, skip=4, times=ATTEMPTS))
    report = harness.run()
    assert (report["handed_in"], report["is_complete"]) == (1, False)
    assert report["message"] == "Zoom's API answered 500."


def test_reconcile_no_longer_postpones_a_recording_when_a_run_had_no_time_for_the_recording(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("a==", host_id="a"))
    harness.hook.answers[:] = [Answer(502)]
    harness.run()
    assert harness.state()["unanswered"] == ["a=="]
    for uuid in ("b==", "c=="):
        harness.zoom.add(named(uuid, host_id="b"))

    def slow(_request: Request) -> Answer:
        harness.watch.now += SECONDS
        return OK

    harness.hook.answers[:] = [slow]
    assert harness.run()["handed_in"] == 1
    # Otherwise runs that have no time for the whole list would never get to the recording.
    assert harness.state()["unanswered"] == []


def test_reconcile_reads_the_signing_key_again_when_it_was_rotated(harness: Harness) -> None:
    harness.begin()
    harness.zoom.add(named("a=="))
    harness.hook.answers[:] = [json_answer(401, {"message": "signature is wrong"}), OK]
    newer = replace(
        harness.deps, secrets=harness.deps.secrets.__class__(pipeline_signing_key="new")
    )
    for expected in (0, 1):
        report = reconcile.answer(EVERY_HOUR, harness.deps, SECONDS, lambda: newer)
        assert report["handed_in"] == expected


def test_run_of_reconcile_stops_when_the_webhook_does_not_know_the_signing_key(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("a=="))
    harness.zoom.add(named("b=="))
    harness.hook.answers[:] = [json_answer(401, {"message": "signature is wrong"})]
    assert "401" in harness.run()["message"]
    assert len(harness.hook.requests) == 1
    assert len(errors(caplog)) == 1


def test_reconcile_requests_other_recordings_when_the_zoom_api_refuses_one_recording(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("a==", start_time="2026-10-14T15:01:00Z"))
    harness.zoom.add(named("b=="))
    # Skip the requests for the account's list, for two lists of users, and for the user's list.
    harness.zoom.fail(Fault("status", where="api", status=403, skip=4))
    report = harness.run()
    assert (report["handed_in"], report["failed"], report["message"]) == (1, 1, "")
    assert harness.requested_uuids() == ["b=="]


def test_run_of_reconcile_stops_when_the_zoom_api_refuses_every_recording(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    for name in "abcdef":
        harness.zoom.add(named(f"{name}=="))
    harness.zoom.fail(Fault("status", where="api", status=403, skip=4, times=9))
    report = harness.run()
    assert (report["failed"], report["is_complete"]) == (2, False)
    assert "403" in report["message"]
    assert len(errors(caplog)) == 3


def test_reconcile_logs_a_missing_scope_at_most_once_a_day(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.grant(READ_FILES_SCOPE)
    for _ in range(23):
        harness.run()
        harness.clock.forward(hours=1)
    report = harness.run()
    assert f"does not contain scopes:[{USERS_SCOPES[0]}]" in report["message"]
    [error] = errors(caplog)
    assert USERS_SCOPES[0] in error
    assert "cloud_recording:read:list_user_recordings:admin" in error
    assert USERS_SCOPES[0] in harness.state()["last"]["error"]


def test_reconcile_logs_no_error_when_the_zoom_api_answers_503(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.fail(Fault("status", where="api", status=503, times=100))
    assert harness.run()["message"] == "Zoom's API answered 503."
    assert not errors(caplog)
    assert harness.state()["last"]["error"] == "Zoom's API answered 503."


def test_reconcile_requests_nothing_when_its_state_is_unreadable(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.aws.recordings.put_item(Item={"uuid": KEY, "baseline": "long ago", "version": 1})
    harness.zoom.add(named("a=="))
    assert "can't be read" in harness.run()["message"]
    assert not harness.hook.requests
    assert len(errors(caplog)) == 1


def test_run_of_reconcile_answers_with_the_reason_when_the_state_that_another_run_wrote_was_deleted(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("a=="))
    harness.deps = replace(harness.deps, state=DeletedMeanwhile(harness.aws.recordings))
    assert harness.run() == {"message": DELETED}
    assert not harness.hook.requests
    assert not errors(caplog)


@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
@pytest.mark.parametrize("event", [EVERY_HOUR, {}])
def test_reconcile_answers_with_the_reason_when_its_state_cannot_be_read_or_written(
    harness: Harness, operation: str, event: dict[str, Any]
) -> None:
    harness.zoom.add(named("a=="))
    with failing_table(harness.aws.recordings, operation):
        answer = harness.run(event)
    assert answer == {"message": f"AWS failed: {operation} answered Throttling."}
    assert not harness.hook.requests


def test_report_of_reconcile_says_that_the_run_is_not_noted_when_the_state_was_deleted(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("a=="))
    harness.hook.answers[:] = [partial(delete_state, harness)]
    report = harness.run({})
    assert (report["handed_in"], report["is_complete"]) == (1, True)
    assert report["message"] == f"The run isn't noted in reconcile's state: {DELETED}"
    assert not errors(caplog)


def test_report_of_reconcile_says_that_the_run_is_not_noted_when_the_state_became_unreadable(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    harness.zoom.add(named("a=="))
    harness.hook.answers[:] = [partial(delete_state, harness, instead={"baseline": "long ago"})]
    report = harness.run()
    assert report["handed_in"] == 1
    assert "The run isn't noted" in report["message"]
    assert "can't be read" in report["message"]
    assert len(errors(caplog)) == 1


def test_run_of_reconcile_that_requested_nothing_sends_no_metric_when_the_run_is_not_noted(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    # Otherwise no alarm would say that the run's findings are lost again and again.
    harness.begin()
    harness.zoom.add(named("new=="))
    with (
        caplog.at_level(logging.INFO, "ingester.reconcile"),
        failing_table(harness.aws.recordings, when=lambda params: params["Key"]["uuid"] == KEY),
    ):
        report = harness.run(EVERY_HOUR)
    assert report["skipped"] == {str(Decision.FOUND): 1}
    reason = "AWS failed: UpdateItem answered Throttling."
    assert report["message"] == f"The run isn't noted in reconcile's state: {reason}"
    assert "RecordingsReconciled" not in vars(caplog.records[-1])


def test_report_of_reconcile_has_the_error_that_stopped_the_run_when_the_run_is_not_noted(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.fail(Fault("status", where="api", status=503, times=100))
    with failing_table(harness.aws.recordings):
        assert harness.run(EVERY_HOUR)["message"] == "Zoom's API answered 503."


def unanswered(*uuids: str) -> Callable[[Request], Answer]:
    """Return a function that answers 502 to requests for the recordings `uuids`, else 200."""

    def answer(request: Request) -> Answer:
        uuid = json.loads(request.body)["payload"]["object"]["uuid"]
        return Answer(502) if uuid in uuids else OK

    return answer


def delete_state(
    harness: Harness, _request: object, instead: dict[str, Any] | None = None
) -> Answer:
    """Delete or replace reconcile's state, and accept the request."""
    harness.aws.recordings.delete_item(Key={"uuid": KEY})
    if instead:
        harness.aws.recordings.put_item(Item={"uuid": KEY, **instead})
    return OK


class DeletedMeanwhile(ReconcileState):
    """A state that another run has written, and that is deleted before it can be read."""

    def get(self) -> State | None:
        return None
