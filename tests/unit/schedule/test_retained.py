"""Which classes stay in the schedule although no row that can be read has them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingester.schedule.model import ReplacedSources, ScheduledClass, ScheduledMeeting, assemble
from ingester.schedule.retained import UnreadRow, retained_classes

SOURCES = ReplacedSources(names=frozenset({"sheet:Fall", ""}))


def event(course: str = "A", day: str = "M", source: str = "sheet:Fall") -> ScheduledClass:
    return ScheduledClass(
        day=day,
        time="9:30",
        title="Lecture",
        course_code=course,
        opencast_series_id="2026",
        source=source,
    )


def unread(**known: str) -> UnreadRow:
    return UnreadRow(source="sheet:Fall", **known)  # type: ignore[arg-type]


TABLE = list(
    assemble(
        [("1", event("A")), ("1", event("B", "W")), ("2", event("C")), ("3", event(""))]
    ).values()
)


def stay(
    *rows: UnreadRow, read: list[tuple[str, ScheduledClass]] | None = None
) -> list[tuple[str, str]]:
    found = retained_classes(TABLE, read or [], rows, SOURCES)
    return [(one.meeting, one.scheduled.course_code) for one in found]


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        (unread(meeting="1", course="B"), [("1", "A"), ("1", "B")]),
        (unread(meeting="1"), [("1", "A"), ("1", "B")]),
        (unread(course="c "), [("2", "C")]),
        (unread(course=""), [("3", "")]),
        (unread(), [("1", "A"), ("1", "B"), ("2", "C"), ("3", "")]),
        (unread(meeting="9", course="D"), []),
    ],
)
def test_what_is_known_of_the_row_decides(row: UnreadRow, kept: list[tuple[str, str]]) -> None:
    assert stay(row) == kept


def test_what_another_row_has_is_not_kept_for_this_one() -> None:
    read = [("1", event("A", "F"))]
    assert stay(unread(meeting="1", course="B"), read=read) == [("1", "B")]
    assert stay(unread(), read=read) == [("1", "B"), ("2", "C"), ("3", "")]
    assert stay(unread(course="A"), read=read) == [("1", "A")]
    merged = UnreadRow(source="sheet:Fall", course="A", maybe_merged=True)
    assert stay(merged, read=read) == []
    assert stay(UnreadRow(source="s", meeting="1", course="A", maybe_merged=True), read=read) == [
        ("1", "A")
    ]


def test_of_several_rows_a_class_is_its_own_course_s() -> None:
    """The answer names those rows first that cost a class."""
    both = [unread(meeting="1", course="A"), unread(meeting="1", course="B")]
    for rows in (both, both[::-1]):
        found = retained_classes(TABLE, [], rows, SOURCES)
        assert [(one.scheduled.course_code, one.row.course) for one in found] == [
            ("A", "A"),
            ("B", "B"),
        ]


def test_classes_of_other_sources_are_not_asked_for_but_all_if_all_are_replaced() -> None:
    table = [
        ScheduledMeeting(
            zoom_series_id="1",
            course_code="A",
            opencast_series_id="old",
            events=(ScheduledClass(day="M", time="9:30", title="L"), event("A", "F", "csv:a.csv")),
        )
    ]
    rows = [unread(meeting="1")]
    (kept,) = retained_classes(table, [], rows, SOURCES)
    first = kept.scheduled
    assert (kept.meeting, first.source, first.course_code, first.opencast_series_id) == (
        "1",
        "sheet:Fall",
        "A",
        "old",
    )
    # They are the row's from now on: mended, it replaces them.
    everything = retained_classes(table, [], rows, ReplacedSources(every=True))
    assert [(one.scheduled.day, one.scheduled.source) for one in everything] == [
        ("M", "sheet:Fall"),
        ("F", "sheet:Fall"),
    ]


events = st.builds(
    event, st.sampled_from(["A", "a ", "B", ""]), st.sampled_from("MT"), st.sampled_from(["", "x"])
)
pairs = st.lists(st.tuples(st.sampled_from(["1", "2"]), events), max_size=6)
rows = st.builds(
    UnreadRow,
    source=st.just("sheet:Fall"),
    meeting=st.sampled_from(["", "1", "2"]),
    course=st.sampled_from([None, "A", "B", ""]),
    maybe_merged=st.booleans(),
)


@settings(max_examples=150)
@given(pairs, pairs, st.lists(rows, max_size=3))
def test_whatever_can_t_be_read_keeps_only_what_was_there_and_loses_no_named_class(
    held: list[tuple[str, ScheduledClass]],
    read: list[tuple[str, ScheduledClass]],
    unread: list[UnreadRow],
) -> None:
    held = [(key, one) for key, one in held if one.course_code or one.source]
    table = list(assemble(held).values())
    found = retained_classes(table, read, unread, SOURCES)
    slots = {(one.meeting, one.scheduled.course_code, one.scheduled.day) for one in found}
    assert slots <= {(key, one.course_code, one.day) for key, one in held}
    if not unread:
        assert found == []
    for key, one in held:
        named = any(
            row.meeting == key and row.course == one.course_code and not row.maybe_merged
            for row in unread
        )
        if named and SOURCES.include(one.source) and one.course_code:
            course = " ".join(one.course_code.lower().split())
            again = {(k, " ".join(e.course_code.lower().split()), e.day) for k, e in read}
            assert (key, one.course_code, one.day) in slots or (key, course, one.day) in again
