"""The terminal report of a schedule import."""

from __future__ import annotations

import msgspec
import pytest

from ingester.schedule.importer import ImportReport
from ingester.schedule.model import (
    ReplacedSources,
    ScheduledClass,
    ScheduledMeeting,
    assemble,
    plan_import,
)
from ingester.schedule.parsed import RowProblem
from ingester.schedule.report import terminal_lines


def a_class(day: str, time: str = "9:30", **changes: str) -> ScheduledClass:
    known = {"title": "Lecture", "course_code": "HIST", "opencast_series_id": "2026"}
    return ScheduledClass(day=day, time=time, **{**known, "source": "csv:a.csv", **changes})


def replacing(*sources: str) -> ReplacedSources:
    return ReplacedSources(names=frozenset(sources))


def report(
    before: list[ScheduledMeeting], classes: list[tuple[str, ScheduledClass]], skipped: int = 0
) -> ImportReport:
    return ImportReport(
        plan=plan_import(before, classes, replacing("csv:a.csv")),
        meetings=len({key for key, _ in classes}),
        classes=len(classes),
        problems=tuple(RowProblem("a.csv", row, "no Opencast series") for row in range(skipped)),
        before=tuple(before),
    )


def rows(*classes: tuple[str, ScheduledClass]) -> list[ScheduledMeeting]:
    return list(assemble(classes).values())


def test_terminal_report_names_added_changed_and_removed_meetings_and_skipped_rows() -> None:
    before = rows(("101", a_class("M")), ("101", a_class("W")), ("102", a_class("F")))
    new = [
        ("101", a_class("M")),
        ("101", a_class("W", "10:00")),
        ("103", a_class("T")),
        ("103", a_class("R")),
        ("103", a_class("F", course_code="CSCI", opencast_series_id="777")),
    ]
    assert terminal_lines(report(before, new, skipped=1), dry_run=True) == [
        (
            "2 meetings with 5 events: 1 would be added, 1 would be changed, 0 unchanged, "
            "1 would be removed. 1 row skipped."
        ),
        "Would be added, 1 in all:",
        "  103: HIST (2026) T 9:30 Lecture, R 9:30 Lecture; CSCI (777) F 9:30 Lecture",
        "Would be changed, 1 in all:",
        "  101: - HIST (2026) W 9:30 Lecture  + HIST (2026) W 10:00 Lecture",
        "Would be removed, 1 in all:",
        "  102: HIST (2026) F 9:30 Lecture",
        "Skipped rows, 1 in all:",
        "  a.csv row 0: no Opencast series",
    ]
    done = terminal_lines(report(before, new), dry_run=False)
    assert done[0].endswith("1 added, 1 changed, 0 unchanged, 1 removed.")
    assert done[1] == "Added, 1 in all:"


def test_terminal_report_names_the_first_twenty_meetings_of_a_section_and_counts_the_others() -> (
    None
):
    said = terminal_lines(
        report([], [(str(n), a_class("M")) for n in range(1000, 1023)]), dry_run=False
    )
    assert len(said) == 1 + 1 + 20 + 1
    assert said[-1] == "  … and 3 more"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (
            ScheduledMeeting(
                zoom_series_id="101",
                opencast_series_id="2026",
                course_code="HIST",
                events=(ScheduledClass(day="M", time="9:30", title="Lecture"),),
            ),
            (
                "  101: HIST (2026) M 9:30 Lecture, the same, from csv:a.csv instead of the "
                "first system's sheet"
            ),
        ),
        (
            ScheduledMeeting(zoom_series_id="101"),
            "  101: + HIST (2026) M 9:30 Lecture",
        ),
    ],
)
def test_terminal_report_describes_rows_of_the_first_system(
    before: ScheduledMeeting, said: str
) -> None:
    plan = plan_import([before], [("101", a_class("M"))], replacing("", "csv:a.csv"))
    made = ImportReport(plan=plan, meetings=1, classes=1, problems=(), before=(before,))
    assert terminal_lines(made, dry_run=False)[1:] == ["Changed, 1 in all:", said]
    empty = ScheduledMeeting(zoom_series_id="7", course_code="HIST", opencast_series_id="2026")
    gone = plan_import([empty], [("101", a_class("M"))], replacing(""))
    made = ImportReport(plan=gone, meetings=1, classes=1, problems=(), before=(empty,))
    assert terminal_lines(made, dry_run=False)[-1] == "  7: HIST (2026), without events"


def test_terminal_report_counts_rows_with_hints_beside_skipped_rows() -> None:
    same = [("101", a_class("M"))]
    problems = (
        RowProblem("a.csv", 2, "no Opencast series"),
        RowProblem("a.csv", 3, "a hint", all_skipped=False, course="HIST"),
        RowProblem("a.csv", 3, "another", all_skipped=False, course="HIST"),
    )
    made = msgspec.structs.replace(report(rows(*same), same), problems=problems)
    assert terminal_lines(made, dry_run=False) == [
        (
            "1 meeting with 1 event: 0 added, 0 changed, 1 unchanged, 0 removed. 1 row skipped. "
            "1 row incomplete."
        ),
        "Skipped rows, 1 in all:",
        "  a.csv row 2: no Opencast series",
        "Incomplete rows, which are imported, 1 in all:",
        "  a.csv row 3 (HIST): a hint; another",
    ]


def test_terminal_report_marks_a_scheduled_class_that_gets_no_recordings() -> None:
    new = [("101", a_class("M")), ("101", a_class("M", "09:30", opencast_series_id="777"))]
    assert terminal_lines(report([], new), dry_run=False)[2] == (
        "  101: HIST (2026) M 9:30 Lecture; HIST (777) M 09:30 Lecture (gets no recordings)"
    )


def test_terminal_report_is_one_line_when_nothing_changed() -> None:
    same = [("101", a_class("M"))]
    assert terminal_lines(report(rows(*same), same), dry_run=False) == [
        "1 meeting with 1 event: 0 added, 0 changed, 1 unchanged, 0 removed."
    ]
