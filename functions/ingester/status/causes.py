"""Group ingests that have the same cause, such as one missing series."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ingester.status.diagnosis import Diagnosis
from ingester.status.row import StatusRow
from ingester.status.verdict import requested
from ingester.status.words import reason_of

_OWN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ| ?\((?:attempt|try) [^)]*\)")
"""Pattern of the texts in a reason that differ between recordings with the same cause."""


def cause_of(row: StatusRow, diagnosis: Diagnosis) -> str:
    """Return a text that is the same for all ingests with one cause. The text isn't for people."""
    reason = _OWN.sub("", reason_of(row))
    if row.recording_id:
        reason = reason.replace(row.recording_id, "")
    return f"{diagnosis.situation.name} {row.state} {reason}"


def by_cause(
    rows: Iterable[StatusRow], diagnoses: Mapping[str, Diagnosis]
) -> dict[str, list[StatusRow]]:
    """Group ingests by cause, so that each recording that needs a person is in one group.

    The newest of a recording's ingests that need a person stands for these ingests. In a group of
    ingests that need no person, each recording has one ingest, too. The groups are in the order of
    their recordings in `rows`.
    """
    newest: dict[tuple[str, str], StatusRow] = {}
    for row in rows:
        diagnosis = diagnoses[row.zip_id]
        cause = "" if diagnosis.needs_attention else cause_of(row, diagnosis)
        key = (cause, row.recording_id or row.zip_id)
        if key not in newest or requested(newest[key]) < requested(row):
            newest[key] = row
    groups: dict[str, list[StatusRow]] = {}
    for row in newest.values():
        groups.setdefault(cause_of(row, diagnoses[row.zip_id]), []).append(row)
    return groups
