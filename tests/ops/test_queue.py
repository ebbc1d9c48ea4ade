"""Tests of the output and selections of `invoke queue.…`, with the in-process SQS."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk.receive_limits import RESERVE_RECEIVES
from cdk.stack_location import Place
from ops.command import OpsError
from ops.queues import commands as queue
from ops.queues import queue_messages
from ops.queues.queue_messages import SqsQueue, hold_messages, message_of
from ops.queues.redrive import Selection
from ops.target import Target
from tests.cloud import Cloud
from tests.hooks import recorded
from tests.ops.queue_harness import DOWNLOADS, SERIES, UPLOADS, Queues, body


def test_view_of_a_dlq_leaves_the_messages_visible(queues: Queues) -> None:
    for number in range(23):
        queues.add_to_dlq(body(number), group=f"g{number}")
    seen = queue.view_dlq(queues.redrive.dead, 100)
    assert {message.uuid for message in seen.messages} == {f"uuid-{n}==" for n in range(23)}
    assert seen.messages[0].reason == SERIES
    assert (seen.messages[0].meeting, seen.cost_receives, seen.unseen) == ("86168921331", False, 0)
    assert queues.visible(queues.dead_url) == 23
    queues.redrive.dead.take(1, 60)
    (said,) = queue.remarks(queue.view_dlq(queues.redrive.dead, 100))
    assert said.startswith(f"1 on {queues.pair.dlq} is held by somebody")
    queues.aws.sqs.purge_queue(QueueUrl=queues.dead_url)
    for number in range(23):
        queues.add_to_dlq(body(number), reason="now", group=f"g{number}")
    few = queue.view_dlq(queues.redrive.dead, 3)
    assert (len(few.messages), few.unseen) == (3, 20)
    assert queues.visible(queues.dead_url) == 23


def test_held_messages_of_a_dlq_are_visible_again_after_an_interrupt(
    queues: Queues,
) -> None:
    queues.add_to_dlq(body(1))

    def interrupted() -> None:
        with hold_messages(queues.redrive.dead, 30) as held:
            assert held.next_page()
            assert queues.visible(queues.dead_url) == 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert queues.visible(queues.dead_url) == 1


def test_view_of_a_queue_receives_no_message_twice_and_leaves_all_visible(
    queues: Queues,
) -> None:
    limit = json.dumps(
        {
            "deadLetterTargetArn": arn(queues.aws, queues.dead_url),
            "maxReceiveCount": str(2 + RESERVE_RECEIVES),
        }
    )
    queues.aws.sqs.set_queue_attributes(
        QueueUrl=queues.live_url, Attributes={"RedrivePolicy": limit}
    )
    for number in range(12):
        queues.redrive.live.send(body(number), **fifo(queues, number))
    seen = queue.view_queue(queues.redrive.live, 20)
    assert (len(seen.messages), seen.unseen, seen.cost_receives) == (10, 2, True)
    assert {message.received for message in seen.messages} == {1}
    assert queues.visible(queues.live_url) == 12
    assert queue.remarks(seen) == [
        f"Looking at 10 waiting on {queues.pair.queue} spent one receive of 2 of each.",
        f"2 more on {queues.pair.queue}: asking again would spend receives.",
    ]
    worn = replace(seen, messages=(replace(seen.messages[0], received=2),))
    assert queue.remarks(worn)[1].startswith("Don't look again: uuid-")


def arn(aws: Cloud, url: str) -> str:
    found = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(found["Attributes"]["QueueArn"])


def fifo(queues: Queues, number: int) -> dict[str, str]:
    if not queues.pair.is_fifo:
        return {}
    return {"MessageGroupId": f"g{number}", "MessageDeduplicationId": f"d{number}"}


def test_view_of_a_queue_receives_nothing_when_the_queue_is_empty(queues: Queues) -> None:
    with recorded(queues.aws.sqs, "sqs.ReceiveMessage") as received:
        seen = queue.view_queue(queues.redrive.live, 20)
    assert (seen.messages, seen.cost_receives, received) == ((), False, [])


def target() -> Target:
    place = Place("test", "bucket", "live", "us-east-1", "")
    return Target(place, boto3.Session(region_name="us-east-1"))


def test_messages_of_queues_are_shown_as_json_or_tables(
    downloads: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    downloads.add_to_dlq(body(1, topic="\x1b[2J [red]", zoom_series_id=None))
    downloads.add_to_dlq("no json", reason="unreadable")
    downloads.redrive.live.send(body(3))
    seen = queue.view_both(target(), DOWNLOADS, 20)
    content = json.loads(json.dumps(queue.as_json(seen)))
    assert [view["receives_spent"] for view in content["queues"]] == [1, 0]
    assert [(row["queue"], row["uuid"], row["failed_reason"]) for row in content["messages"]] == [
        ("test-download", "uuid-3==", None),
        ("test-download-dlq", "uuid-1==", SERIES),
        ("test-download-dlq", None, "unreadable"),
    ]
    queue.show(seen)
    shown = capsys.readouterr().out
    assert "\\x1b[2J [red]" in shown
    assert "(not JSON; message " in shown
    assert "spent one receive of each" in shown


def test_a_queue_command_distinguishes_a_message_in_flight_from_an_empty_queue(
    downloads: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    queue.show(queue.view_both(target(), DOWNLOADS, 20))
    assert "Both queues are empty." in capsys.readouterr().out
    downloads.redrive.live.send(body(3))
    queue.view_queue(downloads.redrive.live, 20)
    url = downloads.aws.sqs.get_queue_url(QueueName="test-download")["QueueUrl"]
    downloads.aws.sqs.receive_message(QueueUrl=url, VisibilityTimeout=60)
    queue.show(queue.view_both(target(), DOWNLOADS, 20))
    said = "No message can be shown: each is being worked on, or waits for its next attempt."
    assert said in " ".join(capsys.readouterr().out.split())


def test_error_names_the_queue_when_a_queue_is_missing(
    aws: Cloud,
) -> None:
    with pytest.raises(OpsError, match="There is no queue gone"):
        SqsQueue(aws.sqs, "gone")


def test_selection_of_messages_accepts_at_most_one_option_and_refuses_wrong_values() -> None:
    assert queue.selection_of(3, None, every=False) == Selection(most=3)
    assert queue.selection_of(None, None, every=False) == Selection(most=1)
    assert queue.selection_of(None, " u== ", every=False) == Selection(most=None, uuid="u==")
    assert queue.selection_of(None, None, every=True) == Selection(most=None, unreadable=True)
    for limit, uuid, every in (
        (0, None, False),
        (None, "", False),
        (None, "u", True),
        (2, None, True),
        (2, "u==", False),
    ):
        with pytest.raises(OpsError):
            queue.selection_of(limit, uuid, every=every)


def test_redrive_says_why_no_message_was_redriven(
    capsys: pytest.CaptureFixture[str],
) -> None:
    queue.report_nothing(UPLOADS, Selection(), (), 0)
    assert capsys.readouterr().out == "Nothing waits in test-upload-dlq.fifo.\n"
    queue.report_nothing(UPLOADS, Selection(), (), 1)
    assert "1 on test-upload-dlq.fifo is held by somebody" in capsys.readouterr().out
    with pytest.raises(OpsError, match="Nothing of u== waits in test-upload-dlq"):
        queue.report_nothing(UPLOADS, Selection(uuid="u=="), (), 0)
    with pytest.raises(OpsError, match=r"2 on test-upload-dlq\.fifo are held by somebody"):
        queue.report_nothing(UPLOADS, Selection(uuid="u=="), (), 2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
bodies = st.text() | st.one_of(
    json_values,
    st.fixed_dictionaries(
        {}, optional={"uuid": json_values, "zoom_series_id": json_values, "topic": json_values}
    ),
).map(json.dumps)


@given(bodies)
def test_a_queue_message_with_any_body_can_be_shown_as_json_and_as_a_row(
    text: str,
) -> None:
    message = message_of({"MessageId": "m", "ReceiptHandle": "h", "Body": text})
    seen = queue.QueueView(
        "q", queue_messages.QueueCounts(0, 0, 0, 0, datetime.now(UTC)), (message,), is_dlq=True
    )
    json.dumps(queue.as_json([seen]))
    assert all(isinstance(cell, str) for cell in queue.row_of(seen, message))
