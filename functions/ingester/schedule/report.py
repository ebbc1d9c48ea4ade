"""The report of an import in sentences: for the sheet, for the log, and for the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Container, Iterable, Iterator, Sequence

import msgspec

from ingester.log_level import Level
from ingester.schedule.importer import ImportReport
from ingester.schedule.model import assemble
from ingester.schedule.parsed import RowProblem
from ingester.schedule.removals import MovedMeeting, Removals, RemovedClasses, find_removals
from ingester.schedule.retained import UnreadRow
from ingester.schedule.wording import described, described_change, source_name

MAX_ROWS = 10
"""Maximum number of lines about single rows in the sheet's answer. An answer that names rows is
shown as an alert, which has room for these lines."""

MAX_REMOVED = 5
"""Maximum number of meetings with removed scheduled classes that the sheet's answer names."""

MAX_ALSO_IN = 3
"""Maximum number of other meetings that are named for having a removed scheduled class too."""

MAX_SOURCES = 3
"""Maximum number of other sources with the same scheduled classes that the sheet's answer names."""

MAX_UNLINKED = 2
"""Maximum number of rows without a link that the sheet's answer names. Rows with retained scheduled
classes aren't counted. If more rows lack a link, the answer gives their number and names only the
first, because most of these rows lack a link on purpose."""

LONGEST_LINE = 400
"""Maximum number of characters of a line of the sheet's answer, enough for the names of two tabs, a
scheduled class on all days and the problem. A first word such as `Removed` isn't counted. Only
lines with a command may be longer."""

LONGEST_SOURCE = 60
"""Maximum number of characters of a source in a sentence. The command beside the sentence names the
whole source."""

LOGGED_AT_ONCE = 100
LONGEST_LOGGED = 1000
"""Maximum number of lines in one log record, and of characters of one line. A meeting may have
thousands of scheduled classes, and CloudWatch limits a log record to 1 MB:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

MAX_IN_SECTION = 20
"""Maximum number of entries of one kind that the terminal shows."""


class LogEntry(msgspec.Struct, frozen=True):
    """A log record about an import. `rows` are the report's lines that belong to the record."""

    level: Level
    message: str
    rows: Sequence[str]


def sheet_answer(report: ImportReport) -> str:
    """Return the text that the sheet shows after an update.

    A line with numbers comes first, then lines about removed scheduled classes, classes that other
    sources have too, rows whose classes stay in the schedule, other rows that can't be used, and
    imported rows that may be wrong. If many rows lack a link, the last line counts them.
    """
    removals = removals_of(report)
    lines = [
        _summary_line(report, removals),
        *_removed_lines("Removed", removals),
        *_first_repeated_lines(report),
        *_row_lines(report),
    ]
    return "\n".join(lines)


def interrupted_lines(report: ImportReport) -> list[str]:
    """Return lines about the scheduled classes that an interrupted update should have removed.

    The next update may not name these classes, because it compares the sheet with the table that
    the interrupted update left.
    """
    return _removed_lines("To be removed", removals_of(report))


def log_entries(report: ImportReport) -> Iterator[LogEntry]:
    """Yield the log records of an update.

    The log records are about all changes, retained scheduled classes, scheduled classes that other
    sources have too, and all rows with problems.
    """
    removals = removals_of(report)
    removed = [_removed_line(classes, LONGEST_LOGGED) for classes in removals.removed]
    for level, message, lines in (
        (Level.INFO, "Meetings that are new", _added(report)),
        (Level.INFO, "Meetings that change", _changed(report)),
        (Level.INFO, "Meetings whose classes move to others", map(_moved_line, removals.moved)),
        (Level.WARNING, "Classes that are removed", removed),
        (Level.WARNING, "Classes that are kept as before", _retained(report)),
        (Level.WARNING, "Classes that other sources have too", _repeated_lines(report)),
        (Level.WARNING, "Rows that can't be used", _skipped(report)),
        (Level.WARNING, "Rows that are imported, but may be wrong", _hints(report)),
    ):
        rows = [_cut(line, LONGEST_LOGGED) for line in lines]
        for first in range(0, len(rows), LOGGED_AT_ONCE):
            yield LogEntry(level, message, rows[first : first + LOGGED_AT_ONCE])


def terminal_lines(report: ImportReport, *, dry_run: bool) -> list[str]:
    """Return the lines that a command prints about an import.

    A line with the numbers comes first, then a section for each kind of change, for the retained
    scheduled classes, and for each kind of row with a problem. The first line calls scheduled
    classes events, as the answer to the sheet does.
    """
    plan = report.plan
    before = {meeting.zoom_series_id: meeting for meeting in report.before}
    deleted = [described(before[key]) for key in plan.delete if key in before]
    would = "would be " if dry_run else ""
    numbers = (
        f"{_count(report.meetings, 'meeting')} with {_count(report.classes, 'event')}: "
        f"{plan.added} {would}added, {plan.changed} {would}changed, {plan.unchanged} unchanged, "
        f"{len(plan.delete)} {would}removed."
    )
    skipped = [row for row in report.problems if row.all_skipped]
    hints = [row for row in report.problems if not row.all_skipped]
    return [
        " ".join([numbers, *_counts_of_rows(report)]),
        *_section(f"{would}added", _added(report)),
        *_section(f"{would}changed", _changed(report)),
        *_section(f"{would}removed", deleted),
        *_section("kept as before", _retained(report)),
        *_section("skipped rows", _lines_by_row(skipped)),
        *_section("incomplete rows, which are imported", _lines_by_row(hints)),
    ]


def terminal_removal_lines(report: ImportReport, source: str, *, dry_run: bool) -> list[str]:
    """Return the lines that a command prints about removing one source's scheduled classes."""
    plan = report.plan
    done = "would be removed" if dry_run else "removed"
    deleted = f"{_count(len(plan.delete), 'meeting')} {done}"
    stay = f"{plan.changed} keep{'s' if plan.changed == 1 else ''} classes from elsewhere."
    return [f"From {source}: {deleted}, {stay}", *terminal_lines(report, dry_run=dry_run)[1:]]


def removals_of(report: ImportReport) -> Removals:
    """Return the scheduled classes that an import removes, and the meetings that it replaces."""
    return find_removals(report.before, report.plan.put, report.plan.delete)


def _added(report: ImportReport) -> list[str]:
    """Describe the meetings that are new in the table."""
    before = {meeting.zoom_series_id for meeting in report.before}
    return [described(row) for row in report.plan.put if row.zoom_series_id not in before]


def _changed(report: ImportReport) -> list[str]:
    """Describe the changes of the meetings that stay in the table."""
    before = {meeting.zoom_series_id: meeting for meeting in report.before}
    return [
        described_change(before[row.zoom_series_id], row)
        for row in report.plan.put
        if row.zoom_series_id in before
    ]


def _skipped(report: ImportReport) -> list[str]:
    """Describe the rows of which nothing is imported."""
    return [str(row) for row in report.problems if row.all_skipped]


def _hints(report: ImportReport) -> list[str]:
    """Describe the possible mistakes in rows that are imported."""
    return [str(row) for row in report.problems if not row.all_skipped]


def _retained(report: ImportReport) -> list[str]:
    """Describe, by meeting, the scheduled classes that stay because their rows can't be read."""
    meetings = assemble(retained.pair for retained in report.retained)
    return [described(meeting) for meeting in meetings.values()]


def _removed_lines(word: str, removals: Removals) -> list[str]:
    """Return lines about the first meetings that lose scheduled classes, and count the rest."""
    first = removals.removed[:MAX_REMOVED]
    lines = [f"{word}: {_removed_line(classes, LONGEST_LINE)}" for classes in first]
    more = len(removals.removed) - MAX_REMOVED
    return [*lines, f"{word}: {more:,} more."] if more > 0 else lines


def _removed_line(removed: RemovedClasses, longest: int) -> str:
    """Describe the scheduled classes that a meeting loses, and other meetings that have them."""
    also_in = ", ".join(removed.also_in[:MAX_ALSO_IN])
    ending = f"; also in {also_in}" if also_in else ""
    return f"{_cut(described(removed.meeting), longest - len(ending))}{ending}"


def _first_repeated_lines(report: ImportReport) -> list[str]:
    """Return lines about the first sources with the same scheduled classes, and count the rest."""
    lines = _repeated_lines(report)
    more = len(lines) - MAX_SOURCES
    rest = [f"Also in {_count(more, 'more source')}."]
    return [*lines[:MAX_SOURCES], *(rest if more > 0 else [])]


def _repeated_lines(report: ImportReport) -> list[str]:
    """Return a line for each other source that has some of the imported scheduled classes."""
    return [_repeated_line(source, count) for source, count in sorted(report.repeats.items())]


def _repeated_line(source: str, count: int) -> str:
    """Return the line about another source that has `count` of the imported scheduled classes.

    The line names the command that removes all scheduled classes of the source. A long source is
    cut, but not in the command, which somebody may copy.
    """
    name = _cut(source_name(source), LONGEST_SOURCE)
    return (
        f"Also in {name}: {count:,} of these events. Updating this sheet leaves those in {name} as "
        f"they are. To remove all events of {name}, an operator runs "
        f"`invoke schedule.remove {shlex.quote(source)}`."
    )


def _moved_line(moved: MovedMeeting) -> str:
    return f"{described(moved.meeting)}, now in {', '.join(moved.into)}"


def _summary_line(report: ImportReport, removals: Removals) -> str:
    """Return the first line of the sheet's answer, which calls a scheduled class an event."""
    meetings = _count(report.meetings, "meeting", ",")
    classes = _count(report.classes, "event", ",")
    changes = f"Success: {meetings} with {classes} ({_changes(report, removals)})."
    return " ".join([changes, *_counts_of_rows(report, ",")])


def _counts_of_rows(report: ImportReport, separator: str = "") -> list[str]:
    """Return sentences that count skipped rows, retained scheduled classes, and rows with hints.

    The sheet's script shows an alert if it finds the words "skipped." or "incomplete.".
    """
    whole = {row.place for row in report.problems if row.all_skipped}
    partly = {row.place for row in report.problems} - whole
    numbers = (
        (len(whole), "row", "skipped"),
        (len(report.retained), "event", "kept as before"),
        (len(partly), "row", "incomplete"),
    )
    return [
        f"{_count(number, thing, separator)} {what}." for number, thing, what in numbers if number
    ]


def _changes(report: ImportReport, removals: Removals) -> str:
    """Return a text with the numbers of new, changed, replaced and removed meetings.

    The sheet's script shows an alert if it finds a number and the word "removed", so the text has
    that word only if a meeting is removed and not replaced.
    """
    plan, replaced = report.plan, len(removals.moved)
    numbers = (
        (plan.added, "new"),
        (plan.changed, "changed"),
        (replaced, "replaced"),
        (len(plan.delete) - replaced, "removed"),
    )
    return ", ".join(f"{number:,} {what}" for number, what in numbers if number) or (
        "nothing has changed"
    )


def _row_lines(report: ImportReport) -> list[str]:
    """Return lines about rows with problems, the most important first.

    Rows without a meeting link and without retained scheduled classes are named like other rows, if
    there are at most MAX_UNLINKED of them. Otherwise these rows are counted, and only the first row
    is named.
    """
    rows_with_retained = {retained.row for retained in report.retained}
    unlinked = [
        row for row in report.problems if row.unlinked and row.unread not in rows_with_retained
    ]
    counted = unlinked if len(unlinked) > MAX_UNLINKED else []
    lines = _named_lines(report, rows_with_retained, {row.place for row in counted})
    if counted:
        places = len({row.place for row in counted})
        first = counted[0].place
        lines.append(f"{places:,} rows have no meeting link, the first is {first}.")
    return lines


def _named_lines(
    report: ImportReport,
    rows_with_retained: Container[UnreadRow | None],
    counted: Container[str],
) -> list[str]:
    """Return a line for each of the first rows, and a line with the number of further rows.

    Rows whose place is in `counted` are left out. Rows in `rows_with_retained`, whose scheduled
    classes stay in the schedule, come first, then other skipped rows, then rows with hints.
    """
    named = sorted(
        (row for row in report.problems if row.place not in counted),
        key=lambda row: (row.unread not in rows_with_retained, not row.all_skipped, row.unlinked),
    )
    lines = _lines_by_row(named)
    more = len(lines) - MAX_ROWS
    rest = [f"And {_count(more, 'more row', ',')}, named once these are corrected."]
    return lines[:MAX_ROWS] + (rest if more > 0 else [])


def _lines_by_row(problems: Iterable[RowProblem]) -> list[str]:
    """Return a line for each row with the row's reasons, cut to `LONGEST_LINE` characters."""
    reasons: dict[str, list[str]] = {}
    for row in problems:
        reasons.setdefault(row.place_and_course, []).append(row.reason)
    return [_cut(f"{place}: {'; '.join(of_row)}") for place, of_row in reasons.items()]


def _section(title: str, entries: Sequence[str]) -> list[str]:
    """Return a heading with the number of entries, and the first entries; [] if there are none."""
    if not entries:
        return []
    more = len(entries) - MAX_IN_SECTION
    return [
        f"{title.capitalize()}, {len(entries)} in all:",
        *(f"  {entry}" for entry in entries[:MAX_IN_SECTION]),
        *([f"  … and {more} more"] if more > 0 else []),
    ]


def _count(number: int, thing: str, separator: str = "") -> str:
    """Return `1 meeting` or `2 meetings`, with a separator of thousands if one is given."""
    return f"{number:{separator}} {thing}{'' if number == 1 else 's'}"


def _cut(text: str, longest: int = LONGEST_LINE) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
