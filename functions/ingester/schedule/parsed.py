"""Result of parsing a sheet or file: its scheduled classes, and the rows that can't be used."""

from __future__ import annotations

import msgspec

from ingester.schedule.model import MeetingClass, ScheduledClass
from ingester.schedule.retained import UnreadRow


class SkippedRow(msgspec.Struct, frozen=True):
    """A row that can't be used, or not as a whole, and why.

    `all_skipped` is False if the rest of the row is imported; then `reason` is only a hint.
    `unread` is what is known of a class that the row may hold all the same. `unlinked` is True for
    a row without a meeting link: usually nobody wants its class recorded.
    """

    sheet: str
    row: int
    reason: str
    all_skipped: bool = True
    unread: UnreadRow | None = None
    unlinked: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"

    @property
    def place(self) -> str:
        """The sheet and the row, for people."""
        return f"{self.sheet} row {self.row}"


class ParsedClass(msgspec.Struct, frozen=True):
    """A scheduled class that was read, the number of its meeting, and the row it stands in."""

    row: int
    meeting: str
    scheduled: ScheduledClass


class ParsedSheet(msgspec.Struct, frozen=True, kw_only=True):
    """Result of parsing one sheet or file.

    `name` is for people; `source` is what the classes note as their source.
    """

    name: str
    source: str
    classes: tuple[ParsedClass, ...]
    skipped: tuple[SkippedRow, ...] = ()

    @property
    def pairs(self) -> tuple[MeetingClass, ...]:
        """The classes with the numbers of their meetings."""
        return tuple((parsed.meeting, parsed.scheduled) for parsed in self.classes)
