"""Result of parsing a sheet or file: the scheduled classes, and the rows that have a problem."""

from __future__ import annotations

import msgspec

from ingester.schedule.model import MeetingClass, ScheduledClass
from ingester.schedule.retained import UnreadRow


class RowProblem(msgspec.Struct, frozen=True):
    """A row that can't be used, or that is imported with a hint about a problem.

    Attributes:
        sheet: Name of the sheet for people.
        row: Number of the row, counted from 1.
        reason: Reason why the row can't be used, or a hint about a row that is imported.
        all_skipped: False if the row is imported, even in part.
        unread: The readable fields, if the row may still hold a scheduled class; else None.
        unlinked: Whether the row lacks a meeting link, usually because its class isn't recorded.
        course: Course of the row, as `course_label` returns it; "" if the row has none.
    """

    sheet: str
    row: int
    reason: str
    all_skipped: bool = True
    unread: UnreadRow | None = None
    unlinked: bool = False
    course: str = ""

    def __str__(self) -> str:
        return f"{self.place_and_course}: {self.reason}"

    @property
    def place(self) -> str:
        """The sheet and the row, for people."""
        return f"{self.sheet} row {self.row}"

    @property
    def place_and_course(self) -> str:
        """The sheet, the row and the row's course, for people."""
        return f"{self.place} ({self.course})" if self.course else self.place


class ParsedClass(msgspec.Struct, frozen=True):
    """A scheduled class that was read, with the numbers of its meeting and its row."""

    row: int
    meeting: str
    scheduled: ScheduledClass


class ParsedSheet(msgspec.Struct, frozen=True, kw_only=True):
    """Result of parsing one sheet or file.

    `name` is the sheet's or file's name for people. `source` is the source of the scheduled
    classes.
    """

    name: str
    source: str
    classes: tuple[ParsedClass, ...]
    problems: tuple[RowProblem, ...] = ()

    @property
    def pairs(self) -> tuple[MeetingClass, ...]:
        """The scheduled classes with the numbers of their meetings."""
        return tuple((parsed.meeting, parsed.scheduled) for parsed in self.classes)
