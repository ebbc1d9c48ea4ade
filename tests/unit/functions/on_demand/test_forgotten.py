"""Requests for a forgotten recording, whose traces an operator removed."""

from __future__ import annotations

from functools import partial

from ingester.ledger.record import as_forgotten
from tests.unit.functions.on_demand.harness import Harness
from tests.unit.zoom_account import UUID


def test_on_demand_request_gets_404_when_the_recording_was_forgotten(harness: Harness) -> None:
    harness.deps.ledger.change(UUID, partial(as_forgotten, now=harness.clock()))
    status, message = harness.ask()
    assert status == 404
    assert message.startswith("An operator had this recording forgotten.")
    assert harness.aws.rows() == {}
    assert harness.hook.requests == []
