"""Unit tests of the division of a file into parts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingester.transfer.parts import (
    END_SHARE,
    LONGEST_END,
    MARK_NUMBER,
    MAX_PARTS,
    MIB,
    SMALLEST,
    Part,
    part_bytes,
    parts_of,
)

TERABYTES = 50 * 10**12
"""Size in bytes of S3's largest object.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""
LARGEST_PART = 5 * 1024 * MIB

sizes = st.one_of(
    st.integers(1, 200 * MIB),
    st.integers(1, TERABYTES),
    # Near the sizes below, large parts have to grow by 1 MiB to keep within S3's limit of parts.
    st.builds(
        lambda large, more: large * MIB * (MAX_PARTS - LONGEST_END // SMALLEST) + more,
        st.integers(16, 4700),
        st.integers(-MIB, 130 * MIB),
    ),
)


@settings(max_examples=40)
@given(size=sizes)
@example(size=1)
@example(size=SMALLEST - 1)
@example(size=SMALLEST)
@example(size=SMALLEST + 1)
@example(size=TERABYTES)
def test_parts_cover_the_file_within_the_limits_of_s3(size: int) -> None:
    # Small parts at the end of the file let all connections end at about the same time.
    parts = parts_of(size)
    lengths = [part.length for part in parts]
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert len(parts) < MARK_NUMBER == 10_000
    assert (parts[0].first, parts[-1].last) == (0, size - 1)
    assert all(after.first == part.last + 1 for part, after in pairwise(parts))
    assert lengths[-1] >= 1
    assert min(lengths[:-1], default=5 * MIB) >= 5 * MIB
    assert lengths[0] <= LARGEST_PART
    assert lengths == sorted(lengths, reverse=True)
    assert set(lengths[:-1]) <= {part_bytes(size), SMALLEST}
    large = sum(length for length in lengths if length > SMALLEST)
    assert large < size - min(size // END_SHARE, LONGEST_END) + part_bytes(size)


def test_empty_file_has_no_parts() -> None:
    assert parts_of(0) == ()


def test_length_of_a_part_counts_its_first_and_last_byte() -> None:
    assert Part(2, 10, 19).length == 10


@pytest.mark.parametrize(
    ("size", "large", "count", "first_small"),
    [
        (12_000_000, 5, 3, 1),
        (420_000_000, 10, 45, 37),
        (500_000_000, 11, 50, 39),
        (1_400_000_000, 16, 100, 77),
        (1408 * MIB, 16, 106, 81),
        (20_000_000_000, 16, 1208, 1186),
        (200_000_000_000, 20, 9554, 9532),
    ],
)
def test_division_of_known_sizes_into_parts_stays_the_same(
    size: int, large: int, count: int, first_small: int
) -> None:
    # A change of the division requires a change of the mark.
    # The mark says nothing about the division but the size of the large parts. Without a new mark,
    # a new version of this code would resume uploads whose parts have other offsets.
    parts = parts_of(size)
    assert part_bytes(size) == large * MIB
    assert len(parts) == count
    small = [part.number for part in parts if part.length <= SMALLEST]
    assert small[0] == first_small
