"""Denials of requests that a function's role must not make.

Each request has the credentials of a role with the function's policy. The tests also make requests
that the policy allows, to prove that not every request is denied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk.names import FUNCTIONS, GOOGLE_CREDENTIALS, Function, Names
from local.cloud import ACCOUNT
from local.state import State
from tests.e2e import deployed
from tests.e2e.stack import Stack

Client = Callable[[str], Any]
"""A function that returns a boto3 client of a service, with a role's credentials."""

NO_KEY = {"nothing": {"S": "x"}}
"""A key that fits no table, so that even an allowed request changes nothing."""


def last(arn: str) -> str:
    """Return an ARN's text after the last colon, such as the name of a queue."""
    return arn.rsplit(":", 1)[-1]


def table(arn: str) -> str:
    return arn.split("/")[1]


def bucket(arn: str) -> str:
    return last(arn).partition("/")[0]


def upload(arn: str) -> dict[str, str]:
    return {"Bucket": bucket(arn), "Key": "denied", "UploadId": "none"}


def queue(client: Client, arn: str) -> str:
    """Return a queue's URL without a call of GetQueueUrl, which would need a grant of its own."""
    return f"{client('sqs').meta.endpoint_url}/{ACCOUNT}/{last(arn)}"


def parameter(arn: str) -> str:
    return arn.partition(":parameter")[2]


def log_group(arn: str) -> dict[str, str]:
    return {"logGroupName": arn.partition(":log-group:")[2].removesuffix(":*")}


ATTEMPTS: dict[str, Callable[[Client, str], object]] = {
    "dynamodb:GetItem": lambda c, arn: c("dynamodb").get_item(TableName=table(arn), Key=NO_KEY),
    "dynamodb:UpdateItem": lambda c, arn: c("dynamodb").update_item(
        TableName=table(arn), Key=NO_KEY
    ),
    "dynamodb:PutItem": lambda c, arn: c("dynamodb").put_item(TableName=table(arn), Item=NO_KEY),
    "dynamodb:DeleteItem": lambda c, arn: c("dynamodb").delete_item(
        TableName=table(arn), Key=NO_KEY
    ),
    "dynamodb:BatchWriteItem": lambda c, arn: c("dynamodb").batch_write_item(
        RequestItems={table(arn): [{"DeleteRequest": {"Key": NO_KEY}}]}
    ),
    "dynamodb:Scan": lambda c, arn: c("dynamodb").scan(TableName=table(arn), Limit=1),
    "dynamodb:Query": lambda c, arn: c("dynamodb").query(
        TableName=table(arn),
        IndexName=last(arn).rsplit("/", 1)[-1],
        KeyConditionExpression="nothing = :x",
        ExpressionAttributeValues={":x": {"S": "x"}},
    ),
    "dynamodb:DeleteTable": lambda c, arn: c("dynamodb").delete_table(TableName=table(arn)),
    "iam:PutRolePolicy": lambda c, arn: c("iam").put_role_policy(
        RoleName=arn.rsplit("/", 1)[-1], PolicyName="more", PolicyDocument="{}"
    ),
    "lambda:InvokeFunction": lambda c, arn: c("lambda").invoke(
        FunctionName=arn, InvocationType="DryRun"
    ),
    "lambda:UpdateFunctionCode": lambda c, arn: c("lambda").update_function_code(
        FunctionName=arn, S3Bucket="none", S3Key="none"
    ),
    "logs:CreateLogStream": lambda c, arn: c("logs").create_log_stream(
        **log_group(arn), logStreamName="denied"
    ),
    "logs:FilterLogEvents": lambda c, arn: c("logs").filter_log_events(**log_group(arn)),
    "logs:PutLogEvents": lambda c, arn: c("logs").put_log_events(
        **log_group(arn), logStreamName="none", logEvents=[{"timestamp": 0, "message": "x"}]
    ),
    "s3:AbortMultipartUpload": lambda c, arn: c("s3").abort_multipart_upload(**upload(arn)),
    "s3:DeleteObject": lambda c, arn: c("s3").delete_object(Bucket=bucket(arn), Key="denied"),
    "s3:GetObject": lambda c, arn: c("s3").get_object(Bucket=bucket(arn), Key="none"),
    "s3:GetObjectTagging": lambda c, arn: c("s3").get_object_tagging(
        Bucket=bucket(arn), Key="none"
    ),
    "s3:ListBucket": lambda c, arn: c("s3").list_objects_v2(Bucket=bucket(arn)),
    "s3:ListBucketMultipartUploads": lambda c, arn: c("s3").list_multipart_uploads(
        Bucket=bucket(arn)
    ),
    "s3:ListMultipartUploadParts": lambda c, arn: c("s3").list_parts(**upload(arn)),
    "s3:PutBucketPolicy": lambda c, arn: c("s3").put_bucket_policy(Bucket=bucket(arn), Policy="{}"),
    "s3:PutObject": lambda c, arn: c("s3").put_object(Bucket=bucket(arn), Key="denied", Body=b""),
    "s3:PutObjectTagging": lambda c, arn: c("s3").put_object_tagging(
        Bucket=bucket(arn), Key="none", Tagging={"TagSet": []}
    ),
    "sns:Publish": lambda c, arn: c("sns").publish(TopicArn=arn, Message="denied"),
    "sqs:ChangeMessageVisibility": lambda c, arn: c("sqs").change_message_visibility(
        QueueUrl=queue(c, arn), ReceiptHandle="none", VisibilityTimeout=0
    ),
    "sqs:DeleteMessage": lambda c, arn: c("sqs").delete_message(
        QueueUrl=queue(c, arn), ReceiptHandle="none"
    ),
    "sqs:GetQueueAttributes": lambda c, arn: c("sqs").get_queue_attributes(
        QueueUrl=queue(c, arn), AttributeNames=["QueueArn"]
    ),
    "sqs:PurgeQueue": lambda c, arn: c("sqs").purge_queue(QueueUrl=queue(c, arn)),
    "sqs:ReceiveMessage": lambda c, arn: c("sqs").receive_message(
        QueueUrl=queue(c, arn), VisibilityTimeout=0
    ),
    "sqs:SendMessage": lambda c, arn: c("sqs").send_message(
        QueueUrl=queue(c, arn), MessageBody="denied"
    ),
    "ssm:GetParameter": lambda c, arn: c("ssm").get_parameter(
        Name=parameter(arn), WithDecryption=True
    ),
    "ssm:GetParametersByPath": lambda c, arn: c("ssm").get_parameters_by_path(Path=parameter(arn)),
    "ssm:PutParameter": lambda c, arn: c("ssm").put_parameter(
        Name=parameter(arn), Value="x", Type="SecureString", Overwrite=True
    ),
    "sts:AssumeRole": lambda c, arn: c("sts").assume_role(RoleArn=arn, RoleSessionName="denied"),
}
"""A request for each action. Most requests with side effects name something that doesn't exist."""

SIDE_EFFECT = "an allowed request would send a mail, or take or give a function's message"
OTHER_ARN = "the local cloud looks for a grant on the log group, where AWS looks at the stream"

ONLY_DENIALS = {
    "sns:Publish": SIDE_EFFECT,
    "sqs:ReceiveMessage": SIDE_EFFECT,
    "sqs:SendMessage": SIDE_EFFECT,
    "logs:CreateLogStream": OTHER_ARN,
    "logs:PutLogEvents": OTHER_ARN,
}
"""Actions for which the tests make no allowed request, each with the reason."""


def actions_of_no_function(names: Names, region: str) -> list[tuple[str, str]]:
    """Return (action, resource ARN) pairs that no function may use.

    A destructive request names a resource, item or file that doesn't exist, so that a wrongly
    allowed request destroys nothing.
    """

    def arn(service: str, resource: str) -> str:
        return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"

    none, files = names.of("none"), f"arn:aws:s3:::{names.bucket}"
    return [
        ("dynamodb:Scan", arn("dynamodb", f"table/{names.recordings_table}")),
        ("dynamodb:DeleteItem", arn("dynamodb", f"table/{names.recordings_table}")),
        ("dynamodb:DeleteTable", arn("dynamodb", f"table/{none}")),
        ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/{none}"),
        ("lambda:InvokeFunction", arn("lambda", f"function:{names.of('zoom-uploader')}")),
        ("lambda:UpdateFunctionCode", arn("lambda", f"function:{none}")),
        ("logs:FilterLogEvents", arn("logs", f"log-group:{names.access_log}:*")),
        ("s3:DeleteObject", f"{files}/*"),
        ("s3:ListBucket", files),
        ("s3:PutBucketPolicy", f"arn:aws:s3:::{none}"),
        ("sqs:PurgeQueue", arn("sqs", none)),
        ("sqs:ReceiveMessage", arn("sqs", names.download_dlq)),
        ("ssm:GetParameter", arn("ssm", f"parameter{Names('other').secret('APIGEE_KEY')}")),
        ("ssm:GetParametersByPath", arn("ssm", f"parameter{names.secrets_path}")),
        ("ssm:PutParameter", arn("ssm", f"parameter{names.secret('NONE')}")),
        ("ssm:PutParameter", arn("ssm", f"parameter{GOOGLE_CREDENTIALS}-none")),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/{none}"),
    ]


@contextmanager
def acting_as(stack: Stack, state: State, function: str) -> Iterator[Client]:
    """Yield a `Client` with the rights of a function's role.

    Only Lambda may assume the function's role, so the `Client` assumes a copy of the role.
    The copy exists during the block.
    """
    iam, name = stack.driver.client("iam"), f"denials-{function}"
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    policy = json.dumps(deployed.policy_of(stack.driver, function))
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=policy)
    try:
        sts = stack.driver.client("sts")
        given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="denials")["Credentials"]
        yield cache(
            lambda service: boto3.client(
                service,
                region_name=state.region,
                endpoint_url=state.aws_endpoint_url,
                verify=state.ca_bundle,
                aws_access_key_id=given["AccessKeyId"],
                aws_secret_access_key=given["SecretAccessKey"],
                aws_session_token=given["SessionToken"],
            )
        )
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="grants")
        iam.delete_role(RoleName=name)


def is_denied(client: Client, action: str, resource: str) -> bool:
    """Request an action on a resource. Return whether lack of the grant denies the action."""
    try:
        ATTEMPTS[action](client, resource)
    except ClientError as error:
        return f"is not authorized to perform: {action} " in f"{error} "
    return False


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_role_is_allowed_its_own_grants_and_denied_other_grants_and_forbidden_actions(
    function: Function, stack: Stack, state: State
) -> None:
    names = [stack.function(each) for each in FUNCTIONS]
    granted = {name: deployed.grants_of(stack.driver, name) for name in names}
    own = set(granted[stack.function(function)])
    others = {pair for pairs in granted.values() for pair in pairs} - own
    unheld = actions_of_no_function(stack.names, state.region)
    assert not own & set(unheld)
    with acting_as(stack, state, stack.function(function)) as client:
        let_through = [pair for pair in [*sorted(others), *unheld] if not is_denied(client, *pair)]
        tried = [pair for pair in sorted(own) if pair[0] not in ONLY_DENIALS]
        refused = [pair for pair in tried if is_denied(client, *pair)]
    assert let_through == []
    assert refused == []


def test_the_denial_of_every_action_that_a_function_may_use_is_tested(stack: Stack) -> None:
    granted = [deployed.grants_of(stack.driver, stack.function(each)) for each in FUNCTIONS]
    assert {action for pairs in granted for action, _ in pairs} <= set(ATTEMPTS)
