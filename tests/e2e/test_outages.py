"""Outages of the webhook and Opencast, after which recordings are ingested automatically."""

from __future__ import annotations

from dataclasses import replace

from cdk.names import WEBHOOK
from tests.e2e import deployed
from tests.e2e.scenarios import requested_uuids
from tests.e2e.stack import Stack

FIRST_RETRY = 60.0
"""Time in seconds until an upload's first retry."""


def test_recordings_are_ingested_after_reconcile_when_the_webhook_has_crashed(stack: Stack) -> None:
    stack = stack.ready_for_reconcile()
    recordings = [stack.lecture() for _ in range(3)]
    webhook = stack.function(WEBHOOK)
    # A setting that isn't a number makes the webhook crash.
    with deployed.limited(stack.driver, webhook, seconds=29, WEBHOOK_DELAY_SECONDS="broken"):
        for recording in recordings:
            assert stack.driver.send("recording.completed", recording.uuid).status == 502
    report = stack.driver.reconcile()
    assert {recording.uuid for recording in recordings} <= set(requested_uuids(report))
    for recording in recordings:
        stack.await_state(recording, "SENT_TO_OPENCAST")
        stack.assert_ingested_once(recording)


def test_uploads_are_retried_until_an_outage_of_opencast_ends(stack: Stack) -> None:
    recordings = [stack.lecture() for _ in range(3)]
    before = stack.message_count("upload-dlq.fifo")
    stack.driver.inject_opencast_fault(kind="close", times=None)
    try:
        for recording in recordings:
            stack.send_completed(recording)
        for recording in recordings:
            stack.await_state(recording, "UPLOADER_FAILED", "waiting since")
    finally:
        stack.driver.clear_opencast_faults()
    patient = replace(stack, seconds=FIRST_RETRY + stack.seconds)

    def are_ingested() -> bool:
        return all(stack.driver.ingests_of(recording) for recording in recordings)

    patient.wait(are_ingested, "All recordings in Opencast")
    for recording in recordings:
        stack.await_state(recording, "SENT_TO_OPENCAST")
        stack.assert_ingested_once(recording)
    assert stack.message_count("upload-dlq.fifo") == before
