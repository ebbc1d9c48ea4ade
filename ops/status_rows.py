"""Find a recording's rows in the status table."""

from __future__ import annotations

from datetime import datetime

from ingester.recording.files import automated_zip_id
from ingester.status.row import StatusRow
from ingester.status.table import STATUS_RETENTION, StatusTable


def rows_of(status: StatusTable, uuid: str, now: datetime) -> list[StatusRow]:
    """Return every ingest of a recording, in no particular order.

    The table has no index by uuid. The row of Zoom's own webhook event names the meeting, whose
    rows can be queried. If that row is missing or names no meeting, all rows of the last seven
    days are read, because "+Zoom" requests may have rows.
    """
    own = status.get(automated_zip_id(uuid))
    if own and own.meeting_id:
        rows = status.of_meeting(own.meeting_id)
        # The index lags behind the table, usually by less than a second, so the index may lack this
        # row: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
        rows += [own] if own.zip_id not in {row.zip_id for row in rows} else []
    else:
        rows = status.updated_since(now - STATUS_RETENTION)
    return [row for row in rows if row.recording_id == uuid]
