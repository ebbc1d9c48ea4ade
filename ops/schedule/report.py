"""What an import of the schedule did or would do, in lines that name each meeting."""

from __future__ import annotations

from collections.abc import Sequence

from ingester.schedule.importer import ImportReport
from ingester.schedule.model import assemble
from ingester.schedule.wording import change, described

MOST = 20
"""Lines of one kind; of more only the number is told."""


def removal_lines(report: ImportReport, source: str, *, dry_run: bool) -> list[str]:
    """What was taken away of a source: a line with the numbers, then each meeting."""
    plan = report.plan
    done = "would be removed" if dry_run else "removed"
    gone = f"{count(len(plan.delete), 'meeting')} {done}"
    stays = f"{plan.changed} keep{'s' if plan.changed == 1 else ''} classes from elsewhere."
    return [f"From {source}: {gone}, {stays}", *lines(report, dry_run=dry_run)[1:]]


def lines(report: ImportReport, *, dry_run: bool) -> list[str]:
    """The numbers, then what is added, changed, removed, kept and skipped."""
    plan = report.plan
    before = {meeting.zoom_series_id: meeting for meeting in report.before}
    would = "would be " if dry_run else ""
    head = (
        f"{count(report.meetings, 'meeting')} with {count(report.events, 'event')}: "
        f"{plan.added} {would}added, {plan.changed} {would}changed, {plan.unchanged} unchanged, "
        f"{len(plan.delete)} {would}removed."
    )
    added = [described(row) for row in plan.put if row.zoom_series_id not in before]
    changed = [
        change(before[row.zoom_series_id], row) for row in plan.put if row.zoom_series_id in before
    ]
    removed = [described(before[key]) for key in plan.delete if key in before]
    return [
        head,
        *section("Would be added" if dry_run else "Added", added),
        *section("Would be changed" if dry_run else "Changed", changed),
        *section("Would be removed" if dry_run else "Removed", removed),
        *section("Kept as before", _kept(report)),
        *section("Skipped", [str(one) for one in report.skipped]),
    ]


def _kept(report: ImportReport) -> list[str]:
    """The classes whose rows can't be read, by their meetings."""
    return [
        described(meeting)
        for meeting in assemble((one.meeting, one.event) for one in report.kept).values()
    ]


def section(title: str, entries: Sequence[str]) -> list[str]:
    """A heading with the number, and the first entries; nothing if there are none."""
    if not entries:
        return []
    rest = len(entries) - MOST
    more = [f"  … and {rest} more"] if rest > 0 else []
    return [f"{title}, {len(entries)} in all:", *(f"  {one}" for one in entries[:MOST]), *more]


def count(number: int, thing: str) -> str:
    """`1 meeting`, `2 meetings`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
