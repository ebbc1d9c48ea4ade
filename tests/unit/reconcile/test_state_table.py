"""Reconcile's item in the ledger's table."""

from __future__ import annotations

import msgspec
import pytest

from ingester.errors import LedgerBusy, LedgerUnreadable
from ingester.reconcile.decisions import Run, State
from ingester.reconcile.state_table import KEY, ReconcileState
from tests.cloud import Cloud

FIRST = State(baseline="2026-10-14T18:30:00Z")
OTHER = State(baseline="2026-10-14T19:30:00Z")


@pytest.fixture
def kept(aws: Cloud) -> ReconcileState:
    return ReconcileState(aws.recordings)


def test_nothing_is_remembered_before_the_first_run(kept: ReconcileState) -> None:
    assert kept.get() is None


def test_the_baseline_of_the_first_of_two_first_runs_stays(kept: ReconcileState) -> None:
    assert kept.begin(FIRST).baseline == FIRST.baseline
    assert kept.begin(OTHER).baseline == FIRST.baseline
    assert kept.get() == msgspec.structs.replace(FIRST, version=1)


def test_a_change_is_made_anew_when_another_run_has_written(kept: ReconcileState) -> None:
    kept.begin(FIRST)
    calls = []

    def change(state: State) -> State:
        calls.append(state.version)
        if len(calls) == 1:
            kept.change(lambda other: msgspec.structs.replace(other, next_user="u"))
        run = Run(at="2026-10-14T20:00:00Z", listed=3)
        return msgspec.structs.replace(state, last=run, told={"a": "2026-10-14T20:00:00Z"})

    written = kept.change(change)
    assert calls == [1, 2]
    assert written == kept.get()
    assert (written.next_user, written.version) == ("u", 3)


def test_a_change_that_is_always_overtaken_ends(kept: ReconcileState) -> None:
    kept.begin(FIRST)

    def overtaken(state: State) -> State:
        kept.change(lambda other: msgspec.structs.replace(other, next_user=str(other.version)))
        return state

    with pytest.raises(LedgerBusy):
        kept.change(overtaken)


@pytest.mark.parametrize(
    "item",
    [{}, {"baseline": "now"}, {"baseline": 3}, {"baseline": FIRST.baseline, "last": "never"}],
)
def test_an_item_that_makes_no_sense_is_named(
    item: dict[str, object], kept: ReconcileState, aws: Cloud
) -> None:
    aws.recordings.put_item(Item={"uuid": KEY, **item})
    with pytest.raises(LedgerUnreadable, match="#reconcile in the table of recordings"):
        kept.get()


def test_an_item_never_expires(kept: ReconcileState, aws: Cloud) -> None:
    kept.begin(FIRST)
    assert "expiration" not in aws.recordings.get_item(Key={"uuid": KEY})["Item"]
