"""Runs of reconcile on the local stack, which find recordings without a webhook event."""

from __future__ import annotations

import pytest

from local.driver import ZoomRecording
from tests.e2e.operator import Operator
from tests.e2e.scenarios import requested_uuids
from tests.e2e.stack import Stack


@pytest.fixture
def missed(stack: Stack) -> ZoomRecording:
    """Set reconcile's baseline, and return a new recording in Zoom without a webhook event."""
    return stack.ready_for_reconcile().lecture()


def test_the_first_run_of_reconcile_requests_no_ingest_and_stores_its_time(stack: Stack) -> None:
    stack.driver.table("recordings").delete_item(Key={"uuid": "#reconcile"})
    stack.lecture()
    assert requested_uuids(stack.driver.reconcile()) == []
    assert stack.driver.last_reconcile()["at"]


def test_a_second_run_of_reconcile_does_not_request_an_ingested_recording(
    stack: Stack, missed: ZoomRecording
) -> None:
    assert missed.uuid in requested_uuids(stack.driver.reconcile())
    stack.await_state(missed, "SENT_TO_OPENCAST")
    assert missed.uuid not in requested_uuids(stack.driver.reconcile())
    stack.assert_ingested_once(missed)


def test_a_second_run_of_reconcile_starts_no_ingest_while_the_first_ingest_is_in_progress(
    stack: Stack, missed: ZoomRecording
) -> None:
    before = stack.message_count("download")
    stack.driver.reconcile()
    stack.driver.reconcile()
    stack.await_state(missed, "SENT_TO_OPENCAST")
    stack.driver.reconcile()
    stack.wait(lambda: stack.message_count("download") <= before, "The end of all messages")
    stack.assert_ingested_once(missed)


def test_an_operator_can_preview_a_run_of_reconcile_and_see_the_last_run(
    stack: Stack, operator: Operator, missed: ZoomRecording
) -> None:
    output = operator.output("exec.reconcile", "--since", "2h", "--dry-run")
    assert missed.uuid in output
    assert "Would be requested: " in output
    assert stack.state(missed) is None
    stack.driver.reconcile()
    stack.await_state(missed, "SENT_TO_OPENCAST")
    assert "Reconcile: last run " in operator.output("stack.status")
    last = stack.driver.last_reconcile()
    assert last["handed_in"] >= 1
    assert "problem" not in last


def test_exec_reconcile_says_in_one_line_why_the_option_since_is_invalid(
    operator: Operator,
) -> None:
    done = operator.run("exec.reconcile", "--since", "yesterday")
    assert done.error.startswith("--since 'yesterday' has to be a number of days or hours")
