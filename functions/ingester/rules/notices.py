"""What a row says of a recording that was thrown away in Zoom, and when it is there again."""

from __future__ import annotations

from ingester.rules import reasons
from ingester.rules.states import State
from ingester.rules.status_row import StatusRow


def was_given_up(row: StatusRow) -> bool:
    """Whether the ingest ended because the recording was thrown away."""
    return row.state is State.IGNORED and bool(row.zoom_notice) and row.reason == row.zoom_notice


def reason_without(row: StatusRow) -> str:
    """The row's reason when its recording is in Zoom again; an outlook beside the notice stays."""
    if was_given_up(row):
        return reasons.RECOVERED
    rest = row.reason.replace(f"{row.zoom_notice}; ", "")
    return "" if rest == row.zoom_notice else rest
