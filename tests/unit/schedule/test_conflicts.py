"""Conflicts between scheduled classes at the same time, and repeated scheduled classes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingester.schedule.conflicts import conflicts, copies
from ingester.schedule.model import ScheduledClass
from ingester.schedule.parsed import ParsedClass, ParsedSheet

ENDING = "for another series: that one counts, and this class gets no recordings"


def a_class(
    day: str, series: str, source: str = "sheet:Fall", time: str = "9:30"
) -> ScheduledClass:
    return ScheduledClass(day=day, time=time, title="L", opencast_series_id=series, source=source)


def sheet(name: str, *rows: tuple[int, str, ScheduledClass]) -> ParsedSheet:
    return ParsedSheet(
        name=name,
        source=f"sheet:{name}",
        classes=tuple(ParsedClass(*row) for row in rows),
    )


def test_conflicts_name_the_row_or_the_source_that_has_the_same_time() -> None:
    fall = sheet(
        "Fall",
        (2, "1", a_class("M", "A")),
        (2, "1", a_class("W", "A")),
        (3, "1", a_class("M", "B")),
        (3, "1", a_class("W", "B", time="09:30")),
        # Within one sheet, another meeting, the same series, or another time causes no conflict.
        (4, "2", a_class("M", "B")),
        (5, "1", a_class("M", "A")),
        (6, "1", a_class("F", "B")),
    )
    spring = sheet("Spring", (2, "1", a_class("F", "C")))
    others = [
        ("1", a_class("M", "OLD", "csv:a.csv")),
        ("2", a_class("M", "B", "")),
        ("9", a_class("M", "X")),
    ]
    found = conflicts([fall, spring], others)
    assert [str(conflict) for conflict in found] == [
        f"Fall row 3: M 9:30, W 09:30 is Fall row 2's already, {ENDING}",
        f"Spring row 2: F 9:30 is Fall row 6's already, {ENDING}",
        "Fall row 2: M 9:30 is also that of series OLD, from csv:a.csv: this row counts",
    ]
    assert not any(conflict.all_skipped for conflict in found)


def test_copies_of_scheduled_classes_name_the_first_row_with_the_same_scheduled_class() -> None:
    fall = sheet(
        "Fall",
        (2, "1", a_class("M", "A")),
        (2, "1", a_class("M", "A", time="09:30")),
        (3, "1", a_class("M", "A", time="09:30")),
        # Another meeting, another series, or another time makes another scheduled class.
        (4, "2", a_class("M", "A")),
        (5, "1", a_class("M", "B")),
        (6, "1", a_class("T", "A")),
    )
    spring = sheet("Spring", (2, "1", a_class("M", "A", "sheet:Spring")))
    found = copies([fall, spring])
    ending = "if only one of the rows changes, both times are in force"
    assert [str(copy) for copy in found] == [
        f"Fall row 3: M 09:30 is the same class as row 2: {ending}",
        f"Spring row 2: M 9:30 is the same class as Fall row 2: {ending}",
    ]
    assert not any(copy.all_skipped for copy in found)


rows = st.lists(
    st.tuples(
        st.integers(2, 9),
        st.sampled_from("12"),
        st.builds(a_class, st.sampled_from("MT"), st.sampled_from("AB")),
    ),
    max_size=6,
)


@given(rows, rows)
def test_conflicts_are_reported_exactly_when_a_meeting_has_two_series_at_a_time_of_the_sheet(
    mine: list[tuple[int, str, ScheduledClass]], theirs: list[tuple[int, str, ScheduledClass]]
) -> None:
    others = [(key, scheduled) for _, key, scheduled in theirs]
    found = conflicts([sheet("Fall", *mine)], others)
    times: dict[tuple[str, str], set[str]] = {}
    for _, key, scheduled in mine:
        times.setdefault((key, scheduled.day), set()).add(scheduled.opencast_series_id)
    for key, scheduled in others:
        if (key, scheduled.day) in times:
            times[key, scheduled.day].add(scheduled.opencast_series_id)
    assert bool(found) == any(len(series) > 1 for series in times.values())
