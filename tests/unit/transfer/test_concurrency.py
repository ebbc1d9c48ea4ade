"""Unit tests of the concurrency limit, with simulated links."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.transfer.concurrency import (
    TICKS_AFTER_THROTTLING,
    TICKS_BETWEEN_TRIALS,
    ConcurrencyLimit,
)

Link = Callable[[int], float]
"""A function that returns the joint throughput of a number of connections, in bytes a second."""


def link(each: float, together: float = float("inf")) -> Link:
    """Return a link with `each` bytes a second per connection, and at most `together` in all."""
    return lambda connections: min(connections * each, together)


def run(limit: ConcurrencyLimit, over: Link, ticks: int) -> list[int]:
    """Adapt the limit to the link for `ticks` ticks, and return the limit at each tick."""
    seen = []
    for _ in range(ticks):
        seen.append(limit.connections)
        limit.adapt(over(limit.connections), limit.connections)
    return seen


def test_concurrency_limit_doubles_while_the_throughput_doubles() -> None:
    assert run(ConcurrencyLimit(4, 64), link(10e6), 6) == [4, 8, 16, 32, 64, 64]


def test_concurrency_limit_goes_back_when_more_connections_bring_no_additional_throughput() -> None:
    limit = ConcurrencyLimit(4, 64)
    assert run(limit, link(10e6, together=80e6), 4) == [4, 8, 16, 8]
    assert limit.connections == 8


def test_concurrency_limit_returns_to_its_first_value_when_one_connection_fills_the_link() -> None:
    assert max(run(ConcurrencyLimit(4, 16), link(50e6, together=50e6), 10)[2:]) == 4


@given(each=st.floats(1e6, 100e6), together=st.floats(1e6, 2e9), first=st.integers(1, 8))
def test_concurrency_limit_settles_where_the_link_gives_most_of_its_throughput(
    each: float, together: float, first: int
) -> None:
    # A raise has to bring at least a quarter of the gain that equally fast connections would bring.
    over, most = link(each, together), 16
    limit = ConcurrencyLimit(first, most)
    settled = run(limit, over, 200)[100:]
    usual = sorted(settled)[len(settled) // 2]
    assert over(usual) >= 0.6 * over(most)
    assert usual <= max(first, 2 * together / each + 1)


def test_concurrency_limit_is_raised_on_trial_after_some_ticks() -> None:
    limit = ConcurrencyLimit(4, 16)
    run(limit, link(10e6, together=40e6), 2)
    assert limit.connections == 4
    quiet = run(limit, link(10e6, together=40e6), TICKS_BETWEEN_TRIALS + 1)
    assert quiet == [4] * TICKS_BETWEEN_TRIALS + [5]
    assert run(limit, link(10e6, together=1e9), 5 * TICKS_BETWEEN_TRIALS)[-1] == 16


@pytest.mark.parametrize("first", [1, 2, 3])
def test_concurrency_limit_grows_after_trials_when_a_quarter_of_the_limit_is_less_than_one(
    first: int,
) -> None:
    limit = ConcurrencyLimit(first, 16)
    run(limit, link(20e6, together=first * 20e6), 2)
    assert limit.connections == first
    assert run(limit, link(20e6), 5 * TICKS_BETWEEN_TRIALS)[-1] == 16


def test_concurrency_limit_goes_back_when_a_trial_brings_no_additional_throughput() -> None:
    limit = ConcurrencyLimit(4, 16)
    full = link(10e6, together=40e6)
    seen = run(limit, full, 10 * TICKS_BETWEEN_TRIALS)
    assert set(seen[2:]) == {4, 5}
    assert seen.count(5) < len(seen) / TICKS_BETWEEN_TRIALS


def test_concurrency_limit_grows_at_a_trial_when_the_link_has_become_slower() -> None:
    # A trial is compared with the tick before the trial, not with the best tick of all.
    limit = ConcurrencyLimit(8, 16)
    run(limit, link(10e6, together=80e6), 3)
    assert run(limit, link(5e6), TICKS_BETWEEN_TRIALS + 2)[-4:] == [8, 10, 12, 15]


@pytest.mark.parametrize(("before", "after"), [(16, 8), (5, 2), (1, 1)])
def test_concurrency_limit_is_halved_to_at_least_1_when_the_source_throttles(
    before: int, after: int
) -> None:
    limit = ConcurrencyLimit(before, 16)
    limit.back_off()
    assert limit.connections == after


def test_concurrency_limit_is_held_and_then_grows_slowly_after_throttling() -> None:
    limit = ConcurrencyLimit(16, 16)
    limit.back_off()
    seen = run(limit, link(10e6), TICKS_AFTER_THROTTLING + 3)
    assert seen[:TICKS_AFTER_THROTTLING] == [8] * TICKS_AFTER_THROTTLING
    assert seen[TICKS_AFTER_THROTTLING:] == [10, 12, 15]


def test_concurrency_limit_stays_the_same_when_fewer_connections_than_the_limit_were_in_use() -> (
    None
):
    limit = ConcurrencyLimit(4, 16)
    for _ in range(50):
        limit.adapt(1e9, 3)
    assert limit.connections == 4
    limit.adapt(40e6, 4)
    assert limit.connections == 8


def test_concurrency_limit_is_the_maximum_when_the_initial_limit_is_higher() -> None:
    assert ConcurrencyLimit(8, 3).connections == 3


@given(
    first=st.integers(1, 20),
    most=st.integers(1, 20),
    ticks=st.lists(st.tuples(st.floats(0, 1e10), st.integers(0, 3)) | st.none(), max_size=200),
)
def test_concurrency_limit_stays_between_1_and_the_maximum_whatever_happens(
    first: int, most: int, ticks: list[tuple[float, int] | None]
) -> None:
    limit = ConcurrencyLimit(first, most)
    for tick in ticks:
        if tick is None:
            limit.back_off()
        else:
            limit.adapt(tick[0], max(0, limit.connections - tick[1] + 1))
        assert 1 <= limit.connections <= most
