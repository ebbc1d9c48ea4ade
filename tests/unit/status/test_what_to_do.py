"""What somebody without a terminal is told to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.pipeline import reasons
from ingester.pipeline.states import State
from ingester.status.next_step import PATIENCE, next_step
from ingester.status.row import StatusRow
from ingester.status.what_to_do import (
    AGAIN,
    BY_ITSELF,
    NOTHING,
    TELL,
    TWICE,
    WITH_SERIES,
    ToDo,
    what_to_do,
)

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
INVALID = f"no: {reasons.INVALID_SERIES}"


def row(state: State, reason: str = "", *, hours: float = 0, **more: Any) -> StatusRow:
    fields: dict[str, Any] = {"zip_id": "z", "recording_id": "u==", "files": frozenset("f"), **more}
    return StatusRow(state=state, reason=reason, updated=NOW - timedelta(hours=hours), **fields)


@pytest.mark.parametrize(
    ("known", "to_do"),
    [
        (row(State.WEBHOOK_FAILED, "x"), AGAIN),
        (row(State.DOWNLOADER_FAILED, "x"), AGAIN),
        (row(State.UPLOADER_FAILED, "x"), AGAIN),
        (row(State.UPLOADER_FAILED, "x", files=frozenset()), TELL),
        (
            row(State.UPLOADER_FAILED, INVALID, oc_series_id="S"),
            ToDo("Opencast has no series S: request it with the right one.", request_helps=True),
        ),
        (row(State.IGNORED, reasons.NO_SERIES), WITH_SERIES),
        (row(State.IGNORED, reasons.ALREADY_THERE), TWICE),
        (row(State.IGNORED, reasons.NO_MP4), NOTHING),
        (row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T18:40:00Z"), BY_ITSELF),
        (row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T17:40:00Z"), BY_ITSELF),
        (row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T16:20:00Z"), TELL),
        (row(State.SENT_TO_UPLOADER, hours=9), TELL),
        (row(State.SENT_TO_UPLOADER, hours=1), NOTHING),
        (row(State.SENT_TO_OPENCAST), NOTHING),
        (row(State.IGNORED, reasons.TOO_SHORT), NOTHING),
    ],
)
def test_what_there_is_to_do(known: StatusRow, to_do: ToDo) -> None:
    assert what_to_do(known, NOW, PATIENCE) == to_do


@given(st.sampled_from(State), st.text(), st.floats(0, 20_000), st.text())
def test_who_has_no_terminal_gets_no_command(
    state: State, reason: str, hours: float, due: str
) -> None:
    known = row(state, reason, hours=hours, retry_due=due)
    to_do = what_to_do(known, NOW, PATIENCE)
    said = to_do.sentence
    assert "`" not in said
    assert "invoke" not in said
    if next_step(known, NOW, PATIENCE):
        assert said.endswith(".")
    assert ("request it" in said.lower()) == to_do.request_helps
