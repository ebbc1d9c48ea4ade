"""Download messages of a forgotten recording, whose traces an operator removed."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from ingester.ledger.record import as_forgotten
from local.neighbours.zoom_recordings import Recording
from tests.unit.functions.downloader.harness import Harness


@pytest.mark.parametrize("changes", [{}, {"is_partial": True}, {"allow_multiple_ingests": True}])
def test_download_message_of_a_forgotten_recording_is_dropped(
    harness: Harness, small: Recording, changes: dict[str, Any]
) -> None:
    harness.accept(small, *small.files)
    harness.ledger().change(small.uuid, partial(as_forgotten, now=harness.clock()))
    before = harness.record(small), harness.row
    assert harness.take(harness.message(small, **changes))
    assert (harness.record(small), harness.row) == before
    assert (harness.uploads(), harness.dead(), harness.objects()) == ([], [], {})
    assert not harness.zoom.requests
