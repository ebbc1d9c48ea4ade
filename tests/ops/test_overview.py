"""`invoke stack.status`: of a stack that is not whole, too."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from cdk.names import FUNCTIONS
from cdk.stack_location import Place
from ops.stack import overview
from ops.target import Target
from tests.cloud import REGION, Cloud

ACCOUNT = "123456789012"
STACK = {
    "StackName": "test",
    "StackStatus": "ROLLBACK_COMPLETE",
    "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/test/1",
}
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:test-notifications"


Answer = tuple[int, dict[str, Any]]
WHOLE: Mapping[str, Answer] = {"cloudformation.DescribeStacks": (200, {"Stacks": [STACK]})}
"""CloudFormation knows the stack; what isn't said here is moto's."""


def target(answers: Mapping[str, Answer] = WHOLE) -> Target:
    """The stack as somebody sees it to whom AWS gives these answers: status and content."""
    session = boto3.Session(region_name=REGION)
    for call, (status, content) in answers.items():
        answer = (SimpleNamespace(status_code=status), {"ResponseMetadata": {}, **content})
        say: Any = lambda answer=answer, **_: answer  # noqa: E731 - its type is wrong in the stubs
        session.events.register(f"before-call.{call}", say)
    return Target(Place("test", "test-code", "live", REGION, ""), session)


def test_the_overview_is_complete_but_for_what_is_missing(aws: Cloud) -> None:
    aws.sqs.delete_queue(QueueUrl=aws.upload_dlq)
    aws.sqs.send_message(QueueUrl=aws.download_dlq, MessageBody="{}")
    gone = (404, {"Error": {"Code": "NotFound", "Message": "no topic"}})
    found = overview.read_overview(target({**WHOLE, "sns.ListSubscriptionsByTopic": gone}))
    assert found.state == "ROLLBACK_COMPLETE"
    assert {queue.name: queue.waiting for queue in found.queues} == {
        "test-download": 0,
        "test-download-dlq": 1,
        "test-upload.fifo": 0,
    }
    assert (found.functions, found.opencast) == ((), "")
    assert found.problems[0].startswith("There is no function test-zoom-webhook ")
    queue, topic = found.problems[-2:]
    assert queue.startswith("There is no queue test-upload-dlq.fifo: ")
    assert topic == "There is no topic test-notifications: nothing is mailed."
    assert len(found.problems) == len(FUNCTIONS) + 2
    assert overview.message_counts(target()) == {"test-download-dlq": 1}


@pytest.mark.usefixtures("aws")
def test_the_overview_is_shown_when_the_password_may_not_be_read() -> None:
    denied = (400, {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}})
    code = {"Version": "1", "CodeSha256": "x"}
    found = overview.read_overview(
        target(
            {
                **WHOLE,
                **mailbox(TOPIC),
                "lambda.GetAlias": (200, {"FunctionVersion": "1", "RevisionId": "r"}),
                "lambda.GetFunctionConfiguration": (200, code),
                "ssm.GetParameter": denied,
            }
        )
    )
    assert {function.released for function in found.functions} == {"1"}
    assert found.opencast.startswith("can't be asked: these credentials may not read")
    assert (len(found.queues), found.problems) == (4, ())


def mailbox(*subscriptions: str) -> dict[str, Answer]:
    """SNS's answer for a topic with subscriptions of these ARNs, of ops0@example.edu and so on."""
    listed = [
        {"Endpoint": f"ops{number}@example.edu", "SubscriptionArn": arn}
        for number, arn in enumerate(subscriptions)
    ]
    return {"sns.ListSubscriptionsByTopic": (200, {"Subscriptions": listed})}


@pytest.mark.usefixtures("aws")
def test_the_overview_says_which_addresses_get_mails(capsys: pytest.CaptureFixture[str]) -> None:
    """SNS doesn't when it is asked to publish: that succeeds all the same."""
    answers = {**WHOLE, **mailbox(f"{TOPIC}:1", "PendingConfirmation", "Deleted")}
    found = overview.read_overview(target(answers))
    assert found.as_json()["mails"] == {
        "ops0@example.edu": True,
        "ops1@example.edu": False,
        "ops2@example.edu": False,
    }
    overview.show(found)
    told = capsys.readouterr().out
    assert "Mails go to ops0@example.edu\n" in told
    assert "Mails don't go to ops1@example.edu, which isn't confirmed: follow the link" in told


@pytest.mark.usefixtures("aws")
def test_the_overview_names_the_command_when_nobody_gets_mails() -> None:
    found = overview.read_overview(target({**WHOLE, **mailbox()}))
    assert found.mails == {}
    assert f"Nobody gets mails: `aws sns subscribe --topic-arn {TOPIC} " in found.problems[-1]


@pytest.mark.usefixtures("aws")
def test_the_overview_lists_addresses_without_resource_ids(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exported = {
        "test-webhook-url": "https://api.example.edu/live/new_recording",
        "test-webhook-resource-id": "abc123",
        "test-api-id": "def456",
    }
    stack = {**STACK, "Outputs": [{"ExportName": k, "OutputValue": v} for k, v in exported.items()]}
    answers = {**WHOLE, "cloudformation.DescribeStacks": (200, {"Stacks": [stack]})}
    found = overview.read_overview(target({**answers, **mailbox()}))
    overview.show(found)
    told = capsys.readouterr().out
    assert "test-webhook-url" in told
    assert "resource-id" not in told + str(found.as_json())
    assert set(overview.outputs(target(answers))) == {"test-webhook-url", "test-api-id"}
