"""A failed ingest of a recording that a later one brought into Opencast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.rules import timestamps
from ingester.rules.next_step import needs_a_person, settled_among, settled_by, settled_step
from ingester.rules.reasons import ALREADY_THERE, NO_SERIES
from ingester.rules.states import State
from ingester.rules.status_row import StatusRow, Step

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


def ago(hours: float) -> str:
    return timestamps.write(NOW - timedelta(hours=hours))


def row(
    zip_id: str, state: State, *, asked: float | None, changed: float, **more: Any
) -> StatusRow:
    """A row that was asked for and changed so many hours ago."""
    fields: dict[str, Any] = {"recording_id": "u==", "files": frozenset("f"), **more}
    return StatusRow(
        zip_id=zip_id,
        state=state,
        ingest_request_time="" if asked is None else ago(asked),
        updated=NOW - timedelta(hours=changed),
        **fields,
    )


FAILED = row("failed", State.UPLOADER_FAILED, asked=5, changed=3)
DONE = State.SENT_TO_OPENCAST


@pytest.mark.parametrize(
    ("sibling", "settles"),
    [
        (row("later", DONE, asked=2, changed=1), True),
        # The failed one's last try came after the later request was through.
        (row("while it was tried", DONE, asked=4, changed=3.5), True),
        (row("slow", DONE, asked=6, changed=1), True),
        (row("before", DONE, asked=9, changed=8), False),
        (row("no time of asking", DONE, asked=None, changed=8), False),
        (row("there", State.IGNORED, asked=2, changed=1, reason=ALREADY_THERE), True),
        (row("nobody's", State.IGNORED, asked=2, changed=1, reason=NO_SERIES), False),
        (row("going", State.UPLOADER_RECEIVED, asked=2, changed=1), False),
        (row("another recording", DONE, asked=2, changed=1, recording_id="v=="), False),
        (row("failed", DONE, asked=2, changed=1), False),
        # An earlier success to which late files came.
        (
            row(
                "late files",
                DONE,
                asked=9,
                changed=1,
                steps=(Step(state="SENT_TO_OPENCAST", at=ago(8)),) * 2,
            ),
            False,
        ),
    ],
    ids=lambda value: value.zip_id if isinstance(value, StatusRow) else "",
)
def test_what_settles_it(sibling: StatusRow, settles: bool) -> None:
    assert (settled_by(FAILED, [sibling]) is sibling) is settles
    found = settled_among([FAILED, sibling], NOW)
    if sibling.zip_id != FAILED.zip_id:
        assert found == ({"failed": sibling} if settles else {})


def test_only_what_needs_a_person_is_settled() -> None:
    later = row("later", DONE, asked=2, changed=1)
    again = row("again", State.UPLOADER_FAILED, asked=5, changed=3, retry_due=ago(-1))
    going = row("going", State.UPLOADER_RECEIVED, asked=5, changed=0.1)
    nameless = row("nameless", State.WEBHOOK_FAILED, asked=5, changed=3, recording_id="")
    assert settled_among([later, again, going, nameless], NOW) == {}


def test_what_is_said() -> None:
    later = row("later", DONE, asked=2, changed=1, oc_series_id="S")
    said = "Nothing: a later request brought it into Opencast, series S."
    assert settled_step(later) == said
    assert settled_step(row("later", DONE, asked=2, changed=1)).endswith("into Opencast.")


ROWS = st.builds(
    row,
    st.sampled_from("abcd"),
    st.sampled_from(State),
    asked=st.none() | st.floats(0, 100),
    changed=st.floats(0, 100),
    recording_id=st.sampled_from(["", "u==", "v=="]),
    reason=st.sampled_from(["", ALREADY_THERE]),
    retry_due=st.sampled_from(["", "x", ago(1)]),
)


@given(st.lists(ROWS, max_size=6, unique_by=lambda each: each.zip_id))
def test_whatever_there_is(rows: list[StatusRow]) -> None:
    for zip_id, sibling in settled_among(rows, NOW).items():
        (settled,) = (one for one in rows if one.zip_id == zip_id)
        assert needs_a_person(settled, NOW)
        assert sibling.recording_id == settled.recording_id
        assert sibling.zip_id != zip_id
