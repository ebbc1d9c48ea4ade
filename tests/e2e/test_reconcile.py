"""A recording whose webhook never came, on the deployed stack."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from local.driver import ZoomRecording
from tests.e2e.operator import Operator
from tests.e2e.scenarios import handed_in, reconciled
from tests.e2e.scene import Scene


@pytest.fixture
def missed(scene: Scene) -> ZoomRecording:
    """A recording in Zoom that ended more than an hour ago, and after the baseline."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=90)
    scene.driver.begin_reconcile(start)
    return replace(scene, start=start).lecture()


def test_a_recording_whose_webhook_never_came_arrives(scene: Scene) -> None:
    reconciled(scene)


def test_the_first_run_sets_the_baseline_and_hands_nothing_in(scene: Scene) -> None:
    scene.driver.table("recordings").delete_item(Key={"uuid": "#reconcile"})
    scene.lecture()
    assert handed_in(scene.driver.reconcile()) == []
    assert scene.driver.last_reconcile()["at"]


def test_a_second_run_does_nothing(scene: Scene, missed: ZoomRecording) -> None:
    assert missed.uuid in handed_in(scene.driver.reconcile())
    scene.until(missed, "SENT_TO_OPENCAST")
    assert missed.uuid not in handed_in(scene.driver.reconcile())
    scene.ingested_whole(missed)


def test_a_second_run_makes_no_second_ingest(scene: Scene, missed: ZoomRecording) -> None:
    before = scene.waiting("download")
    scene.driver.reconcile()
    scene.driver.reconcile()
    scene.until(missed, "SENT_TO_OPENCAST")
    scene.driver.reconcile()
    scene.wait(lambda: scene.waiting("download") <= before, "no message of this recording")
    scene.ingested_whole(missed)


def test_an_operator_sees_what_a_run_would_do_and_what_the_last_one_did(
    scene: Scene, operator: Operator, missed: ZoomRecording
) -> None:
    said = operator.did("exec.reconcile", "--since", "2h", "--dry-run")
    assert missed.uuid in said
    assert "Would be handed in: " in said
    assert scene.state(missed) is None
    scene.driver.reconcile()
    scene.until(missed, "SENT_TO_OPENCAST")
    assert "Reconcile: last run " in operator.did("stack.status")
    last = scene.driver.last_reconcile()
    assert last["handed_in"] >= 1
    assert "problem" not in last


def test_a_since_that_makes_no_sense_is_one_sentence(operator: Operator) -> None:
    done = operator("exec.reconcile", "--since", "yesterday")
    assert done.error.startswith("--since 'yesterday' has to be a number of days or hours")
