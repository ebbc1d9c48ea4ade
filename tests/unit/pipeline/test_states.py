"""The allowed changes of an ingest's state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.pipeline.states import (
    DONE,
    ENDED,
    FOLLOWED,
    FOLLOWS,
    IN_OPENCAST,
    RUNNING,
    ZOOM_SIDE,
    State,
    begins,
)

WAY = [
    State.RECORDING_IN_PROGRESS,
    State.RECORDING_PROCESSING,
    State.ON_DEMAND_RECEIVED,
    State.WEBHOOK_RECEIVED,
    State.SENT_TO_DOWNLOADER,
    State.OC_SERIES_FOUND,
    State.SENT_TO_UPLOADER,
    State.UPLOADER_RECEIVED,
    State.SENT_TO_OPENCAST,
    State.OPENCAST_FAILED,
    State.PUBLISHED,
]
"""States in the order of their ranks.

RECORDING_IN_PROGRESS stands for all states of a running recording. OPENCAST_DELETED has the rank of
PUBLISHED.
"""

RANK = {state: place for place, state in enumerate(WAY)} | dict.fromkeys(RUNNING, 0)
RANK[State.OPENCAST_DELETED] = RANK[State.PUBLISHED]
PIPELINE = frozenset(State) - ZOOM_SIDE
states = st.sampled_from(list(State))


def may_follow(before: State | None, after: State) -> bool:
    """Return whether a row's state may change from `before` (None without a row) to `after`."""
    return begins(after) if before is None else before in FOLLOWS[after]


def test_map_of_predecessors_has_every_state_and_each_state_has_a_rank_or_ends_an_ingest() -> None:
    assert set(FOLLOWS) == set(State)
    assert set(RANK) | ENDED == set(State)


@given(st.lists(states, max_size=40))
def test_no_sequence_of_writes_moves_a_row_backwards_unless_its_ingest_had_ended(
    writes: list[State],
) -> None:
    row: State | None = None
    ended = False
    reached = -1
    for state in writes:
        if not may_follow(row, state):
            continue
        if row in PIPELINE:
            assert state in PIPELINE, "Zoom's side never replaces the pipeline's"
        if row in ENDED and state not in ENDED:
            # Only the states below continue an ended ingest.
            assert state in {
                State.WEBHOOK_RECEIVED,
                State.OC_SERIES_FOUND,
                State.UPLOADER_RECEIVED,
                *IN_OPENCAST,
            }
            reached = -1
        ended = state in ENDED
        if not ended:
            assert RANK[state] >= reached, f"{row} → {state}"
            reached = RANK[state]
        row = state


@given(st.permutations(WAY))
def test_row_ends_in_the_last_state_when_steps_arrive_out_of_order(order: list[State]) -> None:
    row: State | None = None
    for state in [State.RECORDING_IN_PROGRESS, *order]:
        if may_follow(row, state):
            row = state
    assert row is State.PUBLISHED


@pytest.mark.parametrize("after", list(State))
def test_any_state_except_recording_processing_may_begin_a_row(after: State) -> None:
    assert begins(after) == may_follow(None, after) == (after is not State.RECORDING_PROCESSING)


def test_state_recording_processing_follows_only_states_of_a_running_recording() -> None:
    assert {s for s in State if may_follow(s, State.RECORDING_PROCESSING)} == RUNNING


@pytest.mark.parametrize("zoom_side", sorted(ZOOM_SIDE))
def test_state_at_zoom_follows_only_states_of_a_running_recording(zoom_side: State) -> None:
    assert {s for s in State if may_follow(s, zoom_side)} == RUNNING


def test_state_on_demand_received_follows_neither_webhook_received_nor_sent_to_downloader() -> None:
    assert not may_follow(State.SENT_TO_DOWNLOADER, State.ON_DEMAND_RECEIVED)
    assert not may_follow(State.WEBHOOK_RECEIVED, State.ON_DEMAND_RECEIVED)


@pytest.mark.parametrize("ended", sorted(ENDED))
def test_ended_ingest_may_continue_when_its_message_is_redelivered(ended: State) -> None:
    assert may_follow(ended, State.OC_SERIES_FOUND)
    assert may_follow(ended, State.UPLOADER_RECEIVED)


@pytest.mark.parametrize("state", sorted(PIPELINE - DONE))
def test_ingest_in_progress_may_be_ignored(state: State) -> None:
    assert may_follow(state, State.IGNORED)


def test_only_states_in_opencast_follow_the_state_sent_to_opencast() -> None:
    assert {s for s in State if may_follow(State.SENT_TO_OPENCAST, s)} == IN_OPENCAST


@pytest.mark.parametrize("state", [State.PUBLISHED, State.OPENCAST_DELETED])
def test_no_other_state_follows_the_state_published_or_opencast_deleted(state: State) -> None:
    assert {after for after in State if may_follow(state, after)} == {state}


def test_ingest_that_failed_in_opencast_may_be_repaired_or_deleted_there() -> None:
    after_failure = {after for after in State if may_follow(State.OPENCAST_FAILED, after)}
    assert after_failure == FOLLOWED
