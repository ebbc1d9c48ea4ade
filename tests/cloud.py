"""A fake clock, and a fake AWS (moto) with the stack's tables, queues, topic and bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from moto import mock_aws

REGION = "us-east-1"
BUCKET = "test-zoom-recording-files"
SENDING = "provide-client-params.sqs.SendMessage"


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 10, 14, 18, 30, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def set(self, text: str) -> None:
        self.now = datetime.fromisoformat(text)


@dataclass
class Cloud:
    """The clients, tables, queue URLs, bucket and sent messages of one test's AWS."""

    sqs: Any
    s3: Any
    ssm: Any
    status: Any
    recordings: Any
    events: Any
    schedule: Any
    faults: Any
    sns: Any
    download_queue: str
    download_dlq: str
    upload_queue: str
    upload_dlq: str
    bucket: str = BUCKET
    sends: list[dict[str, Any]] = field(default_factory=list)

    def sent_to(self, url: str) -> list[dict[str, Any]]:
        """Return all messages sent to a queue so far: parsed `body`, and `delay_seconds`."""
        return [
            {
                "body": json.loads(send["MessageBody"]),
                "delay_seconds": send.get("DelaySeconds", 0),
            }
            for send in self.sends
            if send["QueueUrl"] == url
        ]

    def messages(self, url: str) -> list[dict[str, Any]]:
        """Delete and return every visible message of a queue.

        Each message has its parsed `body`, its `reason` (attribute FailedReason) and its `group`.
        A message without a reason or a group has None instead.
        """
        found: list[dict[str, Any]] = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                AttributeNames=["All"],
            )
            if not answer.get("Messages"):
                return found
            for message in answer["Messages"]:
                found.append(
                    {
                        "body": json.loads(message["Body"]),
                        "reason": message.get("MessageAttributes", {})
                        .get("FailedReason", {})
                        .get("StringValue"),
                        "group": message["Attributes"].get("MessageGroupId"),
                    }
                )
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    @property
    def topic(self) -> str:
        """The ARN of the topic that sends the mails."""
        return self._mailing[0]

    def mails(self) -> list[tuple[str, str]]:
        """Delete and return the subject and body of each mail that the topic's queue holds."""
        sent = [message["body"] for message in self.messages(self._mailing[1])]
        return [(mail["Subject"], mail["Message"]) for mail in sent]

    @cached_property
    def _mailing(self) -> tuple[str, str]:
        """The topic's ARN, and the URL of the queue that gets the topic's mails.

        Few tests need the topic and the queue, so both are made on first use.
        """
        topic = self.sns.create_topic(Name="test-notifications")["TopicArn"]
        queue = self.sqs.create_queue(QueueName="test-mails")["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        arn = asked["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return topic, queue

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return every status row by zip id, with numbers as ints."""
        return {item["zip_id"]: plain(item) for item in self.status.scan()["Items"]}


def plain(value: Any) -> Any:
    """Return a value with DynamoDB's Decimals as ints, except for the Decimals in sets."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str | bool | set) or value is None:
        return value
    return int(value)


class _Clients(NamedTuple):
    sqs: Any
    s3: Any
    ssm: Any
    dynamodb: Any
    sns: Any


@cache
def _clients() -> _Clients:
    """Return boto3's clients, cached because making clients takes longer than most tests."""
    return _Clients(
        sqs=boto3.client("sqs", REGION),
        s3=boto3.client("s3", REGION, config=Config(signature_version="s3v4")),
        ssm=boto3.client("ssm", REGION),
        dynamodb=boto3.resource("dynamodb", REGION),
        sns=boto3.client("sns", REGION),
    )


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Start a fake AWS for the `with` block. Yield a Cloud with empty tables, queues and bucket."""
    with mock_aws():
        sqs, s3, ssm, dynamodb, sns = _clients()
        s3.create_bucket(Bucket=BUCKET)
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}

        def queue(name: str, **attributes: str) -> str:
            return str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

        made = Cloud(
            sqs=sqs,
            s3=s3,
            ssm=ssm,
            status=_status_table(dynamodb),
            events=_table(dynamodb, "test-recording-events", "zoom_uuid"),
            schedule=_table(dynamodb, "test-schedule", "zoom_series_id"),
            recordings=_recordings_table(dynamodb),
            faults=_table(dynamodb, "test-notification-faults", "fault"),
            sns=sns,
            download_queue=queue("test-download"),
            download_dlq=queue("test-download-dlq"),
            upload_queue=queue("test-upload.fifo", **fifo),
            upload_dlq=queue("test-upload-dlq.fifo", **fifo),
        )

        def remember(params: dict[str, Any], **_: object) -> None:
            made.sends.append(dict(params))

        sqs.meta.events.register(SENDING, remember)
        try:
            yield made
        finally:
            sqs.meta.events.unregister(SENDING, remember)


def _table(dynamodb: Any, name: str, key: str, **more: Any) -> Any:
    attributes = [{"AttributeName": key, "AttributeType": "S"}, *more.pop("attributes", [])]
    dynamodb.meta.client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=attributes,
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    return _table_of(name)


@cache
def _table_of(name: str) -> Any:
    """Return boto3's resource of a table.

    The cache saves the creation, which takes as long as a call to the fake AWS.
    """
    return _clients().dynamodb.Table(name)


def _index(name: str, *keys: str, projection: str = "ALL") -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": key, "KeyType": kind}
            for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
        "Projection": {"ProjectionType": projection},
    }


def _recordings_table(dynamodb: Any) -> Any:
    return _table(
        dynamodb,
        "test-recordings",
        "uuid",
        attributes=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("follow", "follow_due")
        ],
        GlobalSecondaryIndexes=[
            _index("follow_index", "follow", "follow_due", projection="KEYS_ONLY")
        ],
    )


def _status_table(dynamodb: Any) -> Any:
    return _table(
        dynamodb,
        "test-pipeline-status",
        "zip_id",
        attributes=[
            {"AttributeName": "meeting_id", "AttributeType": "N"},
            {"AttributeName": "update_date", "AttributeType": "S"},
            {"AttributeName": "update_time", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            _index("mid_index", "meeting_id"),
            _index("time_index", "update_date", "update_time"),
        ],
    )
