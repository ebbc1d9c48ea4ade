"""`invoke recordings.forget`: remove a recording's traces from the stack.

The ledger keeps the uuid and the time of forgetting. Without a record, reconcile would request the
recording again, and a late webhook event of Zoom's would count as the first.

The record is replaced last. The record's file ids name the staged files, so the next run after an
interrupted run finds these files. Meanwhile the record prevents a second ingest of the recording.

Messages on the two queues aren't searched, because each look would cost the messages of other
recordings a receive. The functions drop messages of a forgotten recording.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from invoke import Context

from ingester import timestamps
from ingester.ledger.record import Record, as_forgotten, is_in_progress
from ingester.ledger.table import RETENTION, Ledger
from ingester.pipeline.states import DONE
from ingester.recording.files import automated_zip_id, key_id, staging_prefix
from ingester.status.diagnosis import retry_at
from ingester.status.row import StatusRow
from ingester.status.table import row_of
from ingester.zoom.webhook_events import is_made_up
from ops import terminal
from ops.command import OpsError, command
from ops.migration.copy_tables import scan
from ops.printable import table_time
from ops.queues import queue_messages
from ops.queues.queue_messages import MOVE_SECONDS, QueueMessage, SqsQueue, hold_messages
from ops.recordings.resending import now, uuid_of
from ops.target import Target, ask_on_terminal, log_retention, may_ask, target_to_change

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ZOOM_REPEATS = timedelta(hours=2)
"""Time after a row's last change in which a repeated webhook event may still arrive.

Zoom repeats a webhook event for an hour and a half (docs/zoom.md).
"""

MESSAGE_LIFE = timedelta(days=14)
"""Time after which SQS deletes a message (cdk/queues.py)."""

MOST_KEYS = 1000
"""S3's limit of objects in one DeleteObjects.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""


@dataclass(frozen=True)
class StagedObject:
    """One version of a staged file, or a delete marker."""

    key: str
    version: str


@dataclass(frozen=True)
class StagedUpload:
    """An unfinished multipart upload of a staged file."""

    key: str
    upload_id: str


@dataclass(frozen=True)
class Traces:
    """The traces of a recording that `forget` removes, except messages on the dead-letter queues.

    `has_events` says whether the table of recording events has the recording's row.
    """

    record: Record
    rows: tuple[StatusRow, ...]
    files: tuple[StagedObject, ...]
    uploads: tuple[StagedUpload, ...]
    has_events: bool

    @property
    def is_known(self) -> bool:
        """True if any of the traces exists. A forgotten record is also a trace."""
        found = self.record.version or self.rows or self.files or self.uploads or self.has_events
        return bool(found)


@dataclass(frozen=True)
class Places:
    """The places in a stack that hold traces of recordings. `dead` are the dead-letter queues."""

    ledger: Ledger
    status: Any
    events: Any
    s3: S3Client
    bucket: str
    dead: tuple[SqsQueue, ...]
    clock: Callable[[], datetime] = now

    def find(self, uuid: str) -> Traces:
        """Return the traces of a recording.

        Raises:
            LedgerUnreadable: The ledger's record is malformed.
            ClientError: DynamoDB or S3 refuses a request.
        """
        record = self.ledger.get(uuid)
        zip_ids = {automated_zip_id(uuid), *record.requests}
        # A scan also finds expired rows, which a query by the time of the last change leaves out.
        # DynamoDB deletes expired rows within some days:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
        rows = [
            row_of(item)
            for item in scan(self.status)
            if item.get("recording_id") == uuid or item["zip_id"] in zip_ids
        ]
        files, uploads = list(self._files()), list(self._uploads())
        keys = [*(file.key for file in files), *(upload.key for upload in uploads)]
        # Whole folders are searched, because the record lacks the ids of some captions and of
        # joined captions, which lie beside the recording's other files.
        folders = {_folder(key) for key in keys if _is_staged(record, rows, key)}
        return Traces(
            record=record,
            rows=tuple(rows),
            files=tuple(file for file in files if _folder(file.key) in folders),
            uploads=tuple(upload for upload in uploads if _folder(upload.key) in folders),
            has_events="Item" in self.events.get_item(Key={"zoom_uuid": uuid}),
        )

    def _files(self) -> Iterator[StagedObject]:
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        for page in pages:
            for found in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                yield StagedObject(found["Key"], found["VersionId"])

    def _uploads(self) -> Iterator[StagedUpload]:
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket)
        for page in pages:
            for found in page.get("Uploads", ()):
                yield StagedUpload(found["Key"], found["UploadId"])

    def remove(self, uuid: str, traces: Traces) -> int:
        """Remove the traces and the recording's messages on DLQs, and mark the record as forgotten.

        Return the number of removed messages.

        Raises:
            OpsError: S3 refuses to delete a file.
            ClientError: AWS refuses another request.
            LedgerBusy: Other processes keep changing the record.
            LedgerUnreadable: The record is malformed.
        """
        count = sum(_delete_dead_letters(queue, uuid) for queue in self.dead)
        for upload in traces.uploads:
            self.s3.abort_multipart_upload(
                Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id
            )
        self._delete_files(traces.files)
        self.events.delete_item(Key={"zoom_uuid": uuid})
        for row in traces.rows:
            self.status.delete_item(Key={"zip_id": row.zip_id})
        self.ledger.change(uuid, lambda record: as_forgotten(record, self.clock()))
        return count

    def _delete_files(self, files: Sequence[StagedObject]) -> None:
        for first in range(0, len(files), MOST_KEYS):
            some = files[first : first + MOST_KEYS]
            answer = self.s3.delete_objects(
                Bucket=self.bucket,
                Delete={
                    "Objects": [{"Key": file.key, "VersionId": file.version} for file in some],
                    "Quiet": True,
                },
            )
            if refused := answer.get("Errors"):
                raise OpsError(
                    f"{self.bucket}: {refused[0].get('Key')} can't be deleted: "
                    f"{refused[0].get('Message')}. Run the command again after fixing that."
                )


def _is_staged(record: Record, rows: Sequence[StatusRow], key: str) -> bool:
    """Return whether a key of the staging bucket belongs to a recording.

    A key that belongs to the recording begins with meeting and start of one of the recording's
    rows, or ends (before the extension) with Zoom's id of one of the recording's files, or with the
    id's hash. Ids that `captions_among` has made don't count, because files of two recordings may
    have the same id of this kind.
    """
    prefixes = [
        staging_prefix(row.meeting_id, row.start_time)
        for row in rows
        if row.meeting_id and _is_time(row.start_time)
    ]
    name = key.rpartition("/")[2].partition(".")[0]
    captions = (kind for ingest in record.ingests.values() for kind in ingest.captions.values())
    file_ids = {*record.files, *(file_id for kind in captions for file_id in kind.files)}
    zooms_ids = [file_id for file_id in file_ids if not is_made_up(file_id)]
    return key.startswith(tuple(prefixes)) or any(
        name.endswith(f"-{key_id(file_id)}") for file_id in zooms_ids
    )


def _folder(key: str) -> str:
    """Return the folder of a key: all before the last slash."""
    return key.rpartition("/")[0]


def _is_time(text: str) -> bool:
    try:
        timestamps.parse(text)
    except ValueError:
        return False
    return True


def _delete_dead_letters(queue: SqsQueue, uuid: str) -> int:
    """Delete a recording's messages from a DLQ, and return the number of deleted messages."""
    count = 0
    with hold_messages(queue, MOVE_SECONDS) as held:
        while page := held.next_page():
            for message in page:
                if _is_about(message, uuid):
                    held.delete(message)
                    count += 1
    return count


def _is_about(message: QueueMessage, uuid: str) -> bool:
    if message.content is None:
        return uuid in message.body
    return message.uuid == uuid


def reasons_to_wait(traces: Traces, when: datetime) -> list[str]:
    """Return the reasons why a recording can't be forgotten now; [] if there is no reason."""
    rows, record = traces.rows, traces.record
    said = [
        f"{row.zip_id} is in {row.state}"
        for row in rows
        if row.state not in DONE or retry_at(row) is not None
    ]
    named = {row.zip_id for row in rows}
    said += [
        f"{zip_id} was asked for at {request.at}"
        for zip_id, request in record.requests.items()
        if zip_id not in named and is_in_progress(record, zip_id)
        if not request.at or when - timestamps.parse(request.at) < MESSAGE_LIFE
    ]
    latest = max((row.updated for row in rows), default=None)
    if not said and latest and when - latest < ZOOM_REPEATS:
        said.append(
            f"its last change was at {table_time(latest)} UTC, and a repeat of Zoom's webhook "
            f"event may come for {ZOOM_REPEATS // timedelta(hours=1)} hours"
        )
    return said


def summary(traces: Traces) -> str:
    """Return the counts of a recording's traces, in words."""
    counts = {
        "rows of the status table": len(traces.rows),
        "staged files": len(traces.files),
        "unfinished copies": len(traces.uploads),
        "lists of recording events": int(traces.has_events),
        "requests in the ledger": len(traces.record.requests),
    }
    return ", ".join(f"{thing}: {count}" for thing, count in counts.items())


def remaining_traces(uuid: str, when: datetime, retention: timedelta) -> list[str]:
    """Return lines about the traces that remain after `when`, and about how long the traces stay.

    `retention` is the time for which CloudWatch keeps the logs.
    """
    until = {
        name: (when + life).strftime("%Y-%m-%d")
        for name, life in (
            ("ledger", RETENTION),
            ("logs", retention),
            ("backups", timedelta(days=35)),
            ("faults", timedelta(days=1)),
            ("queues", MESSAGE_LIFE),
        )
    }
    return [
        "What stays:",
        (
            f"- in the ledger, until {until['ledger']}: {uuid} and the time of forgetting, so that "
            'neither Zoom\'s events nor reconcile nor "+Zoom" bring it back. '
            f"`invoke exec.pipeline {shlex.quote(uuid)}` does."
        ),
        f"- in the logs, until {until['logs']} at the latest: the uuid and reasons, some topics",
        f"- in the ledger's backup (point-in-time recovery), until {until['backups']}: its record",
        f"- in the table of mailed faults, until {until['faults']} at the latest: the last mails",
        (
            f"- messages on the queues, if any: the functions drop each when they take it; "
            f"SQS deletes them by {until['queues']}"
        ),
        (
            "- mails that were sent, what Slack shows, and the recording in Zoom and in Opencast: "
            "delete it there"
        ),
    ]


def places_of(target: Target) -> Places:
    """Return the places in which a stack keeps traces of recordings.

    Raises:
        OpsError: A dead-letter queue doesn't exist.
        ClientError: STS or SQS refuses a request.
    """
    names, sqs = target.names, target.client("sqs")
    pairs = (queue_messages.downloads(names), queue_messages.uploads(names))
    return Places(
        ledger=Ledger(target.table(names.recordings_table), now),
        status=target.table(names.status_table),
        events=target.table(names.events_table),
        s3=target.own_s3(),
        bucket=names.bucket,
        dead=tuple(SqsQueue(sqs, pair.dlq) for pair in pairs),
    )


def check_not_in_progress(uuid: str, traces: Traces, when: datetime) -> None:
    """Raise OpsError if there are reasons to wait (`reasons_to_wait`)."""
    if reasons := reasons_to_wait(traces, when):
        raise OpsError(
            f"{uuid} can't be forgotten now: {'; '.join(reasons)}. Wait until its ingest has "
            "ended, and two hours more; or stop it with --even-if-running, and run the command "
            "once more after 20 minutes, for what a running function wrote meanwhile."
        )


def check_is_known(uuid: str, traces: Traces) -> None:
    """Raise OpsError if no trace of a recording exists (`Traces.is_known`)."""
    if not traces.is_known:
        raise OpsError(
            f"Nothing is known of {uuid}: is the uuid right? To have it refused if it comes, add "
            "--even-if-running."
        )


def confirm(uuid: str, traces: Traces) -> None:
    """Print the counts of a recording's traces, and ask whether to forget the recording.

    Raises:
        OpsError: The answer isn't `y`.
        EOFError: Nobody is at the terminal.
    """
    terminal.say(summary(traces))
    if ask_on_terminal(f"Forget {uuid}? This can't be undone. [y/N] ").strip().lower() != "y":
        raise OpsError(f"{uuid} was left as it is.")


@command(
    help={
        "uuid": "the recording's uuid, or the link to it in Zoom",
        "even_if_running": "also forget an unknown recording, or one whose ingest runs (it stops)",
    }
)
def forget(_context: Context, uuid: str, even_if_running: bool = False) -> None:
    """Remove a recording's traces from AWS for good."""
    wanted, retention = uuid_of(uuid), log_retention()
    target = target_to_change()
    places = places_of(target)
    traces = places.find(wanted)
    if not even_if_running:
        check_not_in_progress(wanted, traces, places.clock())
        check_is_known(wanted, traces)
    if may_ask():
        confirm(wanted, traces)
    letters = places.remove(wanted, traces)
    if not traces.is_known:
        terminal.say(f"The stack knew nothing of {wanted}. From now on it refuses to ingest it.")
    terminal.say(f"Removed: {summary(traces)}, failed messages: {letters}")
    for line in remaining_traces(wanted, places.clock(), retention):
        terminal.say(line)
