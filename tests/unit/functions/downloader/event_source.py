"""A fake of Lambda's event source mapping for the download queue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.staging_bucket import StagingBucket
from tests.unit.functions.downloader.harness import Harness

BYTES_A_SECOND = 1_000_000


@dataclass
class BucketTime:
    """A clock that advances by one second for each megabyte that S3 gets.

    `skip` advances the clock too. `skipped` is the sum of the seconds given to `skip`.
    """

    bucket: StagingBucket
    skipped: float = 0.0

    def __call__(self) -> float:
        return self.skipped + self.bucket.bytes_taken / BYTES_A_SECOND

    def skip(self, seconds: float) -> None:
        self.skipped += seconds


@dataclass
class Context:
    """Lambda's context in an invocation that ends when `time` is `end` (in seconds)."""

    time: BucketTime
    end: float
    aws_request_id: str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        return int((self.end - self.time()) * 1000)


@dataclass(frozen=True)
class Delivery:
    """A message that an invocation got.

    `came_back` says whether the message stayed in the queue: the invocation returned it as failed,
    or crashed.
    """

    body: dict[str, Any]
    receive_count: int
    receipt_handle: str
    came_back: bool


class EventSource:
    """The event source mapping of the download queue, with a batch size of 1.

    Messages that came back stay invisible until their visibility timeout ends.
    """

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self.time = harness.run_clock = BucketTime(harness.bucket)

    def context(self, seconds: float) -> Context:
        return Context(self.time, self.time() + seconds)

    def send(self, message: dict[str, Any]) -> None:
        self._harness.aws.sqs.send_message(
            QueueUrl=self._harness.aws.download_queue, MessageBody=json.dumps(message)
        )
        self._harness.aws.sends.clear()

    def deliver(self, seconds: float, *, crashes: bool = False) -> Delivery | None:
        """Run one invocation of `seconds` with a message, and return the delivery.

        The result is None if no message is visible. An invocation that `crashes` does all of its
        work, but its message becomes visible again.
        """
        harness, queue = self._harness, self._harness.aws.download_queue
        answer = harness.aws.sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=1,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        for taken in answer.get("Messages", ()):
            handle, attributes = taken["ReceiptHandle"], taken["Attributes"]
            record = {
                "messageId": taken["MessageId"],
                "receiptHandle": handle,
                "body": taken["Body"],
                "attributes": attributes,
            }
            said = harness.run({"Records": [record]}, self.context(seconds))
            came_back = crashes or bool(said["batchItemFailures"])
            if crashes:
                harness.aws.sqs.change_message_visibility(
                    QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0
                )
            elif not came_back:
                harness.aws.sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
            count = int(attributes["ApproximateReceiveCount"])
            return Delivery(json.loads(taken["Body"]), count, handle, came_back)
        return None

    def deliver_all(self, seconds: float) -> list[Delivery]:
        """Run invocations of `seconds` until no message is visible, and return the deliveries."""
        deliveries: list[Delivery] = []
        while delivery := self.deliver(seconds):
            deliveries.append(delivery)
            assert len(deliveries) < 50, "It comes to no end."
        return deliveries
