"""How many connections a copy takes, on links that are only computed."""

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
"""Connections → bytes a second of all of them."""


def link(each: float, together: float = float("inf")) -> Link:
    """No connection brings more than `each`, and all no more than `together`."""
    return lambda connections: min(connections * each, together)


def run(limit: ConcurrencyLimit, over: Link, ticks: int) -> list[int]:
    """The connections of so many ticks, in all of which there is enough to do."""
    seen = []
    for _ in range(ticks):
        seen.append(limit.connections)
        limit.adapt(over(limit.connections), limit.connections)
    return seen


def test_it_doubles_as_long_as_that_pays() -> None:
    assert run(ConcurrencyLimit(4, 64), link(10e6), 6) == [4, 8, 16, 32, 64, 64]


def test_what_brings_nothing_is_given_back() -> None:
    limit = ConcurrencyLimit(4, 64)
    assert run(limit, link(10e6, together=80e6), 4) == [4, 8, 16, 8]
    assert limit.connections == 8


def test_a_link_that_one_connection_fills_is_left_at_the_first_few() -> None:
    assert max(run(ConcurrencyLimit(4, 16), link(50e6, together=50e6), 10)[2:]) == 4


@given(each=st.floats(1e6, 100e6), together=st.floats(1e6, 2e9), first=st.integers(1, 8))
def test_it_comes_to_what_the_link_gives(each: float, together: float, first: int) -> None:
    """Nearly: what would bring less than a quarter of its share isn't worth its memory."""
    over, most = link(each, together), 16
    limit = ConcurrencyLimit(first, most)
    settled = run(limit, over, 200)[100:]
    usual = sorted(settled)[len(settled) // 2]
    assert over(usual) >= 0.6 * over(most)
    assert usual <= max(first, 2 * together / each + 1)


def test_now_and_then_it_asks_whether_more_would_pay_by_now() -> None:
    limit = ConcurrencyLimit(4, 16)
    run(limit, link(10e6, together=40e6), 2)
    assert limit.connections == 4
    quiet = run(limit, link(10e6, together=40e6), TICKS_BETWEEN_TRIALS + 1)
    assert quiet == [4] * TICKS_BETWEEN_TRIALS + [5]
    assert run(limit, link(10e6, together=1e9), 5 * TICKS_BETWEEN_TRIALS)[-1] == 16


@pytest.mark.parametrize("first", [1, 2, 3])
def test_also_where_a_quarter_of_them_is_less_than_one(first: int) -> None:
    limit = ConcurrencyLimit(first, 16)
    run(limit, link(20e6, together=first * 20e6), 2)
    assert limit.connections == first
    assert run(limit, link(20e6), 5 * TICKS_BETWEEN_TRIALS)[-1] == 16


def test_a_trial_that_brings_nothing_is_taken_back() -> None:
    limit = ConcurrencyLimit(4, 16)
    full = link(10e6, together=40e6)
    seen = run(limit, full, 10 * TICKS_BETWEEN_TRIALS)
    assert set(seen[2:]) == {4, 5}
    assert seen.count(5) < len(seen) / TICKS_BETWEEN_TRIALS


def test_a_slower_hour_costs_no_connection_at_a_trial() -> None:
    """A trial is compared with the tick before it, not with the best that there ever was."""
    limit = ConcurrencyLimit(8, 16)
    run(limit, link(10e6, together=80e6), 3)
    assert run(limit, link(5e6), TICKS_BETWEEN_TRIALS + 2)[-4:] == [8, 10, 12, 15]


@pytest.mark.parametrize(("before", "after"), [(16, 8), (5, 2), (1, 1)])
def test_too_much_halves_it_at_once(before: int, after: int) -> None:
    limit = ConcurrencyLimit(before, 16)
    limit.back_off()
    assert limit.connections == after


def test_after_too_much_it_stays_so_for_a_while_and_grows_slowly() -> None:
    limit = ConcurrencyLimit(16, 16)
    limit.back_off()
    seen = run(limit, link(10e6), TICKS_AFTER_THROTTLING + 3)
    assert seen[:TICKS_AFTER_THROTTLING] == [8] * TICKS_AFTER_THROTTLING
    assert seen[TICKS_AFTER_THROTTLING:] == [10, 12, 15]


def test_a_tick_with_too_little_to_do_says_nothing() -> None:
    limit = ConcurrencyLimit(4, 16)
    for _ in range(50):
        limit.adapt(1e9, 3)
    assert limit.connections == 4
    limit.adapt(40e6, 4)
    assert limit.connections == 8


def test_there_are_never_more_than_the_most() -> None:
    assert ConcurrencyLimit(8, 3).connections == 3


@given(
    first=st.integers(1, 20),
    most=st.integers(1, 20),
    ticks=st.lists(st.tuples(st.floats(0, 1e10), st.integers(0, 3)) | st.none(), max_size=200),
)
def test_whatever_comes_it_stays_between_one_and_the_most(
    first: int, most: int, ticks: list[tuple[float, int] | None]
) -> None:
    limit = ConcurrencyLimit(first, most)
    for tick in ticks:
        if tick is None:
            limit.back_off()
        else:
            limit.adapt(tick[0], max(0, limit.connections - tick[1] + 1))
        assert 1 <= limit.connections <= most
