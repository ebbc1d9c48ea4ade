"""Unit tests of reconcile's item in the ledger's table, with an in-process DynamoDB."""

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
def table(aws: Cloud) -> ReconcileState:
    return ReconcileState(aws.recordings)


def test_reconcile_item_does_not_exist_before_the_first_run(table: ReconcileState) -> None:
    assert table.get() is None


def test_baseline_is_kept_when_another_run_has_written_it(table: ReconcileState) -> None:
    assert table.begin(FIRST).baseline == FIRST.baseline
    assert table.begin(OTHER).baseline == FIRST.baseline
    assert table.get() == msgspec.structs.replace(FIRST, version=1)


def test_change_of_the_reconcile_item_is_repeated_when_another_run_wrote_the_item(
    table: ReconcileState,
) -> None:
    table.begin(FIRST)
    calls = []

    def change(state: State) -> State:
        calls.append(state.version)
        if len(calls) == 1:
            table.change(lambda other: msgspec.structs.replace(other, next_user="u"))
        run = Run(at="2026-10-14T20:00:00Z", listed=3)
        return msgspec.structs.replace(state, last=run, told={"a": "2026-10-14T20:00:00Z"})

    written = table.change(change)
    assert calls == [1, 2]
    assert written == table.get()
    assert (written.next_user, written.version) == ("u", 3)


def test_change_of_the_reconcile_item_raises_ledger_busy_when_other_runs_write_it_each_time(
    table: ReconcileState,
) -> None:
    table.begin(FIRST)

    def change_with_conflict(state: State) -> State:
        table.change(lambda other: msgspec.structs.replace(other, next_user=str(other.version)))
        return state

    with pytest.raises(LedgerBusy):
        table.change(change_with_conflict)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"baseline": "now"},
        {"baseline": 3},
        {"baseline": FIRST.baseline, "last": "never"},
        # DynamoDB can store 38 digits, but a version has to be from 0 to 10**18.
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
        {"baseline": FIRST.baseline, "version": 10**38 - 1},
        {"baseline": FIRST.baseline, "version": -1},
    ],
)
def test_error_names_the_reconcile_item_when_the_item_is_invalid(
    item: dict[str, object], table: ReconcileState, aws: Cloud
) -> None:
    aws.recordings.put_item(Item={"uuid": KEY, **item})
    with pytest.raises(LedgerUnreadable, match="#reconcile in the table of recordings"):
        table.get()


def test_reconcile_item_has_no_expiration(table: ReconcileState, aws: Cloud) -> None:
    table.begin(FIRST)
    assert "expiration" not in aws.recordings.get_item(Key={"uuid": KEY})["Item"]
