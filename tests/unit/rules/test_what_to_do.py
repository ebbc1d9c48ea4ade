"""What somebody without a terminal is told to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.rules import reasons
from ingester.rules.next_step import PATIENCE, next_step
from ingester.rules.states import State
from ingester.rules.status_row import StatusRow
from ingester.rules.what_to_do import AGAIN, TELL, what_to_do

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


def row(state: State, reason: str = "", *, hours: float = 0, **more: Any) -> StatusRow:
    fields: dict[str, Any] = {"zip_id": "z", "recording_id": "u==", "files": frozenset("f"), **more}
    return StatusRow(state=state, reason=reason, updated=NOW - timedelta(hours=hours), **fields)


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (row(State.WEBHOOK_FAILED, "x"), AGAIN),
        (row(State.DOWNLOADER_FAILED, "x"), AGAIN),
        (row(State.UPLOADER_FAILED, "x"), AGAIN),
        (row(State.UPLOADER_FAILED, "x", files=frozenset()), TELL),
        (
            row(State.UPLOADER_FAILED, f"no: {reasons.INVALID_SERIES}", oc_series_id="S"),
            "Opencast has no series S: request it with the right one.",
        ),
        (
            row(State.IGNORED, reasons.NO_SERIES),
            "No class at that time: request it with its series.",
        ),
        (
            row(State.IGNORED, reasons.ALREADY_THERE),
            "Opencast has it already. To have it there twice, tick Ingest it again.",
        ),
        (row(State.IGNORED, reasons.NO_MP4), ""),
        (
            row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T18:40:00Z"),
            "It is tried again by itself.",
        ),
        (row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T17:40:00Z"), TELL),
        (row(State.SENT_TO_UPLOADER, hours=9), TELL),
        (row(State.SENT_TO_UPLOADER, hours=1), ""),
        (row(State.SENT_TO_OPENCAST), ""),
    ],
)
def test_the_sentence(known: StatusRow, sentence: str) -> None:
    assert what_to_do(known, NOW, PATIENCE) == sentence


@given(st.sampled_from(State), st.text(), st.floats(0, 20_000), st.text())
def test_who_has_no_terminal_gets_no_command(
    state: State, reason: str, hours: float, due: str
) -> None:
    known = row(state, reason, hours=hours, retry_due=due)
    said = what_to_do(known, NOW, PATIENCE)
    assert "`" not in said
    assert "invoke" not in said
    if next_step(known, NOW, PATIENCE):
        assert said.endswith(".")
