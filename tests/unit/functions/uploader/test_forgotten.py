"""Upload messages of a forgotten recording, whose traces an operator removed."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from ingester.ledger.record import as_forgotten
from tests.unit.functions.uploader.harness import UUID, Harness


@pytest.mark.parametrize("changes", [{}, {"allow_multiple_ingests": True}])
def test_upload_message_of_a_forgotten_recording_is_dropped(
    harness: Harness, changes: dict[str, Any]
) -> None:
    harness.ledger.change(UUID, partial(as_forgotten, now=harness.clock()))
    before = harness.record, harness.row
    assert harness.take(harness.message(**changes))
    assert (harness.record, harness.row, harness.dead()) == (*before, [])
    assert harness.opencast.requests == []
