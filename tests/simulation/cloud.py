"""The stack's AWS resources in a simulated world: fake tables, queues, bucket and secrets."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from cdk.receive_limits import (
    DOWNLOAD_RECEIVE_LIMIT,
    RESERVE_RECEIVES,
    upload_receive_limit,
)
from tests.simulation.aws.dynamodb import FakeTable
from tests.simulation.aws.s3 import FakeBucket, OpenUpload
from tests.simulation.aws.sqs import FakeQueues, MessageView
from tests.simulation.aws.ssm import FakeParameters
from tests.simulation.faults import Kind
from tests.simulation.truth import Scenario
from tests.simulation.world import BEGIN, Endless, World

T = TypeVar("T")

STACK = "sim"
SECRETS = f"/zoom-ingester/{STACK}"
OWN_KEY = "own-key"
ZOOM_SECRET = "zoom-secret-1"
UPLOAD_RECEIVE_LIMIT = upload_receive_limit(patience_hours=6, outage_hours=24)
VISIBILITY = 960
STAGED_DAYS, TAKEN_DAYS, UPLOAD_DAYS = 7, 1, 1
"""Days after which S3 deletes staged files, files that Opencast has taken, and open uploads."""
MOST_MESSAGES = 1000
"""Most messages in a world without captions and with up to a hundred recordings.

Such a world fails if it has more messages.
"""

EXPIRED = "expired"
"""The state that a world records for a row that has expired."""

BEGIN_SECONDS = BEGIN.timestamp()


SECRET_VALUES = {
    "WEBHOOK_VALIDATION_SECRET_TOKEN": ZOOM_SECRET,
    "PIPELINE_SIGNING_KEY": OWN_KEY,
    "ZOOM_CLIENT_SECRET": "client-secret",
    "OPENCAST_API_PASSWORD": "password",
}


@dataclass(frozen=True)
class Instrumentation:
    """Options of a world: its records for the judge, its tables and a log handler.

    With `for_judge` the world records the rows' states and the waiting messages, which takes a time
    that grows with the square of the number of recordings. Without `for_judge`, the world deletes
    no staged files, so that `capacity.measure` can count these files at the end. `table` makes
    tables. `log` gets each record that the functions log, from level INFO on.
    """

    for_judge: bool = True
    table: Callable[..., FakeTable] = FakeTable
    log: logging.Handler | None = None


class Cloud:
    """The AWS resources of a stack. `on_queue_call` runs after each call to a queue."""

    def __init__(
        self, world: World, scenario: Scenario, instrumentation: Instrumentation | None = None
    ) -> None:
        self.world = world
        self._instrumentation = instrumentation or Instrumentation()
        # Worlds with captions have more messages: a message waits a week for missing captions.
        most = MOST_MESSAGES * (10 if scenario.site.captions else 1)
        self._most_messages = max(most, 10 * len(scenario.recordings))
        self.on_queue_call: Callable[[], None] = lambda: None
        self.states: dict[str, list[tuple[float, str]]] = {}
        """zip id → the states of the row, each with the world's time."""
        self.reasons: dict[str, set[str]] = {}
        """uuid of a recording → the reasons that its rows have had."""
        self.sent = 0
        """The number of messages sent."""
        self.most_waiting: Counter[tuple[str, str]] = Counter()
        """(queue, recording) → the largest number of messages at one time."""
        self.aborted_by_rule: list[OpenUpload] = []
        """The uploads that the bucket's lifecycle rule ended."""
        self.parameters = FakeParameters(call=world.call)
        for name, value in SECRET_VALUES.items():
            self.parameters.set(f"{SECRETS}/{name}", value)
        self.status = self._status()
        table = self._instrumentation.table
        self.events = table(
            f"{STACK}-recording-events", "zoom_uuid", call=world.call, now=self.seconds
        )
        self.schedule = table(
            f"{STACK}-schedule", "zoom_series_id", call=world.call, now=self.seconds
        )
        self.recordings = table(
            f"{STACK}-recordings",
            "uuid",
            call=world.call,
            now=self.seconds,
            indexes={"follow_index": ("follow", "follow_due")},
            types={"uuid": "S", "follow": "S", "follow_due": "S"},
        )
        self._fill_schedule(scenario)
        self.bucket = FakeBucket(
            f"{STACK}-zoom-recording-files",
            call=world.call,
            now=self.seconds,
            new_id=world.new_id,
        )
        self._duplicates = {
            fault.nth: fault for fault in scenario.faults if fault.kind is Kind.DELIVERED_TWICE
        }
        self._deliveries = 0
        self._create_queues()

    def _create_queues(self) -> None:
        self.queues = FakeQueues(
            call=self._queue_call,
            now=self.seconds,
            new_id=self.world.new_id,
            choose=lambda count: int(self.world.random_fraction() * count),
            duplicates=self._is_delivered_twice,
        )
        create = self.queues.create
        self.download_dlq = create(f"{STACK}-download-dlq", visibility_seconds=VISIBILITY)
        self.download_queue = create(
            f"{STACK}-download",
            visibility_seconds=VISIBILITY,
            redrive=(self.download_dlq, DOWNLOAD_RECEIVE_LIMIT + RESERVE_RECEIVES),
        )
        self.upload_dlq = create(
            f"{STACK}-upload-dlq.fifo", fifo=True, visibility_seconds=VISIBILITY
        )
        self.upload_queue = create(
            f"{STACK}-upload.fifo",
            fifo=True,
            visibility_seconds=VISIBILITY,
            redrive=(self.upload_dlq, UPLOAD_RECEIVE_LIMIT + RESERVE_RECEIVES),
        )

    def seconds(self) -> float:
        """Return the time in seconds since 1970."""
        return BEGIN_SECONDS + self.world.time

    def dead_letters(self) -> list[MessageView]:
        """Return the messages on the dead-letter queues."""
        messages = self.queues.messages
        return [*messages(self.download_dlq), *messages(self.upload_dlq)]

    def expire(self) -> None:
        """Delete expired rows and messages, and, for the judge, expired objects and uploads."""
        for row in self.status.expire():
            self.states.setdefault(str(row["zip_id"]), []).append((self.world.time, EXPIRED))
        self.events.expire()
        self.recordings.expire()
        before = self.bucket.open_uploads()
        if self._instrumentation.for_judge:
            self.bucket.expire(STAGED_DAYS, TAKEN_DAYS, UPLOAD_DAYS)
        left = self.bucket.open_uploads()
        self.aborted_by_rule += [upload for upload in before if upload not in left]
        self.queues.expire()

    def _status(self) -> FakeTable:
        return self._instrumentation.table(
            f"{STACK}-pipeline-status",
            "zip_id",
            call=self._status_call,
            now=self.seconds,
            indexes={
                "mid_index": ("meeting_id", None),
                "time_index": ("update_date", "update_time"),
            },
            types={
                "zip_id": "S",
                "meeting_id": "N",
                "update_date": "S",
                "update_time": "N",
            },
        )

    def _fill_schedule(self, scenario: Scenario) -> None:
        for scheduled in scenario.site.schedule:
            event = {
                "day": scheduled.day,
                "time": scheduled.time,
                "title": "Lecture",
                "course_code": "COURSE",
                "opencast_series_id": scheduled.series,
                "source": "csv",
            }
            row = {
                "zoom_series_id": str(scheduled.meeting_id),
                "opencast_series_id": scheduled.series,
                "course_code": "COURSE",
                "events": [event],
            }
            self.schedule.put_item(Item=row)

    def _is_delivered_twice(self) -> bool:
        # The download queue is the only standard queue from which messages are delivered.
        self._deliveries += 1
        fault = self._duplicates.get(self._deliveries)
        if fault is not None:
            self.world.struck.append(fault)
            self.world.record("SQS delivers this message a second time")
        return fault is not None

    def _status_call(self, name: str, effect: Callable[[], T]) -> T:
        if name != "dynamodb.UpdateItem" or not self._instrumentation.for_judge:
            return self.world.call(name, effect)

        def watched() -> T:
            answer = effect()
            self._watch_states()
            return answer

        return self.world.call(name, watched)

    def _watch_states(self) -> None:
        stored = self.status._stored.values()  # noqa: SLF001  # `items` copies every row
        for item in stored:
            uuid, reason = str(item.get("recording_id", "")), str(item.get("reason", ""))
            self.reasons.setdefault(uuid, set()).add(reason)
        for item in stored:
            zip_id, state = str(item["zip_id"]), str(item.get("pipeline_state", ""))
            known = self.states.setdefault(zip_id, [])
            if state and (not known or known[-1][1] != state):
                known.append((self.world.time, state))
                self.world.record(f"{zip_id} is {state}")

    def _queue_call(self, name: str, effect: Callable[[], T]) -> T:
        def counted() -> T:
            answer = effect()
            if name == "sqs.SendMessage":
                self._count_messages()
            return answer

        try:
            return self.world.call(name, counted)
        finally:
            self.on_queue_call()

    def _count_messages(self) -> None:
        self.sent += 1
        if self.sent > self._most_messages:
            self.world.failure = Endless(f"{self._most_messages} messages were sent")
        if not self._instrumentation.for_judge:
            return
        for queue in (self.download_queue, self.upload_queue):
            found = Counter(
                uuid_of(message.body)
                for message in self.queues._queues[queue].messages.values()  # noqa: SLF001  # as above
            )
            for uuid, count in found.items():
                key = (queue, uuid)
                self.most_waiting[key] = max(self.most_waiting[key], count)


def uuid_of(body: str) -> str:
    """Return the uuid of the recording in a message's body, or "" if the body has none."""
    try:
        content: Any = json.loads(body)
    except ValueError:
        return ""
    return str(content.get("uuid", "")) if isinstance(content, dict) else ""
