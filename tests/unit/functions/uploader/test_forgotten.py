"""Upload messages of a forgotten recording, whose traces an operator removed."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from ingester.ledger.record import as_forgotten
from tests.unit.functions.uploader.harness import OTHER_ZIP_ID, UUID, ZIP_ID, Harness


@pytest.mark.parametrize("changes", [{}, {"allow_multiple_ingests": True}])
def test_upload_message_of_a_forgotten_recording_is_dropped(
    harness: Harness, changes: dict[str, Any]
) -> None:
    harness.ledger.change(UUID, partial(as_forgotten, now=harness.clock()))
    before = harness.record, harness.row
    assert harness.take(harness.message(**changes))
    assert (harness.record, harness.row, harness.dead()) == (*before, [])
    assert harness.opencast.requests == []


@pytest.mark.parametrize("zip_id", [ZIP_ID, OTHER_ZIP_ID])
def test_message_leaves_no_trace_when_its_recording_is_forgotten_after_the_query_for_the_event(
    harness: Harness, zip_id: str
) -> None:
    harness.fail("close", after_work=True)
    assert not harness.take(harness.message())
    assert not harness.own_ingest.is_shown
    harness.when_answered("/api/events", partial(forget, harness))
    assert harness.take(harness.message(zip_id=zip_id), receive_count=2)
    assert harness.record.forgotten
    assert (harness.record.ingests, harness.aws.rows(), harness.dead()) == ({}, {}, [])


def forget(harness: Harness) -> None:
    """Remove a recording's traces, as an operator's command does."""
    harness.ledger.change(UUID, partial(as_forgotten, now=harness.clock()))
    harness.aws.status.delete_item(Key={"zip_id": ZIP_ID})
