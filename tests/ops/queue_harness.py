"""The harness of `invoke queue.…`: a queue, its DLQ and status rows in the in-process AWS."""

from __future__ import annotations

import json
from typing import Any

from cdk.names import Names
from ingester.ledger.table import Ledger
from ingester.pipeline.queue import Queue
from ingester.pipeline.states import Origin, State
from ingester.recording.files import Subject
from ingester.status.table import StatusChange, StatusTable
from ops.queues import queue_messages
from ops.queues.queue_messages import QueueMessage, QueuePair, SqsQueue
from ops.queues.redrive import Redrive, RedrivenMessage, Selection
from tests.cloud import Clock, Cloud

NAMES = Names("test")
DOWNLOADS, UPLOADS = queue_messages.downloads(NAMES), queue_messages.uploads(NAMES)
SERIES = "Invalid Opencast series id."


def subject_of(
    uuid: str, meeting: int = 86168921331, origin: Origin = Origin.WEBHOOK, topic: str = "T"
) -> Subject:
    """Return the subject of a status row."""
    return Subject(
        meeting_id=meeting,
        recording_id=uuid,
        topic=topic,
        start_time="2026-10-14T12:00:00Z",
        origin=origin,
    )


def body(number: int, **more: object) -> str:
    message = {
        "uuid": f"uuid-{number}==",
        "zip_id": f"auto-ingest-uuid-{number}==",
        "zoom_series_id": 86168921331,
        "topic": f"Topic {number}",
    }
    return json.dumps({**message, **more})


class Queues:
    """A queue with its DLQ, and the redrive from the DLQ to the queue."""

    def __init__(self, aws: Cloud, clock: Clock, pair: QueuePair) -> None:
        self.aws, self.clock, self.pair = aws, clock, pair
        live, dead = (
            (aws.upload_queue, aws.upload_dlq)
            if pair.is_fifo
            else (aws.download_queue, aws.download_dlq)
        )
        self.live_url, self.dead_url = live, dead
        self.status = StatusTable(aws.status, clock)
        self.ledger = Ledger(aws.recordings, clock)
        self.redrive = Redrive(
            pair,
            SqsQueue(aws.sqs, pair.queue),
            SqsQueue(aws.sqs, pair.dlq, 0),
            self.status,
            self.ledger,
        )

    def add_to_dlq(self, text: str, reason: str = SERIES, group: str = "g") -> None:
        dead = Queue(self.aws.sqs, self.dead_url)
        identity = f"{hash((text, reason, group))}"
        dead.send_with_reason(text, reason, group=group, identity=identity)

    def row(self, number: int, state: State, **more: Any) -> None:
        subject = subject_of(f"uuid-{number}==")
        zip_id = f"auto-ingest-uuid-{number}=="
        self.status.write(zip_id, StatusChange(state, subject=subject, **more))

    def run(
        self, selection: Selection, stop_after: int = 1000
    ) -> tuple[list[RedrivenMessage], list[QueueMessage]]:
        moved: list[RedrivenMessage] = []
        left = self.redrive.run(selection, lambda: len(moved) >= stop_after, moved.append)
        return moved, list(left)

    def visible(self, url: str) -> int:
        found = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return int(found["Attributes"]["ApproximateNumberOfMessages"])
