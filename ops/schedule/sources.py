"""The sources of scheduled classes, and the removal of all scheduled classes of one source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ingester.schedule.importer import FIRST_SYSTEM, ImportReport, Table
from ingester.schedule.model import ReplacedSources, ScheduledMeeting, plan_import
from ops.command import OpsError

FIRST_SYSTEM_NAME = "first-system"
"""The name on command lines for the first system's scheduled classes, which have no source."""


def remove(table: Table, source: str, *, dry_run: bool = False) -> ImportReport:
    """Remove the scheduled classes of `source`, unless `dry_run`, and return a report.

    Scheduled classes of other sources stay, also in the same meeting.

    Raises:
        OpsError: No scheduled class has this source. The text lists the sources of the schedule.
        ScheduleUnreadable: A row of the table can't be parsed.
    """
    before = table.all()
    wanted = FIRST_SYSTEM if source == FIRST_SYSTEM_NAME else source
    counts = _classes_by_source(before)
    if wanted not in counts:
        there = ", ".join(
            f"{name or FIRST_SYSTEM_NAME} ({number})" for name, number in sorted(counts.items())
        )
        raise OpsError(
            f"No class of the schedule is from {source}, so nothing was changed. "
            f"{f'There are classes from {there}.' if there else 'It is empty.'}"
        )
    plan = plan_import(before, [], ReplacedSources(names=frozenset({wanted})))
    if not dry_run:
        table.apply(plan.put, plan.delete)
    return ImportReport(plan=plan, meetings=0, classes=0, problems=(), before=tuple(before))


def _classes_by_source(meetings: Iterable[ScheduledMeeting]) -> Counter[str]:
    """Return the number of scheduled classes of each source.

    A row without scheduled classes counts as one scheduled class of the first system.
    """
    found: Counter[str] = Counter()
    for meeting in meetings:
        found.update([scheduled.source for scheduled in meeting.events] or [FIRST_SYSTEM])
    return found
