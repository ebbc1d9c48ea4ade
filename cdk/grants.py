"""What each function's role may do: exactly what the function does, no more.

CDK's own `grant_…` methods give whole families of actions; the lists here are what is used, and
the end-to-end tests take every one of them away to see that it is needed.
"""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs

from cdk.environment import Resources
from cdk.names import (
    DOWNLOADER,
    GOOGLE_CREDENTIALS,
    LOG_NOTIFICATIONS,
    MID_INDEX,
    ON_DEMAND,
    RECONCILE,
    SCHEDULE_UPDATE,
    SLACK,
    STATUS_QUERY,
    TIME_INDEX,
    UPLOADER,
    WEBHOOK,
    Function,
    Names,
)
from cdk.settings import READ_BY

# An event source receives with the function's role.
CONSUME = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
)
# What Lambda itself does with the role of a function in a VPC. None of these can be narrowed down.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
NETWORK_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)


# All rows are compared with the sheet's; one is there alone while that is done.
REPLACE = (
    "dynamodb:Scan",
    "dynamodb:BatchWriteItem",
    "dynamodb:PutItem",
    "dynamodb:DeleteItem",
)


def allow(actions: tuple[str, ...], *resources: str) -> iam.PolicyStatement:
    """A statement that allows `actions` on `resources`."""
    return iam.PolicyStatement(actions=list(actions), resources=list(resources))


def secrets_of(stack: Stack, names: Names, function: Function) -> list[iam.PolicyStatement]:
    """Reading the function's secrets, one by one.

    They are encrypted with the account's `aws/ssm` key, whose own policy lets in whoever may read
    the parameter: no grant on KMS is needed.
    """
    parameters = [names.secret(setting) for setting in READ_BY[function]]
    if function is SCHEDULE_UPDATE:
        parameters.append(GOOGLE_CREDENTIALS)
    arns = [
        stack.format_arn(
            service="ssm",
            resource="parameter",
            # The name begins with the slash that separates it.
            resource_name=parameter.removeprefix("/"),
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        for parameter in parameters
    ]
    return [allow(("ssm:GetParameter",), *arns)] if arns else []


def invoke_itself(stack: Stack, name: str, alias: str) -> iam.PolicyStatement:
    """Invoking its own alias. By name: the function depends on its role already."""
    arn = stack.format_arn(
        service="lambda",
        resource="function",
        resource_name=f"{name}:{alias}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return allow(("lambda:InvokeFunction",), arn)


def statements(resources: Resources, *, in_vpc: bool) -> dict[Function, list[iam.PolicyStatement]]:
    """Each function's grants on the stack's own resources. `in_vpc`: the uploader is in a VPC."""
    tables, queues = resources.tables, resources.queues
    status, events = tables.status.table_arn, tables.events.table_arn
    recordings = tables.recordings.table_arn
    bucket = resources.staging.bucket
    files = bucket.arn_for_objects("*")
    read_write = ("dynamodb:GetItem", "dynamodb:UpdateItem")
    return {
        WEBHOOK: [
            allow(read_write, status, recordings),
            allow(("dynamodb:UpdateItem",), events),
            send(queues.download),
        ],
        ON_DEMAND: [
            allow(("dynamodb:UpdateItem",), status),
            allow(("dynamodb:GetItem",), recordings),
        ],
        DOWNLOADER: [
            allow(("dynamodb:UpdateItem",), status),
            allow(read_write, recordings),
            allow(("dynamodb:GetItem",), tables.schedule.table_arn),
            allow(
                (
                    "s3:PutObject",
                    "s3:ListMultipartUploadParts",
                    "s3:AbortMultipartUpload",
                    "s3:GetObject",
                ),
                files,
            ),
            allow(("s3:ListBucketMultipartUploads",), bucket.bucket_arn),
            allow(CONSUME, queues.download.queue_arn),
            send(queues.download, queues.download_dlq, queues.upload),
        ],
        UPLOADER: [
            allow(("dynamodb:UpdateItem",), status),
            allow(read_write, recordings),
            allow(("dynamodb:GetItem",), events),
            # The uploader looks whether a file is there; Opencast reads, by the URLs that it signs.
            allow(("s3:GetObject",), files),
            allow(CONSUME, queues.upload.queue_arn),
            send(queues.upload_dlq),
            *([allow(NETWORK_INTERFACES, "*")] if in_vpc else []),
        ],
        RECONCILE: [allow(read_write, tables.recordings.table_arn)],
        SCHEDULE_UPDATE: [allow(REPLACE, tables.schedule.table_arn)],
        STATUS_QUERY: _telling(resources),
        SLACK: [
            allow(("dynamodb:Query",), f"{status}/index/{MID_INDEX}"),
            allow(("dynamodb:GetItem",), tables.schedule.table_arn),
        ],
        LOG_NOTIFICATIONS: [
            allow(("dynamodb:GetItem",), status),
            allow(("dynamodb:UpdateItem", "dynamodb:Scan"), tables.faults.table_arn),
            allow(("sns:Publish",), resources.notifications.topic.topic_arn),
        ],
    }


def _telling(resources: Resources) -> list[iam.PolicyStatement]:
    """What is told by `/status`: rows by the two indexes, reconcile's last run, and how many
    messages there are, not what is in them."""
    tables, queues = resources.tables, resources.queues
    status = tables.status.table_arn
    counted = (queues.download, queues.download_dlq, queues.upload, queues.upload_dlq)
    return [
        allow(("dynamodb:Query",), f"{status}/index/{MID_INDEX}", f"{status}/index/{TIME_INDEX}"),
        allow(("dynamodb:GetItem",), tables.recordings.table_arn),
        allow(("sqs:GetQueueAttributes",), *(queue.queue_arn for queue in counted)),
    ]


def send(*queues: sqs.Queue) -> iam.PolicyStatement:
    """Sending to some queues."""
    return allow(("sqs:SendMessage",), *(queue.queue_arn for queue in queues))
