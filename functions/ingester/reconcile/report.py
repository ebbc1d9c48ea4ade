"""The options of a run of reconcile, and the report that the run returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ingester.errors import BadRequest
from ingester.reconcile.decisions import ListedRecording


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a run of reconcile.

    Attributes:
        since: The start of the search, in a form of `decisions.SINCE`. A start before the baseline
            is allowed. If `since` is "", the search covers the last RECONCILE_DAYS days, but
            nothing before the baseline.
        dry_run: Whether the run only reports what it would do.
    """

    since: str = ""
    dry_run: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A missed recording in the report. `outcome` is a text for people, such as "requested"."""

    uuid: str
    meeting_id: int
    topic: str
    start_time: str
    outcome: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a run.

    A recording whose error stopped the run may be missing in `failed` and `recordings`.

    Attributes:
        since: The start of the search.
        baseline: The baseline. If no baseline exists yet, a dry run reports its own time, or ""
            with the option `since`.
        how: The list that was used, a value of `zoom.recording_list.ListingMethod`.
        dry_run: Whether the run only reports.
        listed: Number of recordings that the run checked, and of unreadable entries.
        handed_in: Number of recordings whose ingest the run requested.
        failed: Number of recordings whose ingest couldn't be requested, and of unreadable entries.
        skipped: Number of recordings whose ingest wasn't requested, by `Decision`.
        is_complete: Whether the run got through the whole list, and no error stopped the run.
        recordings: The missed recordings whose ingest the run requested, couldn't request or, in a
            dry run, would request.
        left_out: Number of further recordings, for which `recordings` has no room.
        message: Error that stopped the run, or kept it from being noted; "" if there was none.
    """

    since: str
    baseline: str
    how: str
    dry_run: bool
    listed: int
    handed_in: int
    failed: int
    skipped: dict[str, int]
    is_complete: bool
    recordings: list[Outcome]
    left_out: int
    message: str = ""


def is_scheduled_run(event: Mapping[str, Any]) -> bool:
    """Return whether EventBridge's rule, and not a person, started the run."""
    return event.get("source") == "aws.events"


def run_options(event: Mapping[str, Any]) -> RunOptions:
    """Return the options in the function's event. The event of EventBridge's rule has no options.

    Raises:
        BadRequest: The event has an unknown or wrong field.
    """
    if is_scheduled_run(event):
        return RunOptions()
    try:
        return msgspec.convert(dict(event), RunOptions)
    except msgspec.ValidationError as error:
        raise BadRequest(f'Ask with {{"since": "5d", "dry_run": true}}: {error}.') from error


def outcome_of(listed: ListedRecording, outcome: str) -> Outcome:
    """Return the report's entry for a listed recording, with `outcome` as its text."""
    return Outcome(
        uuid=listed.uuid,
        meeting_id=listed.id,
        topic=listed.topic or "",
        start_time=listed.start_time,
        outcome=outcome,
    )


def description_of(listed: ListedRecording) -> str:
    """Return the words that describe a listed recording within a sentence."""
    topic = listed.topic or "A recording without a topic"
    return f"{topic}, {listed.start_time}, meeting {listed.id}"
