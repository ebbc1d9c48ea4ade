"""Tests of `invoke stack.status`, also for an incomplete stack."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cdk.names import FUNCTIONS
from ops.stack import overview
from tests.cloud import REGION, Cloud
from tests.ops.aws_answers import Answer, released_function, target_answering

ACCOUNT = "123456789012"
STACK = {
    "StackName": "test",
    "StackStatus": "ROLLBACK_COMPLETE",
    "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/test/1",
}
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:test-notifications"

WHOLE: Mapping[str, Answer] = {"cloudformation.DescribeStacks": (200, {"Stacks": [STACK]})}
"""CloudFormation's answer about an existing stack."""


def test_stack_status_names_the_missing_resources_when_a_stack_is_incomplete(aws: Cloud) -> None:
    aws.sqs.delete_queue(QueueUrl=aws.upload_dlq)
    aws.sqs.send_message(QueueUrl=aws.download_dlq, MessageBody="{}")
    gone = (404, {"Error": {"Code": "NotFound", "Message": "no topic"}})
    found = overview.read_overview(
        target_answering({**WHOLE, "sns.ListSubscriptionsByTopic": gone})
    )
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
    assert overview.message_counts(target_answering(WHOLE)) == {"test-download-dlq": 1}


@pytest.mark.usefixtures("aws")
def test_stack_status_is_shown_when_the_opencast_password_may_not_be_read() -> None:
    denied = (400, {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}})
    answers = {**WHOLE, **mailbox(TOPIC), **released_function(), "ssm.GetParameter": denied}
    found = overview.read_overview(target_answering(answers))
    assert {function.released for function in found.functions} == {"1"}
    assert found.opencast.startswith("can't be asked: these credentials may not read")
    assert (len(found.queues), found.problems) == (4, ())


def mailbox(*subscriptions: str) -> dict[str, Answer]:
    """Return SNS's answer with a subscription of ops0@example.edu, ops1@example.edu and so on."""
    listed = [
        {"Endpoint": f"ops{number}@example.edu", "SubscriptionArn": arn}
        for number, arn in enumerate(subscriptions)
    ]
    return {"sns.ListSubscriptionsByTopic": (200, {"Subscriptions": listed})}


@pytest.mark.usefixtures("aws")
def test_stack_status_says_which_addresses_get_mails(capsys: pytest.CaptureFixture[str]) -> None:
    # SNS delivers no message to an unconfirmed address, and reports no error.
    answers = {**WHOLE, **mailbox(f"{TOPIC}:1", "PendingConfirmation", "Deleted")}
    found = overview.read_overview(target_answering(answers))
    assert found.as_json()["mails"] == {
        "ops0@example.edu": True,
        "ops1@example.edu": False,
        "ops2@example.edu": False,
    }
    overview.show(found)
    printed = capsys.readouterr().out
    assert "Mails go to ops0@example.edu\n" in printed
    assert "Mails don't go to ops1@example.edu, which isn't confirmed: follow the link" in printed


@pytest.mark.usefixtures("aws")
def test_stack_status_shows_only_the_alarms_of_its_stack_when_names_of_stacks_begin_alike() -> None:
    target = target_answering(WHOLE)
    for stack in ("test", "test-dev"):
        name = f"{stack}-webhook-5xx"
        target.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/ApiGateway",
            MetricName="5XXError",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            AlarmActions=[f"arn:aws:sns:{REGION}:{ACCOUNT}:{stack}-notifications"],
        )
        target.client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue="ALARM", StateReason="two answers"
        )
    assert overview.read_overview(target).alarms == {"test-webhook-5xx": "two answers"}


@pytest.mark.usefixtures("aws")
def test_stack_status_names_the_command_to_subscribe_when_nobody_gets_mails() -> None:
    found = overview.read_overview(target_answering({**WHOLE, **mailbox()}))
    assert found.mails == {}
    assert f"Nobody gets mails: `aws sns subscribe --topic-arn {TOPIC} " in found.problems[-1]


@pytest.mark.usefixtures("aws")
def test_stack_status_shows_no_resource_ids(capsys: pytest.CaptureFixture[str]) -> None:
    exported = {
        "test-webhook-url": "https://api.example.edu/live/new_recording",
        "test-webhook-resource-id": "abc123",
        "test-api-id": "def456",
    }
    stack = {**STACK, "Outputs": [{"ExportName": k, "OutputValue": v} for k, v in exported.items()]}
    answers = {**WHOLE, "cloudformation.DescribeStacks": (200, {"Stacks": [stack]})}
    found = overview.read_overview(target_answering({**answers, **mailbox()}))
    overview.show(found)
    printed = capsys.readouterr().out
    assert "test-webhook-url" in printed
    assert "resource-id" not in printed + str(found.as_json())
    assert set(overview.outputs(target_answering(answers))) == {"test-webhook-url", "test-api-id"}
