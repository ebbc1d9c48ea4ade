"""Take Zoom's notice about the trash out of a row's reason.

The sentences of the notices are in `zoom/webhook_events.py`.
"""

from __future__ import annotations

from ingester.status.row import StatusRow


def reason_without(row: StatusRow) -> str:
    """Return the row's reason without Zoom's notice; "" if the notice is the whole reason."""
    if not row.zoom_notice:
        return row.reason
    rest = row.reason.replace(f"{row.zoom_notice}; ", "")
    return "" if rest == row.zoom_notice else rest
