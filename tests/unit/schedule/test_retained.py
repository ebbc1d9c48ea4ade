"""The scheduled classes that an import retains because it can't read their rows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingester.schedule.model import ReplacedSources, ScheduledClass, ScheduledMeeting, assemble
from ingester.schedule.retained import UnreadRow, retained_classes

SOURCES = ReplacedSources(names=frozenset({"sheet:Fall", ""}))


def a_class(course: str = "A", day: str = "M", source: str = "sheet:Fall") -> ScheduledClass:
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
        [("1", a_class("A")), ("1", a_class("B", "W")), ("2", a_class("C")), ("3", a_class(""))]
    ).values()
)


def stay(
    *rows: UnreadRow, read: list[tuple[str, ScheduledClass]] | None = None
) -> list[tuple[str, str]]:
    found = retained_classes(TABLE, read or [], rows, SOURCES)
    return [(kept.meeting, kept.scheduled.course_code) for kept in found]


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
def test_retained_scheduled_classes_depend_on_the_readable_cells_of_the_unread_row(
    row: UnreadRow, kept: list[tuple[str, str]]
) -> None:
    assert stay(row) == kept


def test_scheduled_class_of_a_read_course_is_retained_only_when_an_unread_row_has_the_course() -> (
    None
):
    read = [("1", a_class("A", "F"))]
    assert stay(unread(meeting="1", course="B"), read=read) == [("1", "B")]
    assert stay(unread(), read=read) == [("1", "B"), ("2", "C"), ("3", "")]
    assert stay(unread(course="A"), read=read) == [("1", "A")]
    merged = UnreadRow(source="sheet:Fall", course="A", maybe_merged=True)
    assert stay(merged, read=read) == []
    assert stay(UnreadRow(source="s", meeting="1", course="A", maybe_merged=True), read=read) == [
        ("1", "A")
    ]


def test_retained_scheduled_class_belongs_to_the_unread_row_of_its_course() -> None:
    # The import's answer lists the rows with retained scheduled classes first, so each retained
    # scheduled class needs its row.
    both = [unread(meeting="1", course="A"), unread(meeting="1", course="B")]
    for rows in (both, both[::-1]):
        found = retained_classes(TABLE, [], rows, SOURCES)
        assert [(kept.scheduled.course_code, kept.row.course) for kept in found] == [
            ("A", "A"),
            ("B", "B"),
        ]


def test_only_scheduled_classes_of_replaced_sources_are_retained() -> None:
    table = [
        ScheduledMeeting(
            zoom_series_id="1",
            course_code="A",
            opencast_series_id="old",
            events=(
                ScheduledClass(day="M", time="9:30", title="L"),
                a_class("A", "F", "csv:a.csv"),
            ),
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
    # A retained scheduled class gets its row's source, so that the corrected row will replace the
    # scheduled class.
    everything = retained_classes(table, [], rows, ReplacedSources(every=True))
    assert [(kept.scheduled.day, kept.scheduled.source) for kept in everything] == [
        ("M", "sheet:Fall"),
        ("F", "sheet:Fall"),
    ]


classes = st.builds(
    a_class,
    st.sampled_from(["A", "a ", "B", ""]),
    st.sampled_from("MT"),
    st.sampled_from(["", "x"]),
)
pairs = st.lists(st.tuples(st.sampled_from(["1", "2"]), classes), max_size=6)
rows = st.builds(
    UnreadRow,
    source=st.just("sheet:Fall"),
    meeting=st.sampled_from(["", "1", "2"]),
    course=st.sampled_from([None, "A", "B", ""]),
    maybe_merged=st.booleans(),
)


@settings(max_examples=150)
@given(pairs, pairs, st.lists(rows, max_size=3))
def test_no_scheduled_class_of_an_unread_row_is_lost_and_each_retained_class_is_in_the_table(
    held: list[tuple[str, ScheduledClass]],
    read: list[tuple[str, ScheduledClass]],
    unread: list[UnreadRow],
) -> None:
    held = [
        (key, scheduled) for key, scheduled in held if scheduled.course_code or scheduled.source
    ]
    table = list(assemble(held).values())
    found = retained_classes(table, read, unread, SOURCES)
    slots = {(kept.meeting, kept.scheduled.course_code, kept.scheduled.day) for kept in found}
    assert slots <= {(key, scheduled.course_code, scheduled.day) for key, scheduled in held}
    if not unread:
        assert found == []
    for key, scheduled in held:
        named = any(
            row.meeting == key and row.course == scheduled.course_code and not row.maybe_merged
            for row in unread
        )
        if named and SOURCES.include(scheduled.source) and scheduled.course_code:
            course = " ".join(scheduled.course_code.lower().split())
            again = {(k, " ".join(e.course_code.lower().split()), e.day) for k, e in read}
            assert (key, scheduled.course_code, scheduled.day) in slots or (
                key,
                course,
                scheduled.day,
            ) in again
