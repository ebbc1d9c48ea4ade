"""The reason of a row whose recording was in Zoom's trash."""

from __future__ import annotations

from ingester.status.row import StatusRow


def reason_without(row: StatusRow) -> str:
    """Return the row's reason without Zoom's notice; "" if the notice is the whole reason."""
    if not row.zoom_notice:
        return row.reason
    rest = row.reason.replace(f"{row.zoom_notice}; ", "")
    return "" if rest == row.zoom_notice else rest
