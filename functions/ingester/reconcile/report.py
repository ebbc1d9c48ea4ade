"""What an operator may ask reconcile for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ingester.errors import BadRequest
from ingester.reconcile.decisions import ListedRecording


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator asks for. `since`: from when on, instead of RECONCILE_DAYS, baseline or not.

    `dry_run`: only tell what a run would do.
    """

    since: str = ""
    dry_run: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became, or would become, of a missed recording."""

    uuid: str
    meeting_id: int
    topic: str
    start_time: str
    outcome: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. `skipped` counts recordings by why they were left alone.

    `recordings` are those that were missed, `left_out` more of them aren't named. `message` is
    what stopped the run, "" if nothing did.
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


def wanted(event: Mapping[str, Any]) -> Asked:
    """What an event asks for: EventBridge's own for a plain run.

    Raises:
        BadRequest: it makes no sense.
    """
    if event.get("source") == "aws.events":
        return Asked()
    try:
        return msgspec.convert(dict(event), Asked)
    except msgspec.ValidationError as error:
        raise BadRequest(f'Ask with {{"since": "5d", "dry_run": true}}: {error}.') from error


def outcome_of(listed: ListedRecording, outcome: str) -> Outcome:
    """What became of a listed recording, in the words of `outcome`."""
    return Outcome(
        uuid=listed.uuid,
        meeting_id=listed.id,
        topic=listed.topic or "",
        start_time=listed.start_time,
        outcome=outcome,
    )


def words_of(listed: ListedRecording) -> str:
    """A listed recording as a sentence names it."""
    topic = listed.topic or "A recording without a topic"
    return f"{topic}, {listed.start_time}, meeting {listed.id}"
