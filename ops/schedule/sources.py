"""Where the schedule's classes come from, and taking away all that came from one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ingester.schedule.importer import FIRST_SYSTEM, ImportReport, Table
from ingester.schedule.model import ScheduledMeeting, plan_import
from ops.command import OpsError

FIRST_SYSTEM_NAME = "first-system"
"""What stands for classes that don't say where they come from."""


def remove(table: Table, source: str, *, dry_run: bool = False) -> ImportReport:
    """Takes away the classes from `source`, as their events name it; others of a meeting stay.

    OpsError, with the sources that there are, if none is from there.
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
    plan = plan_import(before, [], frozenset({wanted}))
    if not dry_run:
        table.apply(plan.put, plan.delete)
    return ImportReport(plan=plan, meetings=0, events=0, skipped=(), before=tuple(before))


def _classes_by_source(meetings: Iterable[ScheduledMeeting]) -> Counter[str]:
    """How many classes are from each source; a row without any is the first system's."""
    found: Counter[str] = Counter()
    for meeting in meetings:
        found.update([event.source for event in meeting.events] or [FIRST_SYSTEM])
    return found
