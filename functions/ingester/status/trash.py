"""What a row says of a recording that was thrown away in Zoom, and when it is there again."""

from __future__ import annotations

from ingester.status.row import StatusRow


def reason_without(row: StatusRow) -> str:
    """The row's reason when its recording is in Zoom again; an outlook beside the notice stays."""
    rest = row.reason.replace(f"{row.zoom_notice}; ", "")
    return "" if rest == row.zoom_notice else rest
