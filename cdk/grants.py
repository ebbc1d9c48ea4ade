"""The grants of each function's role: no more than the function needs.

CDK's own `grant_…` methods grant whole families of actions. The end-to-end tests remove each grant
once, to prove that the function needs the grant. `tests/e2e/test_grants.py` lists the exceptions.
"""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs

from cdk.environment import Resources
from cdk.names import (
    DOWNLOADER,
    FOLLOW,
    FOLLOW_INDEX,
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

# Lambda's event source mapping receives messages with the function's role.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
CONSUME = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
)
# Lambda itself calls the actions in NETWORK_INTERFACES for a function in a VPC, with the function's
# role. AWS's own policy for functions in a VPC allows the actions on all resources.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
NETWORK_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)

READ_WRITE = ("dynamodb:GetItem", "dynamodb:UpdateItem")

# A client of an encrypted table needs all actions in USE_KEY. Queues, bucket and topic need fewer.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
USE_KEY = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
ENCRYPTED = frozenset({"dynamodb", "s3", "sns", "sqs"})
"""The services through which functions use the site's key, if the site has one."""

# An import of the schedule compares all rows with the sheet's rows. A row serves as the import's
# lock.
REPLACE = (
    "dynamodb:Scan",
    "dynamodb:BatchWriteItem",
    "dynamodb:PutItem",
    "dynamodb:DeleteItem",
)


def allow(actions: tuple[str, ...], *resources: str) -> iam.PolicyStatement:
    """Return a statement that allows `actions` on `resources`."""
    return iam.PolicyStatement(actions=list(actions), resources=list(resources))


def secrets_of(stack: Stack, names: Names, function: Function) -> list[iam.PolicyStatement]:
    """Return the grant to read the function's secrets, or [] if the function reads no secret.

    The grant has no wildcards.

    SSM encrypts the secrets with the account's `aws/ssm` key. The key's own policy admits everyone
    who may read the parameter, so no grant on KMS is needed.
    https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html
    """
    parameters = [names.secret(setting) for setting in READ_BY[function]]
    if function is SCHEDULE_UPDATE:
        parameters.append(GOOGLE_CREDENTIALS)
    arns = [
        stack.format_arn(
            service="ssm",
            resource="parameter",
            # The ARN's format adds the slash that the name begins with.
            resource_name=parameter.removeprefix("/"),
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        for parameter in parameters
    ]
    return [allow(("ssm:GetParameter",), *arns)] if arns else []


def invoke_itself(stack: Stack, name: str, alias: str) -> iam.PolicyStatement:
    """Return the grant to invoke the function's own alias.

    The alias is given by name, because the function depends on the role that gets this grant.
    """
    arn = stack.format_arn(
        service="lambda",
        resource="function",
        resource_name=f"{name}:{alias}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return allow(("lambda:InvokeFunction",), arn)


def network_interfaces(stack: Stack, name: str) -> list[iam.PolicyStatement]:
    """Return the grants that Lambda needs for a function in a VPC, and a Deny.

    The Deny keeps the function's code from using the grants. AWS sets `lambda:SourceFunctionArn` on
    calls by the code, and not on calls by Lambda itself.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    """
    arn = stack.format_arn(
        service="lambda",
        resource="function",
        resource_name=name,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    denied = iam.PolicyStatement(
        effect=iam.Effect.DENY,
        actions=list(NETWORK_INTERFACES),
        resources=["*"],
        conditions={"ArnEquals": {"lambda:SourceFunctionArn": arn}},
    )
    return [allow(NETWORK_INTERFACES, "*"), denied]


def use_key(stack: Stack, key: kms.IKey, function: Function) -> iam.PolicyStatement:
    """Return the grant to use the site's KMS key through the function's services in `ENCRYPTED`."""
    services = sorted(ENCRYPTED.intersection(function.services))
    hosts = [f"{service}.{stack.region}.{stack.url_suffix}" for service in services]
    return iam.PolicyStatement(
        actions=list(USE_KEY),
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": hosts}},
    )


def statements(resources: Resources) -> dict[Function, list[iam.PolicyStatement]]:
    """Return each function's grants on the stack's resources."""
    tables = resources.tables
    status, recordings = tables.status.table_arn, tables.recordings.table_arn
    return {
        WEBHOOK: [
            allow(READ_WRITE, status, recordings),
            allow(("dynamodb:UpdateItem",), tables.events.table_arn),
            send(resources.queues.download),
        ],
        ON_DEMAND: [
            allow(("dynamodb:UpdateItem",), status),
            allow(("dynamodb:GetItem",), recordings),
        ],
        DOWNLOADER: _downloader(resources),
        UPLOADER: _uploader(resources),
        RECONCILE: [allow(READ_WRITE, recordings)],
        FOLLOW: [
            allow(("dynamodb:UpdateItem",), status),
            allow(READ_WRITE, recordings),
            allow(("dynamodb:Query",), f"{recordings}/index/{FOLLOW_INDEX}"),
        ],
        SCHEDULE_UPDATE: [allow(REPLACE, tables.schedule.table_arn)],
        STATUS_QUERY: _status_query(resources),
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


def _downloader(resources: Resources) -> list[iam.PolicyStatement]:
    tables, queues, bucket = resources.tables, resources.queues, resources.staging.bucket
    on_files = (
        "s3:PutObject",
        "s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:GetObjectTagging",
    )
    return [
        allow(("dynamodb:UpdateItem",), tables.status.table_arn),
        allow(READ_WRITE, tables.recordings.table_arn),
        allow(("dynamodb:GetItem",), tables.schedule.table_arn),
        allow(on_files, bucket.arn_for_objects("*")),
        allow(("s3:ListBucketMultipartUploads",), bucket.bucket_arn),
        allow(CONSUME, queues.download.queue_arn),
        send(queues.download, queues.download_dlq, queues.upload),
    ]


def _uploader(resources: Resources) -> list[iam.PolicyStatement]:
    """Return the uploader's grants.

    The uploader checks that a staged file exists, and tags the file once Opencast has it. Opencast
    reads the file from a URL that the uploader signs, with the uploader's rights.
    """
    tables, queues = resources.tables, resources.queues
    return [
        allow(("dynamodb:UpdateItem",), tables.status.table_arn),
        allow(READ_WRITE, tables.recordings.table_arn),
        allow(("dynamodb:GetItem",), tables.events.table_arn),
        allow(
            ("s3:GetObject", "s3:PutObjectTagging"), resources.staging.bucket.arn_for_objects("*")
        ),
        allow(CONSUME, queues.upload.queue_arn),
        send(queues.upload_dlq),
    ]


def _status_query(resources: Resources) -> list[iam.PolicyStatement]:
    tables, queues = resources.tables, resources.queues
    status = tables.status.table_arn
    counted = (queues.download, queues.download_dlq, queues.upload, queues.upload_dlq)
    return [
        allow(("dynamodb:Query",), f"{status}/index/{MID_INDEX}", f"{status}/index/{TIME_INDEX}"),
        allow(("dynamodb:GetItem",), tables.recordings.table_arn, tables.schedule.table_arn),
        allow(("sqs:GetQueueAttributes",), *(queue.queue_arn for queue in counted)),
    ]


def send(*queues: sqs.Queue) -> iam.PolicyStatement:
    """Return the grant to send to `queues`."""
    return allow(("sqs:SendMessage",), *(queue.queue_arn for queue in queues))
