"""The on-demand function's signed request to the webhook, with retries and a deadline."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from typing import Any

import pytest

import on_demand
import webhook
from ingester import log
from ingester.ledger.record import Record
from ingester.settings import OnDemandSecrets
from ingester.status.advice import phrases
from ingester.status.diagnosis import PATIENCE, diagnose
from ingester.zoom.signature import verify
from local.neighbours.https_server import Answer, Disruption, Request, json_answer, text_answer
from local.neighbours.zoom_faults import Fault
from tests.function_harness import OWN_KEY, webhook_dependencies
from tests.hooks import failing_table
from tests.unit.functions.on_demand.harness import CLOSED, Harness
from tests.unit.functions.requesting import OK
from tests.unit.zoom_account import (
    MEETING,
    UUID,
)


def test_on_demand_function_signs_its_request_to_the_webhook_with_the_pipeline_signing_key(
    harness: Harness,
) -> None:
    assert harness.ask({"uuid": UUID, "oc_workflow": "wf"}) == (200, "Ingest accepted")
    (request,) = harness.hook.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert verify([OWN_KEY], headers, request.body, harness.clock().timestamp()) == OWN_KEY
    event = harness.posted()
    assert event["event"] == "on.demand.ingest"
    assert event["download_token"]
    about = event["payload"]["object"]
    assert (about["id"], about["uuid"], about["duration"]) == (MEETING, UUID, 60)
    assert [file["id"] for file in about["recording_files"]] == ["file-1", "chat-1"]
    assert "download_access_token" not in about
    assert event["payload"]["oc_workflow"] == "wf"
    assert harness.row()["zip_id"] == event["payload"]["zip_id"]


def test_row_of_an_on_demand_request_is_written_before_the_webhook_is_called(
    harness: Harness,
) -> None:
    seen: list[dict[str, Any]] = []

    def look(_: Request) -> Answer:
        seen.append(harness.row())
        return OK

    harness.hook.answers[:] = [look]
    harness.ask()
    (row,) = seen
    assert row["pipeline_state"] == "ON_DEMAND_RECEIVED"
    assert row["zip_id"].startswith("on-demand-")
    assert (row["origin"], row["meeting_id"]) == ("on_demand", MEETING)
    assert (row["recording_id"], row["topic"]) == (UUID, "HIST E-10")
    assert row["ingest_request_time"] == "2026-10-14T18:30:00Z"


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        (Answer(204), 1),
        (json_answer(400, {"message": "Bad webhook data"}), 1),
        (json_answer(401, {"message": "wrong"}), 1),
        (json_answer(500, {}), 3),
        (json_answer(503, {}), 3),
    ],
)
def test_on_demand_request_that_the_webhook_does_not_accept_gets_500_and_the_reason_in_its_row(
    answer: Answer, tries: int, harness: Harness
) -> None:
    harness.hook.answers[:] = [answer]
    status, message = harness.ask()
    assert status == 500
    assert f"The webhook answered {answer.status}" in message
    assert len(harness.hook.requests) == tries
    row = harness.row()
    assert (row["pipeline_state"], row["reason"]) == ("WEBHOOK_FAILED", message)


@pytest.mark.parametrize("before", ["wrong: ", "x" * 190])
@pytest.mark.parametrize("is_json", [True, False])
def test_on_demand_answer_contains_no_part_of_the_key_when_the_webhook_repeats_the_key(
    is_json: bool, before: str, harness: Harness
) -> None:
    def check() -> None:
        log.hide("S3cretSigningKey")
        text = f"{before}S3cretSigningKey"
        plain = text_answer(400, "text/plain", text.encode())
        harness.hook.answers[:] = [json_answer(400, {"message": text}) if is_json else plain]
        assert harness.ask() == (500, f"The webhook answered 400: {before}***")

    copy_context().run(check)


def test_on_demand_request_is_accepted_when_the_signing_key_was_rotated(harness: Harness) -> None:
    # The webhook has the new key, and this container still has the old key.
    harness.hook.answers[:] = [real_webhook(harness)]
    now = harness.deps
    old = replace(now, secrets=OnDemandSecrets(pipeline_signing_key="old"))
    answer = on_demand.respond({"body": json.dumps({"uuid": UUID})}, old, lambda: now)
    assert answer.status == 200
    assert len(harness.hook.requests) == 2
    assert harness.row()["pipeline_state"] == "SENT_TO_DOWNLOADER"
    assert len(harness.aws.sent_to(harness.aws.download_queue)) == 1


def test_on_demand_request_gets_500_after_one_attempt_when_the_webhook_refuses_the_signing_key(
    harness: Harness,
) -> None:
    harness.hook.answers[:] = [real_webhook(harness)]
    old = replace(harness.deps, secrets=OnDemandSecrets(pipeline_signing_key="old"))
    answer = on_demand.respond({"body": json.dumps({"uuid": UUID})}, old, lambda: replace(old))
    assert answer.status == 500
    assert "401" in answer.body
    assert len(harness.hook.requests) == 1
    assert harness.row()["pipeline_state"] == "WEBHOOK_FAILED"


def test_on_demand_request_gets_500_when_the_webhook_cannot_be_reached(harness: Harness) -> None:
    harness.set_up(webhook_url=CLOSED)
    status, message = harness.ask()
    assert (status, "can't be reached" in message) == (500, True)
    assert (harness.row()["pipeline_state"], harness.row()["reason"]) == ("WEBHOOK_FAILED", message)
    assert len(harness.watch.slept) == 2


def test_row_has_the_options_of_an_on_demand_request_when_the_webhook_cannot_be_reached(
    harness: Harness,
) -> None:
    harness.set_up(webhook_url=CLOSED)
    asked = {"oc_series_id": "S-1", "oc_workflow": "wf", "ingest_all_mp4": True}
    assert harness.ask({"uuid": UUID, **asked})[0] == 500
    assert harness.row()["asked"] == asked
    assert "oc_series_id" not in harness.row()
    row = harness.deps.status.get(harness.row()["zip_id"])
    assert row
    command = f"exec.on-demand {UUID} --oc-series-id S-1 --oc-workflow wf --ingest-all-mp4"
    step = phrases(row, diagnose(row, (), harness.clock(), PATIENCE)).operator
    assert step.startswith(f"`invoke {command}` requests it again")


def test_row_has_no_options_when_the_on_demand_request_has_none(harness: Harness) -> None:
    assert harness.ask()[0] == 200
    assert "asked" not in harness.row()


def record_of(harness: Harness) -> Record:
    return harness.deps.ledger.get(UUID)


Take = Callable[[Request], Answer]


def real_webhook(harness: Harness) -> Take:
    deps = webhook_dependencies(harness.aws, harness.clock)

    def take(request: Request) -> Answer:
        event = {"headers": dict(request.headers.items()), "body": request.body.decode()}
        answer = webhook.respond(event, deps)
        return text_answer(answer.status, "text/plain", answer.body.encode())

    return take


def losing_its_answer(take: Take) -> Take:
    def lose(request: Request) -> Answer:
        return Answer(
            take(request).status, body=b"x", disruption=Disruption(after_bytes=0, how="reset")
        )

    return lose


def test_on_demand_request_leads_to_one_message_when_an_answer_of_the_webhook_is_lost(
    harness: Harness,
) -> None:
    take = real_webhook(harness)
    harness.hook.answers[:] = [losing_its_answer(take), take]
    assert harness.ask() == (200, "Ingest accepted")
    assert len(harness.hook.requests) == 2
    (message,) = harness.aws.sent_to(harness.aws.download_queue)
    assert message["body"]["zip_id"] == harness.row()["zip_id"]
    assert harness.row()["pipeline_state"] == "SENT_TO_DOWNLOADER"


@pytest.mark.parametrize("has_row", [True, False])
def test_on_demand_request_is_accepted_when_every_answer_of_the_webhook_is_lost(
    has_row: bool, harness: Harness
) -> None:
    # The ledger shows that the webhook accepted the request, so the user need not repeat it.
    harness.hook.answers[:] = [losing_its_answer(real_webhook(harness))]
    if not has_row:
        harness.aws.status.delete()
    assert harness.ask() == (200, "Ingest accepted")
    assert not has_row or harness.row()["pipeline_state"] == "SENT_TO_DOWNLOADER"
    assert len(harness.aws.sent_to(harness.aws.download_queue)) == 1


@pytest.mark.parametrize("before", ["SENT_TO_DOWNLOADER", "SENT_TO_OPENCAST"])
def test_on_demand_request_gets_500_when_only_the_status_row_says_that_the_request_was_accepted(
    before: str, harness: Harness
) -> None:
    # Decisions read the ledger, not the status row. Here, no message is on the queue.
    def write_row(_: Request) -> Answer:
        harness.aws.status.update_item(
            Key={"zip_id": harness.row()["zip_id"]},
            UpdateExpression="SET pipeline_state = :state",
            ExpressionAttributeValues={":state": before},
        )
        return json_answer(503, {})

    harness.hook.answers[:] = [write_row]
    assert harness.ask() == (500, "The webhook answered 503.")
    assert harness.row()["pipeline_state"] == before


def test_on_demand_request_gets_500_when_the_webhook_has_accepted_only_an_earlier_request(
    harness: Harness,
) -> None:
    harness.hook.answers[:] = [real_webhook(harness)]
    assert harness.ask()[0] == 200
    harness.hook.answers[:] = [json_answer(503, {})]
    assert harness.ask()[0] == 500
    states = sorted(row["pipeline_state"] for row in harness.aws.rows().values())
    assert states == ["SENT_TO_DOWNLOADER", "WEBHOOK_FAILED"]


@pytest.mark.parametrize("wait", [0.0, 3.0, 5.0, 9.0])
def test_timeouts_of_on_demand_calls_end_within_20_seconds_or_last_at_most_a_tenth_of_a_second(
    wait: float, harness: Harness
) -> None:
    harness.watch.longer = wait
    harness.zoom.fail(Fault("status", "token", status=503))
    harness.zoom.fail(Fault("status", "api", status=503))
    harness.hook.answers[:] = [json_answer(503, {})]
    assert harness.ask()[0] == 500
    assert harness.session.timeouts
    for begin, seconds in harness.session.timeouts:
        assert begin - 1000 + seconds <= 20.001 or seconds <= 0.101


def test_on_demand_request_is_accepted_when_the_status_table_fails(harness: Harness) -> None:
    harness.hook.answers[:] = [real_webhook(harness)]
    harness.aws.status.delete()
    assert harness.ask() == (200, "Ingest accepted")
    (message,) = harness.aws.sent_to(harness.aws.download_queue)
    request = record_of(harness).request(message["body"]["zip_id"])
    assert request.is_sent


def test_webhook_makes_the_row_when_the_first_write_of_the_on_demand_function_failed(
    harness: Harness,
) -> None:
    harness.hook.answers[:] = [real_webhook(harness)]

    def is_first(params: dict[str, Any]) -> bool:
        values = params["ExpressionAttributeValues"]
        return bool(values.get(":state") == "ON_DEMAND_RECEIVED")

    with failing_table(harness.aws.status, when=is_first):
        assert harness.ask({"uuid": UUID, "oc_series_id": "S-1"}) == (200, "Ingest accepted")
    row = harness.row()
    assert (row["pipeline_state"], row["origin"]) == ("SENT_TO_DOWNLOADER", "on_demand")
    assert (row["asked"], row["topic"]) == ({"oc_series_id": "S-1"}, "HIST E-10")
    assert row["ingest_request_time"] == "2026-10-14T18:30:00Z"


def test_on_demand_answer_has_the_failure_of_the_webhook_when_the_status_table_fails(
    harness: Harness,
) -> None:
    harness.aws.status.delete()
    harness.hook.answers[:] = [json_answer(400, {"message": "Bad webhook data"})]
    assert harness.ask() == (500, "The webhook answered 400: Bad webhook data")


@pytest.mark.parametrize("problem", ["fails", "can't be read"])
def test_on_demand_request_gets_500_when_the_ledger_cannot_confirm_the_acceptance(
    problem: str, harness: Harness
) -> None:
    take = losing_its_answer(real_webhook(harness))

    def lose(request: Request) -> Answer:
        answer = take(request)
        if problem == "can't be read":
            item = {"uuid": UUID, "version": 9, "requests": "all"}
            harness.aws.recordings.put_item(Item=item)
        return answer

    harness.hook.answers[:] = [lose, json_answer(503, {})]
    reads: list[dict[str, Any]] = []

    def is_own(params: dict[str, Any]) -> bool:
        reads.append(params)
        # Only the read that confirms the acceptance fails. Before that read, on-demand reads the
        # record once and the webhook reads it twice.
        return problem == "fails" and len(reads) > 3

    with failing_table(harness.aws.recordings, "GetItem", is_own):
        status, message = harness.ask()
    assert (status, "can't be reached" in message or "503" in message) == (500, True)
    assert len(harness.aws.sent_to(harness.aws.download_queue)) == 1
    assert harness.row()["pipeline_state"] == "SENT_TO_DOWNLOADER", "the row stays with what is so"
