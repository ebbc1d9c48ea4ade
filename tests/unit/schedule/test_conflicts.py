"""Two classes of one meeting at the same time: somebody is told, whichever counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingester.schedule.conflicts import conflicts
from ingester.schedule.model import ScheduledClass
from ingester.schedule.parsed import ParsedClass, ParsedSheet


def event(day: str, series: str, source: str = "sheet:Fall", time: str = "9:30") -> ScheduledClass:
    return ScheduledClass(day=day, time=time, title="L", opencast_series_id=series, source=source)


def sheet(name: str, *rows: tuple[int, str, ScheduledClass]) -> ParsedSheet:
    return ParsedSheet(
        name=name,
        source=f"sheet:{name}",
        classes=tuple(ParsedClass(*row) for row in rows),
    )


def test_rows_and_earlier_imports_are_named() -> None:
    fall = sheet(
        "Fall",
        (2, "1", event("M", "A")),
        (2, "1", event("W", "A")),
        (3, "1", event("M", "B")),
        (3, "1", event("W", "B", time="09:30")),
        # Another meeting, the same series, another time.
        (4, "2", event("M", "B")),
        (5, "1", event("M", "A")),
        (6, "1", event("F", "B")),
    )
    spring = sheet("Spring", (2, "1", event("F", "C")))
    others = [
        ("1", event("M", "OLD", "csv:a.csv")),
        ("2", event("M", "B", "")),
        ("9", event("M", "X")),
    ]
    found = conflicts([fall, spring], others)
    assert [str(one) for one in found] == [
        "Fall row 3: M 9:30, W 09:30 is Fall row 2's already, for another series: that one counts",
        "Spring row 2: F 9:30 is Fall row 6's already, for another series: that one counts",
        "Fall row 2: M 9:30 is also that of series OLD, from csv:a.csv: this row counts",
    ]
    assert not any(one.whole for one in found)


rows = st.lists(
    st.tuples(
        st.integers(2, 9),
        st.sampled_from("12"),
        st.builds(event, st.sampled_from("MT"), st.sampled_from("AB")),
    ),
    max_size=6,
)


@given(rows, rows)
def test_a_time_with_two_series_is_told_and_no_other(
    mine: list[tuple[int, str, ScheduledClass]], theirs: list[tuple[int, str, ScheduledClass]]
) -> None:
    others = [(key, one) for _, key, one in theirs]
    found = conflicts([sheet("Fall", *mine)], others)
    times: dict[tuple[str, str], set[str]] = {}
    for _, key, one in mine:
        times.setdefault((key, one.day), set()).add(one.opencast_series_id)
    for key, one in others:
        if (key, one.day) in times:
            times[key, one.day].add(one.opencast_series_id)
    assert bool(found) == any(len(series) > 1 for series in times.values())
