"""Add the requests of an old stack's status rows to this stack's ledger.

The pipeline decides by the ledger, not by status rows (`ingester/ledger/record.py`). The first
system has no ledger, and the first system's rows name no files. So a migrated request that was sent
counts as sent with all of the recording's files.

A request that this pipeline accepted, the record's files and the ingest records stay unchanged.
Another run of the command updates the requests that an earlier run migrated, for example with the
requests' ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ingester import timestamps
from ingester.errors import LedgerBusy, LedgerUnreadable
from ingester.ledger.record import End, Record, Request
from ingester.ledger.table import Ledger
from ingester.pipeline.states import FAILED, IN_OPENCAST, State
from ingester.recording.files import automated_zip_id
from ingester.status.diagnosis import retry_at
from ingester.status.row import StatusRow
from ingester.status.table import row_of
from ops.migration.copy_tables import BUSY, UNREADABLE, Item, ReasonToSkip, Tally, scan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

SENT = IN_OPENCAST | {
    State.SENT_TO_DOWNLOADER,
    State.OC_SERIES_FOUND,
    State.SENT_TO_UPLOADER,
    State.UPLOADER_RECEIVED,
}
"""States of an ingest that is in the old stack's queues, or that Opencast has taken."""

NO_UUID = f"{UNREADABLE}: it names no recording"


@dataclass(frozen=True)
class RequestMigration:
    """The migration of requests, from the old stack's status table to this stack's ledger."""

    old: Table
    ledger: Ledger
    reason_to_skip: ReasonToSkip
    thing: str = "ledger"

    def copy(self, *, dry_run: bool, on_progress: Callable[[int, int], None]) -> Tally:
        """Add the requests to the ledger, or only count them. See `Migration.copy`."""
        tally = Tally(self.thing)
        rows = [item for item in scan(self.old) if not self.reason_to_skip(item)]
        for number, item in enumerate(rows, start=1):
            self._migrate_row(item, tally, dry_run=dry_run)
            on_progress(number, len(rows))
        return tally

    def _migrate_row(self, item: Item, tally: Tally, *, dry_run: bool) -> None:
        row = row_of(item)
        request = request_of(row)
        if request is None:
            return
        uuid = uuid_of(row)
        if not uuid:
            tally.leave_out(row.zip_id, NO_UUID)
            return
        change = partial(with_migrated, zip_id=row.zip_id, request=request)
        try:
            record = self.ledger.get(uuid)
            if change(record) == record:
                tally.kept += 1
                return
            if not dry_run:
                record = self.ledger.change(uuid, change)
        except LedgerUnreadable:
            tally.leave_out(row.zip_id, f"{UNREADABLE}: the ledger's record of {uuid}")
        except LedgerBusy:
            tally.leave_out(row.zip_id, BUSY)
        else:
            if dry_run or record.request(row.zip_id) == request:
                tally.copied += 1
            else:
                tally.kept += 1


def uuid_of(row: StatusRow) -> str:
    """Return the uuid of the recording that a row is about; "" if the row names no recording."""
    named = row.zip_id.removeprefix(automated_zip_id(""))
    return row.recording_id or (named if named != row.zip_id else "")


def request_of(row: StatusRow) -> Request | None:
    """Return the request of a row; None if the row adds no request to the ledger."""
    request = Request(at=_requested_at(row), asked=row.asked, is_taken_over=True)
    if row.state in SENT or retry_at(row):
        return replace(request, is_sent=True)
    if row.state in FAILED:
        return replace(request, end=End.FAILED)
    if row.state is State.IGNORED:
        return replace(request, end=End.IGNORED)
    return None


def _requested_at(row: StatusRow) -> str:
    try:
        return timestamps.write(timestamps.parse(row.ingest_request_time))
    except ValueError:
        return timestamps.write(row.updated)


def with_migrated(record: Record, zip_id: str, request: Request) -> Record:
    """Return the record with a migrated request, unless this pipeline accepted that request."""
    if is_ours(record, zip_id):
        return record
    return replace(record, requests={**record.requests, zip_id: request})


def is_ours(record: Record, zip_id: str) -> bool:
    """Return whether this pipeline accepted a request."""
    known = record.requests.get(zip_id)
    return known is not None and not known.is_taken_over
