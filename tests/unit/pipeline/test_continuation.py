"""The limits of a copy that is continued in further invocations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from ingester import timestamps
from ingester.errors import CopyStuck, CopyTooLong
from ingester.pipeline.continuation import LONGEST, MAX_IDLE, continued
from ingester.pipeline.messages import Copying

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
SINCE = timestamps.write(NOW)


def test_time_of_a_copy_counts_from_its_first_continuation() -> None:
    assert continued(UNSET, 5, NOW) == Copying(since=SINCE, stored_bytes=5)


def test_invocation_is_not_idle_when_the_copy_has_grown() -> None:
    before = Copying(since=SINCE, stored_bytes=5, idle=2)
    after = Copying(since=SINCE, stored_bytes=6, idle=0)
    assert continued(before, 6, NOW + timedelta(hours=1)) == after


@pytest.mark.parametrize("stored", [0, 4, 5])
def test_invocation_is_idle_when_it_adds_no_bytes_to_the_copy(stored: int) -> None:
    # A changed file is copied from its beginning, so the number of stored bytes may decrease.
    before = Copying(since=SINCE, stored_bytes=5)
    assert continued(before, stored, NOW) == Copying(since=SINCE, stored_bytes=5, idle=1)


def test_copy_counts_as_stuck_when_three_invocations_in_a_row_were_idle() -> None:
    copying: Copying | UnsetType = continued(UNSET, 40_000_000, NOW)
    for _ in range(MAX_IDLE - 1):
        copying = continued(copying, 0, NOW)
    with pytest.raises(CopyStuck, match=r"3 invocations in a row .*, 40 MB: the files"):
        continued(copying, 40_000_000, NOW)


def test_copy_counts_as_too_long_when_it_is_continued_for_a_day() -> None:
    before = Copying(since=SINCE, stored_bytes=5)
    assert continued(before, 6, NOW + LONGEST - timedelta(seconds=1)).idle == 0
    with pytest.raises(CopyTooLong, match=f"since {SINCE}"):
        continued(before, 10**9, NOW + LONGEST)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=200))
def test_copy_is_stuck_exactly_when_three_invocations_in_a_row_are_idle(stored: list[int]) -> None:
    copying: Copying | UnsetType = UNSET
    most = 0
    for position, size in enumerate(stored):
        try:
            copying = continued(copying, size, NOW)
        except CopyStuck:
            assert max(stored[position - MAX_IDLE + 1 : position + 1]) <= most
            return
        most = max(most, size)
        assert copying.stored_bytes == most
        assert copying.idle < MAX_IDLE
    idle = 0
    for position, size in enumerate(stored):
        idle = 0 if position == 0 or size > max(stored[:position]) else idle + 1
    assert isinstance(copying, Copying)
    assert copying.idle == idle
