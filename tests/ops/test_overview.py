"""`invoke stack.status`: of a stack that is not whole, too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import boto3

from cdk.names import FUNCTIONS
from cdk.place import Place
from ops.stack import overview
from ops.target import Target
from tests.cloud import REGION, Cloud

STACK = {"StackName": "test", "StackStatus": "ROLLBACK_COMPLETE"}


def target() -> Target:
    """The stack, of which CloudFormation says so; the rest is moto's."""
    session = boto3.Session(region_name=REGION)
    answer = (SimpleNamespace(status_code=200), {"Stacks": [STACK], "ResponseMetadata": {}})
    say: Any = lambda **_: answer  # noqa: E731 - whose type botocore's stubs have wrong
    session.events.register("before-call.cloudformation.DescribeStacks", say)
    return Target(Place("test", "test-code", "live", REGION, ""), session)


def test_what_is_not_there_keeps_nothing_else_from_being_told(aws: Cloud) -> None:
    aws.sqs.delete_queue(QueueUrl=aws.upload_dlq)
    aws.sqs.send_message(QueueUrl=aws.download_dlq, MessageBody="{}")
    found = overview.look(target())
    assert found.state == "ROLLBACK_COMPLETE"
    assert {queue.name: queue.waiting for queue in found.queues} == {
        "test-download": 0,
        "test-download-dlq": 1,
        "test-upload.fifo": 0,
    }
    assert (found.functions, found.opencast) == ((), "")
    assert found.problems[0].startswith("There is no function test-zoom-webhook ")
    assert found.problems[-1].startswith("There is no queue test-upload-dlq.fifo: ")
    assert len(found.problems) == len(FUNCTIONS) + 1
    assert overview.messages(target()) == {"test-download-dlq": 1}
