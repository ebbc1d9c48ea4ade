"""Tests of the fake SQS, compared with moto where moto behaves as AWS."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cloud import Cloud
from tests.simulation.aws.sqs import FakeQueues
from tests.simulation.tests.comparison import Time, code_of, fake_queues


@pytest.fixture
def now() -> Time:
    return Time()


def received(sqs: Any, url: str, most: int = 10) -> list[dict[str, Any]]:
    """Receive messages, and return records like those of an SQS event."""
    if isinstance(sqs, FakeQueues):
        return sqs.take(url, most)
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=most,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    return [
        {
            "body": message["Body"],
            "receiptHandle": message["ReceiptHandle"],
            "attributes": message["Attributes"],
            "messageAttributes": {
                name: value["StringValue"]
                for name, value in message.get("MessageAttributes", {}).items()
            },
        }
        for message in answer.get("Messages", [])
    ]


def delete(sqs: Any, url: str, handle: str) -> None:
    if isinstance(sqs, FakeQueues):
        sqs.delete(url, handle)
    else:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)


def count(sqs: Any, url: str) -> int:
    """Return the number of messages in a queue."""
    if isinstance(sqs, FakeQueues):
        return len(sqs.messages(url))
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(map(int, counts.values()))


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["body"] for message in messages]


sends = st.tuples(
    st.just("send"),
    st.sampled_from(["one", "two", "three"]),
    st.sampled_from(["g", "h"]),
    st.sampled_from([None, "i", "j"]),
)
takes = st.tuples(st.sampled_from(["receive", "release", "delete"]), st.integers(1, 3))


def fifo_trace(sqs: Any, url: str, operations: list[Any]) -> list[Any]:
    """Run operations on a FIFO queue.

    Return the received groups and bodies, and the number of messages after each operation.
    """
    trace: list[Any] = []
    held: list[dict[str, Any]] = []
    for kind, *rest in operations:
        if kind == "send":
            body, group, identity = rest
            more = {"MessageDeduplicationId": identity} if identity else {}
            sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **more)
        elif kind == "receive":
            got = received(sqs, url, rest[0])
            # moto mixes the groups of one receive. SQS doesn't define the order of groups.
            trace.append(
                sorted((record["attributes"]["MessageGroupId"], record["body"]) for record in got)
            )
            held += got
        elif held:
            handle = held.pop(0)["receiptHandle"]
            if kind == "release":
                sqs.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0
                )
            else:
                delete(sqs, url, handle)
        trace.append(count(sqs, url))
    return trace


def as_moto_can(operations: list[Any]) -> list[Any]:
    """Adapt operations to the differences between moto and SQS.

    moto delivers groups in its own order. Unlike SQS, moto accepts a repeat of a deleted message:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
    """
    if any(operation[0] == "delete" for operation in operations):
        operations = [
            ("send", f"{operation[1]}{number}", operation[2], None)
            if operation[0] == "send"
            else operation
            for number, operation in enumerate(operations)
        ]
    return [
        (operation[0], operation[1], "g", operation[3])
        if operation[0] == "send"
        else (operation[0], 10)
        for operation in operations
    ]


def test_fifo_queue_behaves_as_in_moto_when_operations_are_generated(aws: Cloud) -> None:
    made = [0]

    @settings(max_examples=30)
    @given(st.lists(sends | takes, max_size=12))
    def check(operations: list[Any]) -> None:
        operations = as_moto_can(operations)
        made[0] += 1
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        moto = aws.sqs.create_queue(QueueName=f"q{made[0]}.fifo", Attributes=attributes)["QueueUrl"]
        fake = fake_queues(Time())
        url = fake.create("q.fifo", fifo=True)
        assert fifo_trace(fake, url, operations) == fifo_trace(aws.sqs, moto, operations)

    check()


def standard_trace(sqs: Any, url: str) -> list[Any]:
    """Use messages, attributes and handles of a standard queue, and return the answers."""
    reason = {"FailedReason": {"DataType": "String", "StringValue": "why"}}
    for body in ("one", "two", "three"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=reason)
    sqs.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=900)
    first, second = received(sqs, url, 2)
    shown = first["attributes"]["ApproximateReceiveCount"]
    trace: list[Any] = [first["body"], second["body"], sorted(first["messageAttributes"]), shown]
    handle = {"QueueUrl": url, "ReceiptHandle": first["receiptHandle"]}
    sqs.change_message_visibility(**handle, VisibilityTimeout=0)
    again = received(sqs, url)
    trace.append(
        sorted(
            (record["body"], record["attributes"]["ApproximateReceiveCount"]) for record in again
        )
    )
    for record in (second, *again, second):
        delete(sqs, url, record["receiptHandle"])
    return [*trace, count(sqs, url)]


def test_standard_queue_behaves_as_in_moto(aws: Cloud) -> None:
    fake = fake_queues(Time())
    url = fake.create("test-download")
    assert standard_trace(fake, url) == standard_trace(aws.sqs, aws.download_queue)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("standard", {"MessageBody": "a", "DelaySeconds": 901}, "InvalidParameterValue"),
    ("standard", {"MessageBody": "a\x00"}, "InvalidMessageContents"),
    ("standard", {"MessageBody": "a\ufffe"}, "InvalidMessageContents"),
    ("standard", {"MessageBody": ""}, "MissingParameter"),
    ("standard", {"MessageBody": "x" * 1_048_577}, "InvalidParameterValue"),
    ("standard", {"MessageBody": "a", "MessageDeduplicationId": "i"}, "InvalidParameterValue"),
    (
        "standard",
        {
            "MessageBody": "a",
            "MessageAttributes": {"Reason": {"DataType": "String", "StringValue": ""}},
        },
        "InvalidParameterValue",
    ),
    ("fifo", {"MessageBody": "a"}, "MissingParameter"),
    (
        "fifo",
        {"MessageBody": "a", "MessageGroupId": "g", "DelaySeconds": 5},
        "InvalidParameterValue",
    ),
]


@pytest.mark.parametrize(("kind", "message", "code"), WRONG)
def test_fake_sqs_refuses_an_invalid_message(kind: str, message: dict[str, Any], code: str) -> None:
    fake = fake_queues(Time())
    urls = {"standard": fake.create("q"), "fifo": fake.create("q.fifo", fifo=True)}
    assert code_of(fake.send_message, QueueUrl=urls[kind], **message) == code
    assert fake.messages(urls[kind]) == []


# moto accepts the other messages of WRONG, although SQS's documentation forbids them:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
@pytest.mark.parametrize("number", [0, 7, 8])
def test_moto_refuses_an_invalid_message_with_the_code_of_the_fake(aws: Cloud, number: int) -> None:
    kind, message, code = WRONG[number]
    url = aws.upload_queue if kind == "fifo" else aws.download_queue
    assert code_of(aws.sqs.send_message, QueueUrl=url, **message) == code


def test_sqs_call_fails_as_in_moto_when_the_queue_or_handle_is_unknown(aws: Cloud) -> None:
    fake = fake_queues(Time())
    url = fake.create("q")
    gone = aws.download_queue + "-gone"
    for sqs, known, unknown in ((aws.sqs, aws.download_queue, gone), (fake, url, url + "-gone")):
        code = code_of(sqs.send_message, QueueUrl=unknown, MessageBody="a")
        assert code == "AWS.SimpleQueueService.NonExistentQueue"
        wrong = {"QueueUrl": known, "ReceiptHandle": "no handle"}
        assert code_of(sqs.change_message_visibility, **wrong, VisibilityTimeout=0) == (
            "ReceiptHandleIsInvalid"
        )


def test_fake_standard_queue_delivers_messages_in_the_chosen_order(now: Time) -> None:
    fake = fake_queues(now, choose=lambda count: count - 1)
    url = fake.create("q")
    for body in ("one", "two", "three"):
        fake.send_message(QueueUrl=url, MessageBody=body)
    assert bodies(fake.take(url, 2)) == ["three", "two"]


def test_message_of_the_fake_sqs_stays_visible_when_its_delivery_is_to_be_repeated(
    now: Time,
) -> None:
    answers = iter([True, False])
    fake = fake_queues(now, duplicates=lambda: next(answers))
    url = fake.create("q")
    fake.send_message(QueueUrl=url, MessageBody="one")
    first, second = fake.take(url, 1)[0], fake.take(url, 1)[0]
    assert first["messageId"] == second["messageId"]
    fake.delete(url, first["receiptHandle"])
    assert len(fake.messages(url)) == 1
    fake.delete(url, second["receiptHandle"])
    assert fake.messages(url) == []


def test_fake_queue_knows_the_end_of_a_delay_or_visibility_timeout(now: Time) -> None:
    fake = fake_queues(now)
    url = fake.create("q", visibility_seconds=30)
    assert fake.next_visible(url) is None
    fake.send_message(QueueUrl=url, MessageBody="one", DelaySeconds=10)
    assert fake.next_visible(url) == now() + 10
    assert fake.take(url, 1) == []
    now.now += 10
    handle = fake.take(url, 1)[0]["receiptHandle"]
    fake.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=100)
    assert fake.next_visible(url) == now() + 100
    now.now += 100
    # The handle still deletes the message, because no later receive has made another handle.
    fake.delete(url, handle)
    assert fake.messages(url) == []


def test_standard_queue_ignores_a_change_of_visibility_when_the_handle_has_expired(
    now: Time,
) -> None:
    fake = fake_queues(now)
    url = fake.create("q", visibility_seconds=30)
    fake.send_message(QueueUrl=url, MessageBody="one")
    handle = fake.take(url, 1)[0]["receiptHandle"]
    now.now += 31
    fake.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=100)
    assert len(fake.take(url, 1)) == 1


def test_fifo_queue_refuses_a_receipt_handle_when_it_has_expired(now: Time) -> None:
    fake = fake_queues(now)
    url = fake.create("q.fifo", fifo=True, visibility_seconds=30)
    fake.send_message(QueueUrl=url, MessageBody="one", MessageGroupId="g")
    handle = fake.take(url, 1)[0]["receiptHandle"]
    now.now += 31
    assert code_of(fake.delete, url=url, receipt_handle=handle) == "InvalidParameterValue"
    change = {"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 5}
    assert code_of(fake.change_message_visibility, **change) == "InvalidParameterValue"
    assert len(fake.messages(url)) == 1


@pytest.mark.parametrize(("wait", "count"), [(299, 1), (300, 2)])
def test_fifo_queue_drops_a_repeated_message_only_within_five_minutes(
    now: Time, wait: float, count: int
) -> None:
    fake = fake_queues(now)
    url = fake.create("q.fifo", fifo=True)
    sent = fake.send_message(QueueUrl=url, MessageBody="one", MessageGroupId="g")
    taken = fake.take(url, 1)
    fake.delete(url, taken[0]["receiptHandle"])
    now.now += wait
    again = fake.send_message(QueueUrl=url, MessageBody="one", MessageGroupId="g")
    assert (again["MessageId"] == sent["MessageId"]) is (count == 1)
    assert len(fake.messages(url)) == count - 1


def test_fifo_queue_delivers_other_groups_when_a_group_is_blocked(now: Time) -> None:
    fake = fake_queues(now)
    url = fake.create("q.fifo", fifo=True, visibility_seconds=30)
    for body, group in (("g1", "g"), ("g2", "g"), ("h1", "h")):
        fake.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
    first = fake.take(url, 1)
    assert bodies(first) == ["g1"]
    assert bodies(fake.take(url, 10)) == ["h1"]
    handle = first[0]["receiptHandle"]
    fake.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5)
    assert fake.next_visible(url) == now() + 5
    assert fake.take(url, 10) == []
    now.now += 5
    assert bodies(fake.take(url, 10)) == ["g1", "g2"]


@pytest.mark.parametrize("fifo", [False, True])
def test_message_moves_to_the_dead_letter_queue_when_it_has_reached_the_limit_of_receives(
    now: Time, fifo: bool
) -> None:
    fake, end = fake_queues(now), ".fifo" if fifo else ""
    dlq = fake.create(f"dlq{end}", fifo=fifo)
    url = fake.create(f"q{end}", fifo=fifo, visibility_seconds=30, redrive=(dlq, 2))
    fake.send_message(QueueUrl=url, MessageBody="one", MessageGroupId="g" if fifo else None)
    for count in ("1", "2"):
        assert fake.take(url, 1)[0]["attributes"]["ApproximateReceiveCount"] == count
        now.now += 31
    assert fake.take(url, 1) == []
    assert fake.messages(url) == []
    [moved] = received(fake, dlq)
    assert moved["body"] == "one"
    source = moved["attributes"]["DeadLetterQueueSourceArn"]
    assert source == f"arn:aws:sqs:us-east-1:123456789012:q{end}"
    assert moved["messageAttributes"] == {}


def test_message_moves_to_the_dead_letter_queue_at_the_same_receive_as_in_moto(aws: Cloud) -> None:
    arn = aws.sqs.get_queue_attributes(QueueUrl=aws.download_dlq, AttributeNames=["QueueArn"])
    policy = f'{{"deadLetterTargetArn": "{arn["Attributes"]["QueueArn"]}", "maxReceiveCount": 2}}'
    moto = aws.sqs.create_queue(
        QueueName="redriven", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"}
    )
    fake = fake_queues(Time())
    dlq = fake.create("dlq")
    found = []
    for sqs, url, dead in (
        (aws.sqs, moto["QueueUrl"], aws.download_dlq),
        (fake, fake.create("q", visibility_seconds=0, redrive=(dlq, 2)), dlq),
    ):
        sqs.send_message(QueueUrl=url, MessageBody="one")
        trace = [bodies(received(sqs, url)) for _ in range(3)]
        found.append((trace, bodies(received(sqs, dead))))
    assert found[0] == found[1]


def test_records_of_the_fake_sqs_have_the_form_of_records_in_an_sqs_event(now: Time) -> None:
    fake = fake_queues(now)
    url = fake.create("q.fifo", fifo=True)
    fake.send_message(
        QueueUrl=url,
        MessageBody="one",
        MessageGroupId="g",
        MessageDeduplicationId="i",
        MessageAttributes={"FailedReason": {"DataType": "String", "StringValue": "why"}},
    )
    assert fake.take(url, 1) == [
        {
            "messageId": "id-1",
            "receiptHandle": "id-1:1",
            "body": "one",
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1800000000000",
                "SenderId": "123456789012",
                "ApproximateFirstReceiveTimestamp": "1800000000000",
                "MessageGroupId": "g",
                "MessageDeduplicationId": "i",
                "SequenceNumber": "00000000000000000001",
            },
            "messageAttributes": {
                "FailedReason": {
                    "stringValue": "why",
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": "String",
                }
            },
            "md5OfBody": "f97c5d29941bfb1b2fdab0874906ab82",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:q.fifo",
            "awsRegion": "us-east-1",
        }
    ]


def test_messages_expire_when_they_are_older_than_fourteen_days(now: Time) -> None:
    fake = fake_queues(now)
    url = fake.create("q")
    fake.send_message(QueueUrl=url, MessageBody="old")
    now.now += 14 * 86400
    fake.send_message(QueueUrl=url, MessageBody="new")
    fake.expire()
    assert len(fake.messages(url)) == 2
    now.now += 1
    fake.expire()
    assert [view.body for view in fake.messages(url)] == ["new"]
