"""The id of a series, read from an id or a link."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.schedule.series_link import LONGEST, series_id_in


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ("20260112345", "20260112345"),
        ("f5f7b9a2-93a6-4d1a-9ad4-d5a1f4d3e0c1", "f5f7b9a2-93a6-4d1a-9ad4-d5a1f4d3e0c1"),
        ("https://oc.example.edu/index.html#/2026/01/12345", "20260112345"),
        ("a" * LONGEST, "a" * LONGEST),
        ("a" * (LONGEST + 1), ""),
        ("https://o/#" + "a" * (LONGEST + 1), ""),
        ("https://oc.example.edu/series/1", ""),
        ("Marine Biology", ""),
        ("2026/01/12345", ""),
        ("..", ".."),
        ("\u200b20260112345", ""),
        ("20260112345\x00", ""),
        ("", ""),
    ],
)
def test_series_id_is_read_from_ids_and_links_only(text: str, series: str) -> None:
    assert series_id_in(text) == series


@given(st.text())
def test_series_id_is_valid_or_empty_whatever_the_text(text: str) -> None:
    found = series_id_in(text)
    assert series_id_in(found) == found
    assert not set(found) & set(" \t\n/#")
